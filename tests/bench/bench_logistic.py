"""Speed of logistic regression by Newton's method beside scikit-learn's default solver, to no higher a loss."""

from __future__ import annotations

import numpy as np
from side_by_side import row
from sklearn.linear_model import LogisticRegression as Reference

from ch03_classification.logistic import LogisticRegression
from common import data


def made(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """n points with m columns off zero, and labels that follow a sigmoid."""
    rng = np.random.default_rng(0)
    X, weights = 1 + rng.normal(size=(n, m)), 1.5 * rng.normal(size=m) / np.sqrt(m)
    return X, (rng.random(n) < 1 / (1 + np.exp(weights.sum() - X @ weights))).astype(int)


def loss(model: LogisticRegression | Reference, X: np.ndarray, y: np.ndarray) -> float:
    """What both minimise: Σ −log Pr(y) + ½ ‖w‖²."""
    margin = np.where(y == 1, 1, -1) * model.decision_function(X)
    return float(np.logaddexp(0, -margin).sum() + 0.5 * np.sum(model.coef_**2))


def measure() -> list[dict]:
    """Rows for run.py: a tall table, and the tumours, whose columns are standardised before either fit."""
    train = data.breast_cancer().train
    tumours = (train.features - train.features.mean(axis=0)) / train.features.std(axis=0), train.labels
    rows = []
    for name, (X, y), runs in [("100,000 × 20", made(100_000, 20), 15), ("427 tumours × 30", tumours, 101)]:
        ours, peer = LogisticRegression(), Reference()  # λ = 1 / C = 1, lbfgs with its own tol

        def fit(model: LogisticRegression | Reference = ours, X: np.ndarray = X, y: np.ndarray = y) -> None:
            model.fit(X, y)

        def peer_fit(model: LogisticRegression | Reference = peer, X: np.ndarray = X, y: np.ndarray = y) -> None:
            model.fit(X, y)

        fit()
        peer_fit()
        assert loss(ours, X, y) <= loss(peer, X, y) * (1 + 1e-9), "a fit that stops earlier is no faster"
        rows.append(row(f"fit: logistic regression, {name}", fit, "scikit-learn's lbfgs", peer_fit, 1, runs))
    return rows

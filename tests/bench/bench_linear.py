"""Speed of linear regression and of its probabilistic twin beside scikit-learn's."""

from __future__ import annotations

import numpy as np
from side_by_side import row
from sklearn.linear_model import BayesianRidge
from sklearn.linear_model import LinearRegression as Reference

from ch01_regression.design_matrix import LinearRegression
from ch02_probabilistic.linear_likelihood import GaussianLinearModel
from common import data


def made(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """n points with m columns off zero and a plane through them."""
    rng = np.random.default_rng(0)
    X = 1 + rng.normal(size=(n, m))
    return X, X @ rng.normal(size=m) + rng.normal(size=n)


def measure() -> list[dict]:
    """Rows for run.py: three solvers on a tall table, the Gaussian model on two."""
    part = data.diabetes().train
    tall, middle, patients = made(200_000, 50), made(20_000, 50), (part.features, part.targets)
    rows = []
    for name, ours, peer, (X, y), at_least, runs in [
        ("plane by QR, 200,000 × 50", LinearRegression(), Reference(), tall, 1, 7),
        ("plane by Cholesky, 200,000 × 50", LinearRegression("cholesky"), Reference(), tall, 4, 7),
        ("Gaussian model, 20,000 × 50", GaussianLinearModel(), BayesianRidge(), middle, 1, 9),
        ("Gaussian model, 332 patients × 10", GaussianLinearModel(), BayesianRidge(), patients, 1, 101),
    ]:

        def fit(model=ours, X: np.ndarray = X, y: np.ndarray = y) -> None:
            model.fit(X, y)

        def peer_fit(model=peer, X: np.ndarray = X, y: np.ndarray = y) -> None:
            model.fit(X, y)

        rows.append(row(f"fit: {name}", fit, f"scikit-learn's {type(peer).__name__}", peer_fit, at_least, runs))
    return rows

"""Speed of softmax regression beside scikit-learn's, to a cost that is no higher.

Both run L-BFGS. scikit-learn's stops by its default tolerance; ours goes on until it is below that.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax
from side_by_side import row
from sklearn.linear_model import LogisticRegression as Reference

from ch03_classification.digits.tables import pixels
from ch03_classification.softmax import SoftmaxRegression
from common import data
from common.data import Table

SLACK = 1e-9  # of the cost: what two sums of the same numbers may differ by


def cost(model: Reference | SoftmaxRegression, part: Table, penalty: float) -> float:
    """−Σ log P(true class) + λ/2 ‖W‖², by scipy."""
    logs = log_softmax(part.features @ model.coef_.T + model.intercept_, axis=1)
    return float(penalty / 2 * (model.coef_**2).sum() - logs[np.arange(len(part)), part.labels].sum())


def measure() -> list[dict]:
    """Rows for run.py: the MNIST pack with two penalties, and the small digits."""
    large, small = pixels(data.mnist().train, white=255), pixels(data.digits().train, white=16)
    rows = []
    for name, part, penalty, tol, runs in [
        ("MNIST pack, 7291 × 784, λ = 1", large, 1.0, 0.05, 3),
        ("MNIST pack, 7291 × 784, λ = 10", large, 10.0, 0.025, 3),
        ("digits, 1348 × 64, λ = 1", small, 1.0, 0.02, 9),
    ]:
        ours, peer = SoftmaxRegression(penalty, tol=tol), Reference(C=1 / penalty, max_iter=10_000)

        def fit(ours: SoftmaxRegression = ours, part: Table = part) -> None:
            ours.fit(part.features, part.labels)

        def peer_fit(peer: Reference = peer, part: Table = part) -> None:
            peer.fit(part.features, part.labels)

        fit()
        peer_fit()
        reached, theirs = cost(ours, part, penalty), cost(peer, part, penalty)
        if reached > theirs * (1 + SLACK):
            raise AssertionError(f"{name}: ours stopped at {reached}, scikit-learn's at {theirs}: no fair race")
        rows.append(row(f"fit: softmax, {name}", fit, "scikit-learn's LogisticRegression", peer_fit, 1, runs))
    return rows

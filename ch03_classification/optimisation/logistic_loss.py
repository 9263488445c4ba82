"""The logistic loss of many inputs, its gradient and its Hessian, quickly; a step that survives dependent columns.

The equations are those of `textbook_newton` in logistic.py. Here the Hessian sums over blocks that stay in the cache;
labels are ±1: loss and gradient subtract no probability from 1. A system without a unique solution gets the shortest.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from scipy import linalg
from threadpoolctl import ThreadpoolController

from ch03_classification.sigmoid import log_sigmoid, sigmoid

BLOCK = 16384  # points: weighted, they stay in the processor's cache
WIDE = 64  # columns, from which on products are large enough to be shared out to threads
DEPENDENT = 1e-12  # a column of which no larger share is new, beside the columns before it

Theta = Float[np.ndarray, "m"]


@dataclass(frozen=True)
class Objective:
    """Σ −log σ(s xᵀθ) + ½ Σ λθ². X: (n, m), one column being 1. sign: s, (n,), 1 or −1 for y. penalties: λ, (m,)."""

    X: Float[np.ndarray, "n m"]
    sign: Float[np.ndarray, "n"]
    penalties: Theta

    def slope(self, theta: Theta) -> tuple[float, Theta, Float[np.ndarray, "n"]]:
        """The loss, its gradient Xᵀ(p − y) + λθ, and |p − y|, the probability of each point's wrong class."""
        margin = self.sign * (self.X @ theta)
        wrong = sigmoid(-margin)
        loss = 0.5 * self.penalties @ theta**2 - log_sigmoid(margin).sum()
        return float(loss), self.penalties * theta - (self.sign * wrong) @ self.X, wrong

    def curvature(self, wrong: Float[np.ndarray, "n"]) -> Float[np.ndarray, "m m"]:
        """The Hessian, Xᵀ diag(p (1 − p)) X + diag λ, from the last of what slope() gives."""
        root, hessian = np.sqrt(wrong * (1 - wrong))[:, None], np.diag(self.penalties)
        for start in range(0, len(self.X), BLOCK):
            weighted = self.X[start : start + BLOCK] * root[start : start + BLOCK]
            hessian += weighted.T @ weighted
        return hessian

    def largest_curvature(self) -> float:
        """λmax(XᵀX / 4 + diag λ), which no Hessian exceeds, for p (1 − p) ≤ ¼."""
        return float(np.linalg.eigvalsh(self.curvature(np.full(len(self.X), 0.5)))[-1])

    def sixteenth(self) -> Objective:
        """The same objective on every sixteenth point."""
        return Objective(self.X[::16], self.sign[::16], self.penalties / 16)


@dataclass(frozen=True)
class Descent:
    """Where a descent ended, its losses, and whether it converged or ran out of steps."""

    theta: Theta
    losses: list[float]
    arrived: bool


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def few_threads(columns: int) -> AbstractContextManager:
    """While the block runs, one thread for products of few columns: more would wait for each other, not work."""
    return _libraries().limit(limits=1 if columns < WIDE else None, user_api="blas")


def solve(hessian: Float[np.ndarray, "m m"], slope: Theta) -> Theta:
    """H⁻¹ g by Cholesky; where columns depend on each other, the shortest of all solutions."""
    try:
        L = linalg.cholesky(hessian, lower=True)
        if (np.diag(L) ** 2 > DEPENDENT * np.diag(hessian)).all():
            return linalg.cho_solve((L, True), slope)
    except linalg.LinAlgError:
        pass
    return linalg.lstsq(hessian, slope, cond=DEPENDENT)[0]


def is_separated(objective: Objective, found: Descent) -> bool:
    """Whether the classes are separable, as far as an unpenalised descent can tell.

    It is proved where every point is on its side of the boundary: twice that theta is better still, and so on. Points
    that lie on the boundary leave some loss, but the rest run off alike: a Newton step from where the loss has settled
    still moves log-odds by 1.
    """
    if (objective.sign * (objective.X @ found.theta)).min() > 0:
        return True
    _, slope, wrong = objective.slope(found.theta)
    step = solve(objective.curvature(wrong), slope)
    return found.arrived and float(np.abs(objective.X @ step).max()) > 0.5

"""The logistic loss of many inputs, and the two ways down it that logistic.py compares: Newton's and Nesterov's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import linalg

from ch03_classification.sigmoid import log_sigmoid, sigmoid

BLOCK = 8192  # points: what is computed of a block stays in the processor's cache
SLACK = 1e-12  # a loss that rises by a smaller share of itself rises by rounding
DEPENDENT = 1e-12  # a column of which less than this share is not in the columns before it

Theta = Float[np.ndarray, "m"]


@dataclass(frozen=True)
class Objective:
    """Σ −log σ(s xᵀθ) + ½ Σ λθ². X: (n, m), one column being 1. sign: s, (n,), 1 or −1 for y. penalties: λ, (m,)."""

    X: Float[np.ndarray, "n m"]
    sign: Float[np.ndarray, "n"]
    penalties: Theta

    def at(self, theta: Theta, curvature: bool = True) -> tuple[float, Theta, Float[np.ndarray, "m m"]]:
        """The loss; its gradient Xᵀ(p − y) + λθ; its Hessian Xᵀ diag(p (1 − p)) X + diag λ, unless not asked for."""
        loss, slope = 0.5 * float(self.penalties @ theta**2), self.penalties * theta
        bend = np.diag(self.penalties)
        for start in range(0, len(self.X), BLOCK):
            X, sign = self.X[start : start + BLOCK], self.sign[start : start + BLOCK]
            margin = sign * (X @ theta)
            wrong = sigmoid(-margin)  # |p − y|, what was given to the other class
            loss -= float(log_sigmoid(margin).sum())
            slope -= (sign * wrong) @ X
            if curvature:
                weighted = X * np.sqrt(wrong * (1 - wrong))[:, None]
                bend += weighted.T @ weighted
        return loss, slope, bend

    def largest_curvature(self) -> float:
        """λmax(XᵀX / 4 + diag λ), which no Hessian exceeds, for p (1 − p) ≤ ¼."""
        return float(np.linalg.eigvalsh(self.X.T @ self.X / 4 + np.diag(self.penalties))[-1])


@dataclass(frozen=True)
class Descent:
    """Where a way down ended, the losses that it met, and whether it arrived or was out of steps."""

    theta: Theta
    losses: list[float]
    arrived: bool


def solve(bend: Float[np.ndarray, "m m"], slope: Theta) -> Theta:
    """H⁻¹ g by Cholesky; where columns depend on each other, the shortest step of those that do as well."""
    try:
        L = linalg.cholesky(bend, lower=True)
        if (np.diag(L) ** 2 > DEPENDENT * np.diag(bend)).all():
            return linalg.cho_solve((L, True), slope)
    except linalg.LinAlgError:
        pass
    return linalg.lstsq(bend, slope, cond=DEPENDENT)[0]


def newton(objective: Objective, max_iter: int, tol: float) -> Descent:
    """θ ← θ − H⁻¹ g, and half-way back where that has raised the loss.

    H⁻¹ is also the covariance of the estimate, so √(gᵀH⁻¹g) is the length of the step in standard errors. One shorter
    than tol is the last: an error is about the square of the one before, so it leaves some tol².
    """
    theta = before = np.zeros(len(objective.penalties))
    losses, lowest = [], np.inf
    for _ in range(max_iter):
        loss, slope, bend = objective.at(theta)
        losses.append(loss)
        if not loss <= lowest * (1 + SLACK):  # "not": neither is NaN
            theta = (theta + before) / 2
            continue
        step = solve(bend, slope)
        theta, before, lowest = theta - step, theta, loss
        if slope @ step <= tol**2:
            return Descent(theta, losses, arrived=True)
    return Descent(theta, losses, arrived=False)


def accelerated_gradient(objective: Objective, max_iter: int, tol: float, momentum: bool = True) -> Descent:
    """θ ← a − g(a) / L with a ahead of θ by its momentum; L bounds the curvature, so no step overshoots (Nesterov 1983).

    Momentum that points uphill is dropped (O'Donoghue and Candès 2015). It ends where ‖g‖ ≤ tol².
    """
    theta = ahead = np.zeros(len(objective.penalties))
    rate, t, losses = 1 / objective.largest_curvature(), 1.0, []
    for _ in range(max_iter):
        loss, slope, _ = objective.at(ahead, curvature=False)
        losses.append(loss)
        if np.linalg.norm(slope) <= tol**2:
            return Descent(ahead, losses, arrived=True)
        theta, before = ahead - rate * slope, theta
        if not momentum or slope @ (theta - before) > 0:
            t = 1.0
        t, last = (1 + np.sqrt(1 + 4 * t**2)) / 2, t
        ahead = theta + (last - 1) / t * (theta - before)
    return Descent(theta, losses, arrived=False)


def separated(objective: Objective, found: Descent) -> bool:
    """Whether the classes are separable, as far as an unpenalised descent can tell.

    It is proved where every point is on its side of the boundary: twice that theta is better still, and so on. Points
    that lie on the boundary leave some loss, but the rest run off alike: a Newton step from where the loss has settled
    still moves log-odds by 1.
    """
    if (objective.sign * (objective.X @ found.theta)).min() > 0:
        return True
    _, slope, bend = objective.at(found.theta)
    return found.arrived and float(np.abs(objective.X @ solve(bend, slope)).max()) > 0.5

"""Minimisation in coordinates in which a cost is nearly round: how softmax.py is fitted in few steps.

A long narrow valley takes many steps, a round one few. With θ = Rv and Rᵀ (Xᵀ diag(w) X + λI) R = I the curvature along
every v is near 1, where w_i is the curvature that point i contributes. R is called a preconditioner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy import linalg, optimize, sparse

if TYPE_CHECKING:
    from ch03_classification.softmax import Cost

FIRST = 10  # steps before the curvature is measured again; then three times as many, and so on
WIDE = 2000  # columns above which a matrix of columns × columns costs more than it saves
JITTER = 1e-8  # of a column's curvature: columns may depend on each other
EPSILON = np.finfo(np.float64).eps

Theta = Float[np.ndarray, "m classes"]
Preconditioner = Float[np.ndarray, "m m"] | sparse.sparray


def preconditioner(cost: Cost, weights: Float[np.ndarray, "n"]) -> Preconditioner:
    """R with Rᵀ (Xᵀ diag(w) X + diag(λ)) R = I, by Cholesky. For a wide X that of the diagonal, which is cheap."""
    size = weights @ cost.X**2 + cost.penalty
    size[size == 0] = 1.0  # a constant column
    if len(size) > WIDE:
        return sparse.diags_array(size**-0.5)
    rows = cost.X * np.sqrt(weights)[:, None]
    curvature = rows.T @ rows + np.diag(cost.penalty + JITTER * size)
    return linalg.solve_triangular(linalg.cholesky(curvature), np.eye(len(size)))


def descend(cost: Cost, theta: Theta, R: Preconditioner, steps: int, tol: float) -> tuple[Theta, list[float], bool]:
    """L-BFGS (Liu and Nocedal 1989) from theta along θ + Rv, until no slope along v is above tol.

    Returns the θ reached, the cost after each step, and whether the descent converged before it ran out of steps.
    """

    def along(v: Float[np.ndarray, "values"]) -> tuple[float, Float[np.ndarray, "values"]]:
        value, gradient = cost.at(theta + R @ v.reshape(theta.shape))
        return value, (R.T @ gradient).ravel()

    costs: list[float] = []
    found = optimize.minimize(
        along,
        np.zeros(theta.size),
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: costs.append(float(intermediate_result.fun)),
        options={"maxiter": steps, "maxfun": 20 * steps, "gtol": tol, "ftol": EPSILON},
    )
    return theta + R @ found.x.reshape(theta.shape), costs, found.status != 1


def descend_in_rounds(cost: Cost, steps: int, tol: float) -> tuple[Theta, list[float], bool]:
    """descend() from θ = 0, with R measured at the point reached after 10 steps, 30 more, 90 more …"""
    theta, costs, done, more = cost.start, [], False, FIRST
    while not done and len(costs) < steps:
        R = preconditioner(cost, cost.point_curvatures(theta))
        theta, found, done = descend(cost, theta, R, min(more, steps - len(costs)), tol)
        costs, more = costs + found, 3 * more
    return theta, costs, done


def compare_coordinates(cost: Cost, steps: int, tol: float) -> dict[str, list[float]]:
    """The cost after each step, in three kinds of coordinates."""
    bound = preconditioner(cost, np.full(len(cost.X), 0.5))
    return {
        "as they are": descend(cost, cost.start, np.eye(len(cost.penalty)), steps, tol)[1],
        "Böhning's bound": descend(cost, cost.start, bound, steps, tol)[1],
        "curvature measured": descend_in_rounds(cost, steps, tol)[1],
    }

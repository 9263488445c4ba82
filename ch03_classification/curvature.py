"""The cost of softmax, and its minimisation in coordinates in which it is nearly round: how softmax.py is fitted.

A long narrow valley takes many steps, a round one few. With θ = Rv and Rᵀ (Xᵀ diag(w) X + λI) R = I the curvature along
every v is near 1, where w_i is the curvature that point i contributes. Böhning's w = ½ (1992) bounds it everywhere;
½ (1 − Σ p²) at the current θ is closer, but is not a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Real, Shaped
from scipy import linalg, optimize, sparse

from common import plots
from common.answers import as_floats, check_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST = 10  # steps before the curvature is measured again; then three times as many, and so on
WIDE = 2000  # columns above which a matrix of columns × columns costs more than it saves
JITTER = 1e-8  # of a column's curvature: columns may depend on each other
EPSILON = np.finfo(np.float64).eps

Theta = Float[np.ndarray, "m classes"]
Rounding = Float[np.ndarray, "m m"] | sparse.sparray


def log_softmax(z: Real[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    """log P = z − log Σⱼ exp(zⱼ). The largest z is taken off first, which changes nothing but that no exp overflows."""
    z = as_floats(z)
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def doubt(P: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n"]:
    """1 − Σₖ Pₖ², 0 where one class has the whole probability: then the point contributes no curvature.

    A point adds (diag(P) − PPᵀ) ⊗ xxᵀ to the Hessian, and 1 − Σ Pₖ² is the trace of that first factor.
    """
    return 1 - (P**2).sum(axis=1)


@dataclass(frozen=True)
class Cost:
    """C(θ) = −Σ Y log P + ½ Σ λθ², in nats. X: a column of ones, then the centred inputs. Y: a 1 in the true class."""

    X: Float[np.ndarray, "n m"]
    Y: Float[np.ndarray, "n classes"]
    penalty: Float[np.ndarray, "m"]

    @classmethod
    def of(
        cls,
        inputs: Float[np.ndarray, "n m"],
        labels: Shaped[np.ndarray, "..."],
        penalty: float | Float[np.ndarray, "m"],
    ) -> Cost:
        """The cost of these inputs, centred, with theta_0 unpenalised. labels: 0 … classes − 1, none missing.

        penalty: one for all columns, or one for each. Raises ValueError unless there is a label for each row.
        """
        labels = check_labels(labels, inputs.shape, int(labels.max(initial=0)) + 1, ("labels", "inputs"))
        mean = inputs.mean(axis=0)
        centred = inputs - mean
        centred[:, np.abs(centred).max(axis=0) <= len(inputs) * EPSILON * np.abs(mean)] = 0.0  # but for its rounding
        X = np.column_stack([np.ones(len(inputs)), centred])
        return cls(X, np.eye(labels.max() + 1)[labels], np.r_[0.0, np.broadcast_to(penalty, len(mean))])

    @property
    def start(self) -> Theta:
        """θ = 0: all classes are as likely."""
        return np.zeros((self.X.shape[1], self.Y.shape[1]))

    def at(self, theta: Theta) -> tuple[float, Theta]:
        """C(θ) and its gradient Xᵀ(P − Y) + λθ."""
        logs = log_softmax(self.X @ theta)
        value = self.penalty @ (theta**2).sum(axis=1) / 2 - np.vdot(self.Y, logs)
        return float(value), self.X.T @ (np.exp(logs) - self.Y) + self.penalty[:, None] * theta

    def rounding(self, weights: Float[np.ndarray, "n"]) -> Rounding:
        """R with Rᵀ (Xᵀ diag(w) X + diag(λ)) R = I, by Cholesky. For a wide X that of the diagonal, which is cheap."""
        size = weights @ self.X**2 + self.penalty
        size[size == 0] = 1.0  # a constant column
        if len(size) > WIDE:
            return sparse.diags_array(size**-0.5)
        rows = self.X * np.sqrt(weights)[:, None]
        curvature = rows.T @ rows + np.diag(self.penalty + JITTER * size)
        return linalg.solve_triangular(linalg.cholesky(curvature), np.eye(len(size)))

    def measured_rounding(self, theta: Theta) -> Rounding:
        """R where the points bend the cost as they do at θ. At θ = 0 that is nearly Böhning's."""
        return self.rounding(doubt(np.exp(log_softmax(self.X @ theta))) / 2)


def descend(cost: Cost, theta: Theta, R: Rounding, steps: int, tol: float) -> tuple[Theta, list[float], bool]:
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
        R = cost.measured_rounding(theta)
        theta, found, done = descend(cost, theta, R, min(more, steps - len(costs)), tol)
        costs, more = costs + found, 3 * more
    return theta, costs, done


def walks(cost: Cost, steps: int, tol: float) -> dict[str, list[float]]:
    """The cost after each step, in three kinds of coordinates."""
    bound = cost.rounding(np.full(len(cost.X), 0.5))
    return {
        "as they are": descend(cost, cost.start, np.eye(len(cost.penalty)), steps, tol)[1],
        "Böhning's bound": descend(cost, cost.start, bound, steps, tol)[1],
        "curvature measured": descend_in_rounds(cost, steps, tol)[1],
    }


def draw_walks(problems: dict[str, dict[str, list[float]]]) -> Figure:
    """One panel per problem: how far each descent still is above the lowest cost that any of them reached."""
    figure, axes = plots.panels(len(problems), sharey=True)
    for axis, (problem, found) in zip(axes, problems.items(), strict=True):
        least = min(min(costs) for costs in found.values())
        for name, costs in found.items():
            axis.loglog(np.arange(1, len(costs) + 1), np.array(costs) / least - 1 + 1e-9, label=name)
        axis.set(title=problem, xlabel="step", ylim=(1e-6, None))
    axes[0].set_ylabel("cost above the lowest (share of it)")
    axes[0].legend(loc="lower left")
    return figure

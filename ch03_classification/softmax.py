"""Ten digits, one answer: exponentials, divided by their sum, turn ten scores into ten probabilities.

Question   How does logistic regression go on when there are more classes than two, and how good is it on digits?
Method     P(k | x) = exp(zₖ) / Σⱼ exp(zⱼ) with zₖ = θₖᵀx (Bishop 2006, §4.3.4). The log loss has the gradient
           Xᵀ(P − Y), and L-BFGS (Liu and Nocedal 1989) walks down it in coordinates where the valley is nearly round.
Rival      Discriminant analysis, k nearest neighbours and an RBF-SVM on the same digits; scikit-learn's logistic
           regression is the reference.
Differs    The lecture has two classes, for which softmax is the sigmoid of z₁ − z₀. Böhning (1992) bounds the curvature
           once and for all; here it is measured once more on the way down, which is worth far more.
Costs      20 s on two cores, half of it for the rivals.
"""

from __future__ import annotations

import warnings
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy import linalg, optimize, sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from common import data, plots
from common.data import Images, Table
from common.run import Method, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST = 10  # iterations before the curvature is measured again
WIDE = 2000  # columns above which a matrix of columns × columns costs more than it saves
LEAST = 1e-6  # probabilities below are counted as this: a forest's 0 would make its log loss infinite
PENALTIES = np.logspace(-2, 2, 9).tolist()


def log_softmax(z: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    """log P = z − log Σⱼ exp(zⱼ). The largest z is taken off first, which changes nothing but that no exp overflows."""
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def cost(
    theta: Float[np.ndarray, "m classes"],
    X: Float[np.ndarray, "n m"],
    Y: Float[np.ndarray, "n classes"],
    penalty: Float[np.ndarray, "m"],
) -> tuple[float, Float[np.ndarray, "m classes"]]:
    """C(θ) = −Σ Y log P + ½ Σ λⱼ θⱼ² in nats, and its gradient Xᵀ(P − Y) + λθ. Y: a 1 a row, in the true class."""
    logs = log_softmax(X @ theta)
    value = penalty @ (theta**2).sum(axis=1) / 2 - np.vdot(Y, logs)
    return float(value), X.T @ (np.exp(logs) - Y) + penalty[:, None] * theta


def doubt(P: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n"]:
    """1 − Σₖ Pₖ², the trace of diag(P) − PPᵀ: how much a point can bend the cost. No doubt, no curvature."""
    return 1 - (P**2).sum(axis=1)


def rounding(
    X: Float[np.ndarray, "n m"], weights: Float[np.ndarray, "n"], penalty: Float[np.ndarray, "m"]
) -> Float[np.ndarray, "m m"] | sparse.sparray:
    """R with Rᵀ (Xᵀ diag(w) X + diag(λ)) R = I, by Cholesky. For wide X the same for the diagonal alone, which is cheap.

    With a weight of ½ this is Böhning's bound (1992): in θ = Rv no curvature of the cost is above 1. With each point's
    doubt as weight, it is a bound near the current θ.
    """
    size = weights @ X**2 + penalty
    size[size == 0] = 1.0  # a constant column
    if X.shape[1] > WIDE:
        return sparse.diags_array(size**-0.5)
    rows = X * np.sqrt(weights)[:, None]
    curvature = rows.T @ rows + np.diag(penalty + 1e-8 * size)  # the 1e-8: columns may depend on each other
    return linalg.solve_triangular(linalg.cholesky(curvature), np.eye(len(size)))


def descend(
    theta: Float[np.ndarray, "m classes"],
    R: Float[np.ndarray, "m m"] | sparse.sparray,
    problem: tuple[np.ndarray, np.ndarray, np.ndarray],
    iterations: int,
    tol: float,
) -> tuple[Float[np.ndarray, "m classes"], list[float], bool]:
    """L-BFGS on v in θ = start + Rv, until no slope along v is above tol. Also the cost after each step, and whether

    it got there. problem: X, Y and penalty, as cost() takes them.
    """

    def along(v: Float[np.ndarray, "m*classes"]) -> tuple[float, Float[np.ndarray, "m*classes"]]:
        value, gradient = cost(theta + R @ v.reshape(theta.shape), *problem)
        return value, (R.T @ gradient).ravel()

    losses: list[float] = []
    found = optimize.minimize(
        along,
        np.zeros(theta.size),
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: losses.append(float(intermediate_result.fun)),
        options={"maxiter": iterations, "maxfun": 20 * iterations, "gtol": tol, "ftol": np.finfo(float).eps},
    )
    return theta + R @ found.x.reshape(theta.shape), losses, found.status != 1


class SoftmaxRegression(ClassifierMixin, BaseEstimator):
    """Softmax over linear scores, for two classes or more: argmin of −Σ log P(true class) + λ/2 ‖W‖².

    penalty: λ ≥ 0; intercepts go free. tol: the largest slope at which to stop; what one weight can still gain is then
    about tol²/2 nats. fit sets classes_, coef_ (classes, m), intercept_ (classes,), losses_ (after each step), n_iter_.
    """

    def __init__(self, penalty: float = 1.0, max_iter: int = 2000, tol: float = 0.01) -> None:
        self.penalty = penalty
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike) -> SoftmaxRegression:
        """X: (n, m). y: (n,). Raises ValueError for a single class, and as scikit-learn does."""
        check_scalar(self.penalty, "penalty", Real, min_val=0)
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("softmax regression needs two classes or more, got 1 class")
        Y, mean = np.eye(len(self.classes_))[labels], X.mean(axis=0)
        X = np.column_stack([np.ones(len(X)), X - mean])
        penalty = np.full(X.shape[1], float(self.penalty))
        penalty[0] = 0.0
        theta, self.losses_ = np.zeros((X.shape[1], Y.shape[1])), []
        done, steps = False, FIRST
        while not done and len(self.losses_) < self.max_iter:
            R = rounding(X, doubt(np.exp(log_softmax(X @ theta))) / 2, penalty)
            theta, losses, done = descend(theta, R, (X, Y, penalty), min(steps, self.max_iter - len(self.losses_)), self.tol)
            self.losses_ += losses
            steps *= 3
        if not done:
            warnings.warn(f"no minimum after {self.max_iter} steps; raise max_iter", ConvergenceWarning, stacklevel=2)
        self.n_iter_ = len(self.losses_)
        self.coef_ = theta[1:].T
        self.intercept_ = theta[0] - self.coef_ @ mean
        return self

    def predict_log_proba(self, X: ArrayLike) -> Float[np.ndarray, "n classes"]:
        """log P(k | x). X: (n, m)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return log_softmax(X @ self.coef_.T + self.intercept_)

    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "n classes"]:
        """P(k | x). X: (n, m)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest class of each row, (n,)."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best]

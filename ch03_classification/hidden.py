"""One hidden layer of tanh units, fitted without backpropagation: the network of no_line.py.

A hidden unit is a line of its own, tanh(wᵀx + b) = 0, and the output is logistic regression on the units' values.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ch03_classification.sigmoid import log_sigmoid, sigmoid
from ch03_classification.two_classes import TwoClassClassifier
from common.scales import must_be, warn_of_scale

STEP = 1e-7  # of a finite difference: a smaller one drowns in rounding, a larger one is no derivative

Points = Float[np.ndarray, "n m"]
Thetas = Float[np.ndarray, "batch parameters"]


def count_parameters(inputs: int, hidden: int) -> int:
    """(M + 1) H weights and thresholds of the hidden units, H + 1 of the output."""
    return (inputs + 1) * hidden + hidden + 1


def hidden_units(thetas: Thetas, x: Points, hidden: int) -> Float[np.ndarray, "batch n hidden"]:
    """φⱼ(x) = tanh(wⱼᵀx + bⱼ), for a whole batch of networks at once. Row 0 of each network's weights holds the b."""
    weights = thetas[:, : (x.shape[1] + 1) * hidden].reshape(len(thetas), x.shape[1] + 1, hidden)
    return np.tanh(x @ weights[:, 1:] + weights[:, :1])


def log_odds(thetas: Thetas, x: Points, hidden: int) -> Float[np.ndarray, "batch n"]:
    """θ₀ + Σⱼ θⱼ φⱼ(x): logistic regression on the hidden units."""
    top = thetas[:, -hidden - 1 :]
    return (hidden_units(thetas, x, hidden) @ top[:, 1:, None])[..., 0] + top[:, :1]


def loss(
    thetas: Thetas, x: Points, signs: Float[np.ndarray, "n"], hidden: int, penalty: float
) -> Float[np.ndarray, "batch"]:
    """Mean log loss −log σ(±z) of each network, in nats, plus λ/2 ‖θ‖². signs: 1 for class 1, −1 for class 0."""
    misfit = -log_sigmoid(signs * log_odds(thetas, x, hidden)).mean(axis=1)
    return misfit + penalty / 2 * (thetas**2).sum(axis=1)


class HiddenUnits(TwoClassClassifier):
    """A network with one hidden layer of tanh units, for two classes; of several random starts the lowest loss wins.

    fit sets classes_, theta_ (parameters,), ends_ (starts, parameters), where each descent ended, their losses_,
    evaluations_ of the loss in all, and n_iter_.
    """

    def __init__(
        self, hidden: int = 3, penalty: float = 1e-4, starts: int = 5, max_iter: int = 300, random_state=None
    ) -> None:
        self.hidden = hidden
        self.penalty = penalty
        self.starts = starts
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> HiddenUnits:
        """X: (n, m), of size about 1. y: (n,), labels of two kinds. Raises ValueError for more or fewer."""
        for name in ("hidden", "starts", "max_iter"):
            must_be(name, getattr(self, name), least=1, whole=True)
        must_be("penalty", self.penalty)
        X, labels = self._two_classes(X, y)
        warn_of_scale(X, "units of tanh want inputs of size about 1")
        rng, size = check_random_state(self.random_state), count_parameters(X.shape[1], self.hidden)
        signs, nudges = 2.0 * labels - 1, np.vstack([np.zeros(size), STEP * np.eye(size)])

        def slope(theta: Float[np.ndarray, "p"]) -> tuple[float, Float[np.ndarray, "p"]]:
            here, *there = loss(theta + nudges, X, signs, self.hidden, self.penalty)
            return float(here), (np.array(there) - here) / STEP

        ends = [
            minimize(slope, rng.normal(size=size), jac=True, method="L-BFGS-B", options={"maxiter": self.max_iter})
            for _ in range(self.starts)
        ]
        self.ends_, self.losses_ = np.array([end.x for end in ends]), np.array([end.fun for end in ends])
        self.theta_ = self.ends_[self.losses_.argmin()]
        self.evaluations_ = sum(end.nfev for end in ends) * (size + 1)
        self.n_iter_ = max(end.nit for end in ends)
        return self

    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "n 2"]:
        """The probability of each class. X: (n, m)."""
        check_is_fitted(self)
        z = log_odds(self.theta_[None], validate_data(self, X, dtype=np.float64, reset=False), self.hidden)[0]
        return sigmoid(np.column_stack([-z, z]))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likelier class of each row, (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

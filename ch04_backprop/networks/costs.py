"""The costs that end a network, each joined with its last unit; output_units.py shows why.

Method     Linear, sigmoid and softmax units, each with the log-likelihood of its distribution. forward takes the
           outputs z of the last layer and the answers; backward returns ∂C/∂z. Answers whose shape does not fit z raise
           a ValueError that names both shapes, because NumPy would broadcast them.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Real, Shaped

from ch04_backprop.layers import Layer, sigmoid
from common.answers import as_floats, check_labels, check_same_shape


def log_sum_exp(z: Real[np.ndarray, "n classes"]) -> Float[np.ndarray, "n 1"]:
    """log Σ_k e^{z_k} = m + log Σ_k e^{z_k − m} with m = max z: the largest exponential is 1, so none overflows."""
    z = as_floats(z)
    m = z.max(axis=1, keepdims=True)
    return m + np.log(np.exp(z - m).sum(axis=1, keepdims=True))


class SquaredError:
    """Linear units. C = (1/2N) Σ ‖z − y‖²: up to a constant the negative log-likelihood of a Gaussian of variance 1."""

    def forward(self, z: Real[np.ndarray, "n ..."], answers: Real[np.ndarray, "..."]) -> float:
        check_same_shape(scores=z, answers=answers)
        self.residuals = as_floats(z) - answers
        return float(0.5 * np.square(self.residuals).sum() / len(z))

    def backward(self) -> Float[np.ndarray, "n ..."]:
        """∂C/∂z = (z − y) / N."""
        return self.residuals / len(self.residuals)


class SigmoidCrossEntropy:
    """A sigmoid unit for answers in {0, 1}. C = (1/N) Σ log(1 + e^z) − y z, the log loss, from z and not from σ(z)."""

    def forward(self, z: Real[np.ndarray, "n ..."], answers: Shaped[np.ndarray, "..."]) -> float:
        if z.shape[1:] != (1,):
            raise ValueError(
                f"a sigmoid unit has one score a point, shape (n, 1); got {z.shape}, answers {answers.shape}"
            )
        self.z = np.array(as_floats(z))
        self.answers = check_labels(answers, z.shape, 2)[:, None].astype(self.z.dtype)
        return float(np.mean(np.logaddexp(0, self.z) - self.answers * self.z))

    def backward(self) -> Float[np.ndarray, "n 1"]:
        """∂C/∂z = (σ(z) − y) / N."""
        return (sigmoid(self.z) - self.answers) / len(self.z)


class SoftmaxCrossEntropy:
    """Softmax units for answers in 0 … K − 1. C = (1/N) Σ log Σ_k e^{z_k} − z_y.

    smoothing: the share s of each answer spread over all classes, so that its own class gets 1 − s + s/K (label
    smoothing, Szegedy et al. 2016, §7: noise in the answers, averaged). Raises ValueError unless 0 ≤ s ≤ 1.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        if not 0 <= smoothing <= 1:
            raise ValueError(f"smoothing must be in [0, 1], got {smoothing}")
        self.smoothing = smoothing

    def forward(self, z: Real[np.ndarray, "n classes"], answers: Shaped[np.ndarray, "..."]) -> float:
        z, answers = as_floats(z), check_labels(answers, z.shape, z.shape[1])
        self.log_p = z - log_sum_exp(z)
        self.wanted = np.full_like(z, self.smoothing / z.shape[1])
        self.wanted[np.arange(len(z)), answers] += 1 - self.smoothing
        return float(-np.vdot(self.wanted, self.log_p) / len(z))

    def backward(self) -> Float[np.ndarray, "n classes"]:
        """∂C/∂z = (p − y) / N, with y one-hot or smoothed."""
        return (np.exp(self.log_p) - self.wanted) / len(self.wanted)


class OneHotSquaredError(SquaredError):
    """The squared error of a classifier: answer y is the vector e_y. unit: the layer that predicts from z."""

    def __init__(self, unit: Layer | None = None) -> None:
        self.unit = unit

    def forward(self, z: Real[np.ndarray, "n classes"], answers: Shaped[np.ndarray, "..."]) -> float:
        z, answers = as_floats(z), check_labels(answers, z.shape, z.shape[1])
        predicted = self.unit.forward(z) if self.unit else z
        return super().forward(predicted, np.eye(z.shape[1], dtype=z.dtype)[answers])

    def backward(self) -> Float[np.ndarray, "n classes"]:
        """(prediction − e_y) / N, back through the unit: its slope is a factor, which no logarithm cancels."""
        delta = super().backward()
        return self.unit.backward(delta) if self.unit else delta

"""The last unit and the loss belong together: joined, they are simple, stable, and push as hard as they are wrong.

Question   A network ends in plain numbers. How do they become a quantity, a probability, or several that sum to 1?
Method     Linear, sigmoid and softmax units, each with the log-likelihood of its distribution (Gaussian, Bernoulli,
           categorical). Joined, every one has the same delta: (prediction − answer) / N. (Bridle 1990; Bishop 1995, §6.)
Rival      The same units with the squared error, and with logarithms taken after the exponentials have overflowed.
Differs    The lecture draws softmax and log-likelihood as two layers, as layers.py has them; here they are one.
Costs      2 s on two cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Real

from common.run import Run

if TYPE_CHECKING:
    pass


def log_sum_exp(z: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n 1"]:
    """log Σ_k e^{z_k} = m + log Σ_k e^{z_k − m} with m = max z: the largest exponential is 1, so none overflows."""
    m = z.max(axis=1, keepdims=True)
    return m + np.log(np.exp(z - m).sum(axis=1, keepdims=True))


class SquaredError:
    """Linear units. C = (1/2N) Σ ‖z − y‖²: up to a constant the log-likelihood of a Gaussian of variance 1."""

    def forward(self, z: Float[np.ndarray, "n outputs"], answers: Real[np.ndarray, "n outputs"]) -> float:
        self.residuals = z - answers
        return float(0.5 * np.square(self.residuals).sum() / len(z))

    def backward(self) -> Float[np.ndarray, "n outputs"]:
        """∂C/∂z = (z − y) / N."""
        return self.residuals / len(self.residuals)


class SigmoidCrossEntropy:
    """A sigmoid unit for answers in {0, 1}. C = (1/N) Σ log(1 + e^z) − y z, the log loss, from z and not from σ(z)."""

    def forward(self, z: Float[np.ndarray, "n 1"], answers: Int[np.ndarray, "n"]) -> float:
        self.z, self.answers = z, answers[:, None].astype(z.dtype)
        return float(np.mean(np.logaddexp(0, z) - self.answers * z))

    def backward(self) -> Float[np.ndarray, "n 1"]:
        """∂C/∂z = (σ(z) − y) / N."""
        return (0.5 + 0.5 * np.tanh(0.5 * self.z) - self.answers) / len(self.z)


class SoftmaxCrossEntropy:
    """Softmax units for answers in 0 … K − 1. C = (1/N) Σ log Σ_k e^{z_k} − z_y.

    smoothing: the share s of each answer that is spread over all classes, so that its own gets 1 − s + s/K (label
    smoothing, Szegedy et al. 2016, §7: noise in the answers, averaged).
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing

    def forward(self, z: Float[np.ndarray, "n classes"], answers: Int[np.ndarray, "n"]) -> float:
        self.log_p = z - log_sum_exp(z)
        self.wanted = np.full_like(z, self.smoothing / z.shape[1])
        self.wanted[np.arange(len(z)), answers] += 1 - self.smoothing
        return float(-np.vdot(self.wanted, self.log_p) / len(z))

    def backward(self) -> Float[np.ndarray, "n classes"]:
        """∂C/∂z = (p − y) / N, with y one-hot or smoothed."""
        return (np.exp(self.log_p) - self.wanted) / len(self.wanted)


def lesson(run: Run) -> None:
    raise NotImplementedError

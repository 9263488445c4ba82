"""A kernel around every training digit: Parzen's density for binary images, and the copies that its limit draws.

Method     p(x) = 1/N Σ_n Π_i m_ni^x_i (1 − m_ni)^(1 − x_i), where m_n is the n-th training digit in grey, kept ε away
           from 0 and 1. ε corresponds to the width of a Gaussian kernel for grey images: it sets how far from the
           training digits an image may be. With ε = 0 a sample is a training digit that is binarised anew, and an image
           with one pixel where no training digit has ink is impossible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from scipy.special import logsumexp

from ch07_applications.reconstruction.binarised_digits import Greys, check_binary, draw
from common.tuning import choose

Binary = UInt8[np.ndarray, "images height width"]
IMPOSSIBLE = -1e4  # in place of log 0: no possible image has so small a log-probability


@dataclass
class DigitKernels:
    """epsilon: the least distance of a mean from 0 and from 1. Raises ValueError unless 0 ≤ epsilon < 0.5."""

    epsilon: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon < 0.5:
            raise ValueError(f"epsilon lies between 0 and 0.5, not at {self.epsilon}")

    def fit(self, greys: Greys) -> DigitKernels:
        """Store the training digits."""
        self.means_ = greys.clip(self.epsilon, 1 - self.epsilon)
        return self

    def nats(self, images: Binary) -> Float[np.ndarray, "images"]:
        """−log p of each image; infinite where it is impossible."""
        check_binary(images)
        flat = images.reshape(len(images), -1).astype(np.float64)
        means = self.means_.reshape(len(self.means_), -1).astype(np.float64)
        with np.errstate(divide="ignore"):
            on, off = (np.maximum(np.log(each), IMPOSSIBLE) for each in (means, 1 - means))
        found = -logsumexp(flat @ (on - off).T + off.sum(axis=1), axis=1) + np.log(len(means))
        return np.where(found >= -IMPOSSIBLE, np.inf, found)

    def sample(self, n: int, rng: np.random.Generator) -> UInt8[np.ndarray, "n height width"]:
        """Draw n images, each from the means of a random training digit."""
        return draw(self.means_[rng.integers(0, len(self.means_), n)], rng)

    def parameters(self) -> list[Greys]:
        """All stored numbers, which common.model_size counts."""
        return [self.means_]


def fit_kernels(greys: Greys, held_out: Binary, epsilons: Sequence[float]) -> DigitKernels:
    """The kernels whose epsilon gives held-out images the fewest nats."""
    models = [DigitKernels(epsilon).fit(greys) for epsilon in epsilons]
    return choose(models, [float(model.nats(held_out).mean()) for model in models])

"""Samplers without a network: densities in the space of principal components, from which samples can be drawn.

Mixture    Principal components capture linear dependence of pixels and keep most of the variance. In their space a
           mixture of Gaussians is fitted by EM. Richardson & Weiss 2018 find that such mixtures match the statistics
           of images as well as adversarial networks do.
Kernels    A Gaussian around every training image (Parzen). Its width matters most: the width with the largest
           likelihood of held-out images blurs; a narrow one repeats training images, each with a little noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

Grey = UInt8[np.ndarray, "n height width"]


@dataclass
class DensitySampler:
    """Principal components of images, and a density of these. fit, then sample.

    dimensions: number of components. mixture: number of Gaussians, None for a kernel around every image. width: of
    these kernels along each component, in grey levels. seed: of the mixture's initialisation.
    """

    dimensions: int
    mixture: int | None = None
    width: float = 0.0
    seed: int = 0

    def fit(self, images: Grey, labels: Any = None) -> DensitySampler:
        """Fit to images; labels are ignored. Raises ValueError for fewer images than components."""
        if len(images) < max(self.dimensions, self.mixture or 1):
            raise ValueError(f"{len(images)} images are too few for {self.dimensions} dimensions")
        self.size_ = images.shape[1:]
        self.components_ = PCA(self.dimensions, svd_solver="randomized", random_state=self.seed)
        self.points_ = self.components_.fit_transform(images.reshape(len(images), -1).astype(np.float32))
        if self.mixture is not None:
            start = {"max_iter": 100, "tol": 1e-2, "reg_covar": 4.0, "random_state": self.seed}
            self.mixture_ = GaussianMixture(self.mixture, **start).fit(self.points_.astype(np.float64))
        return self

    def draw(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n dimensions"]:
        """Draw n points from the density."""
        if self.mixture is None:
            centres = self.points_[rng.integers(0, len(self.points_), n)]
            return centres + self.width * rng.standard_normal(centres.shape)
        which = rng.choice(self.mixture, n, p=self.mixture_.weights_)
        factors = np.linalg.cholesky(self.mixture_.covariances_)
        noise = rng.standard_normal((n, self.dimensions))
        return self.mixture_.means_[which] + np.einsum("nij,nj->ni", factors[which], noise)

    def sample(self, n: int, rng: np.random.Generator) -> Grey:
        """Draw n images: points mapped back to pixels, rounded and clipped."""
        pixels = self.components_.inverse_transform(self.draw(n, rng))
        return pixels.round().clip(0, 255).astype(np.uint8).reshape(n, *self.size_)

    def parameters(self) -> list[Float[np.ndarray, "..."]]:
        """All numbers that sampling uses, which common.model_size counts."""
        own = [self.points_]
        if self.mixture is not None:
            own = [self.mixture_.weights_, self.mixture_.means_, self.mixture_.covariances_]
        return [self.components_.components_, self.components_.mean_, *own]

    def log_likelihood(self, images: Grey) -> float:
        """The mean log-density of images under the kernels, in the space of the components, for choosing a width.

        Raises ValueError without kernels, or for a width of 0.
        """
        if self.mixture is not None or self.width <= 0:
            raise ValueError("a width above 0 is needed, and no mixture")
        points = self.components_.transform(images.reshape(len(images), -1).astype(np.float32)).astype(np.float64)
        squares = cdist(points, self.points_, "sqeuclidean")
        constant = np.log(len(self.points_)) + self.dimensions * np.log(self.width * np.sqrt(2 * np.pi))
        return float(logsumexp(-squares / (2 * self.width**2), axis=1).mean() - constant)


MIXTURE, KERNELS, NARROW = "PCA + mixture", "PCA + kernels", "narrow kernels"


def samplers(seed: int, small: bool = False) -> dict[str, DensitySampler]:
    """The unfitted samplers by name. Settings were chosen on validation images: the mixture by the Fréchet distance,
    the width by likelihood.

    small: for a run that takes seconds.
    """
    if small:
        return {
            MIXTURE: DensitySampler(5, 2, seed=seed),
            KERNELS: DensitySampler(5, width=75.0),
            NARROW: DensitySampler(8, width=2.0),
        }
    return {
        MIXTURE: DensitySampler(200, 60, seed=seed),
        KERNELS: DensitySampler(50, width=100.0, seed=seed),
        NARROW: DensitySampler(400, width=2.0, seed=seed),
    }

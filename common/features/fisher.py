"""Fisher vectors: not how often each visual word occurs, but how its patches differ from what is typical.

Question   A bag of words needs more words to see more detail. What do 32 words tell that one keeps counts of?
Method     Perronnin, Sánchez & Mensink 2010, "Improving the Fisher Kernel for Large-Scale Image Classification": a
           mixture of Gaussians with diagonal covariance describes all patches (§2); an image is the gradient of its
           log likelihood with respect to means and deviations, then signed square root and length 1 (§3).
           Where a patch lies is part of its description: Sánchez, Perronnin & de Campos 2012.
Differs    The gradient with respect to the weights is left out, as in the paper. In place of a spatial pyramid, which
           would multiply the length by the cells, two coordinates are appended to each descriptor.
Costs      A digit of 144 descriptors, 32 components and 32 dimensions takes 0.1 ms on one core.
"""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from common.answers import as_floats
from common.features.local_descriptors import DescriptorEncoder, is_count, is_number, unit_length


def coordinates(grid: tuple[int, int]) -> Float[np.ndarray, "keypoints axes"]:
    """Where each keypoint lies, from −1 to 1 along each axis that has more than one; row by row."""
    axes = np.meshgrid(*(np.linspace(-1, 1, length) for length in grid), indexing="ij")
    used = [axis.ravel() for axis, length in zip(axes, grid, strict=True) if length > 1]
    return np.stack(used, axis=1) if used else np.empty((1, 0))


def responsibilities(x: Real[np.ndarray, "*n size"], mixture: GaussianMixture) -> Float[np.ndarray, "*n components"]:
    """γ_t(k) = w_k N(x_t; μ_k, σ_k) / Σ_j w_j N(x_t; μ_j, σ_j), its exponents by two matrix products."""
    x = as_floats(x)
    w, mu, variance = (a.astype(x.dtype) for a in (mixture.weights_, mixture.means_, mixture.covariances_))
    constant = np.log(w) - (np.log(variance) + mu**2 / variance).sum(axis=1) / 2
    return softmax(constant + x @ (mu / variance).T - x**2 @ (1 / variance).T / 2, axis=-1)


def fisher_gradients(
    x: Real[np.ndarray, "batch keypoints size"],
    gamma: Real[np.ndarray, "batch keypoints components"],
    mixture: GaussianMixture,
) -> Float[np.ndarray, "batch 2 components size"]:
    """The gradients with respect to means and deviations, scaled by the Fisher information, per keypoint. §2.

    G_μk = Σ_t γ_t(k) (x_t − μ_k)/σ_k / √w_k    G_σk = Σ_t γ_t(k) [(x_t − μ_k)²/σ_k² − 1] / √(2 w_k)
    """
    x, gamma = as_floats(x), as_floats(gamma)
    w, mu, variance = (a.astype(x.dtype) for a in (mixture.weights_[:, None], mixture.means_, mixture.covariances_))
    gamma = gamma.swapaxes(1, 2)
    s0, s1, s2 = gamma.sum(axis=2)[..., None], gamma @ x, gamma @ x**2  # sums of γ, γx and γx²
    to_mean = (s1 - s0 * mu) / np.sqrt(variance * w)
    to_deviation = ((s2 - 2 * mu * s1 + s0 * mu**2) / variance - s0) / np.sqrt(2 * w)
    return np.stack([to_mean, to_deviation], axis=1) / x.shape[1]


class FisherVector(DescriptorEncoder):
    """Rows of local descriptors (n, keypoints·descriptor_size) to Fisher vectors (n, 2·components·dimensions).

    components: of the mixture. dimensions: principal components that a descriptor is cut to first, at most its own.
    positions: append where a keypoint lies, (y, x) from −1 to 1, which adds 2 dimensions. power: each value v becomes
    sign(v)·|v|^power, then the vector gets length 1. descriptor_size, grid, samples, random_state: as DescriptorEncoder
    says.

    After fit, `pca_` and `mixture_` are scikit-learn's. A vector runs over (mean or deviation, component, dimension).
    """

    def __init__(
        self,
        components=32,
        *,
        descriptor_size=128,
        dimensions=32,
        positions=True,
        power=0.5,
        grid=None,
        samples=30_000,
        random_state=None,
    ):
        self.components = components
        self.descriptor_size = descriptor_size
        self.dimensions = dimensions
        self.positions = positions
        self.power = power
        self.grid = grid
        self.samples = samples
        self.random_state = random_state

    def _least(self) -> tuple[int, str]:
        return max(2, self.components), "components of the mixture"

    def _learn(
        self,
        descriptors: Float[np.ndarray, "samples size"],
        keypoints: Int[np.ndarray, "samples"],
        rng: np.random.RandomState,
    ) -> None:
        """Principal components, then the mixture by expectation-maximisation, started where k-means++ starts."""
        self.coordinates_ = coordinates(self.grid_)[:, : None if self.positions else 0]
        self.pca_ = PCA(min(self.dimensions, *descriptors.shape), random_state=rng).fit(descriptors)
        x = np.hstack([self.pca_.transform(descriptors), self.coordinates_[keypoints]])
        self.mixture_ = GaussianMixture(
            self.components,
            covariance_type="diag",
            max_iter=20,
            reg_covar=1e-4,
            init_params="k-means++",
            random_state=rng,
        )
        with warnings.catch_warnings():  # a mixture that is a little off its best is as good a yardstick
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.mixture_.fit(x)
        self._n_features_out = 2 * self.components * x.shape[1]

    def _encode(self, images: Float[np.ndarray, "batch keypoints size"]) -> Float[np.ndarray, "batch features"]:
        x = self._described(images)
        gamma = responsibilities(x, self.mixture_)
        gamma[~images.any(axis=-1)] = 0
        v = fisher_gradients(x, gamma, self.mixture_).reshape(len(images), -1)
        return unit_length(np.sign(v) * np.abs(v) ** v.dtype.type(self.power))

    def _described(
        self, images: Float[np.ndarray, "batch keypoints size"]
    ) -> Float[np.ndarray, "batch keypoints axes"]:
        """What the mixture is about: a patch's principal components and its place."""
        mean, axes = (a.astype(images.dtype) for a in (self.pca_.mean_, self.pca_.components_))
        places = np.tile(self.coordinates_.astype(images.dtype), (len(images), 1, 1))
        return np.concatenate([images @ axes.T - axes @ mean, places], axis=-1)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._must("components", "a positive int", is_count)
        self._must("dimensions", "a positive int", is_count)
        self._must("positions", "a bool", lambda flag: isinstance(flag, bool | np.bool_))
        self._must("power", "a positive number", is_number)

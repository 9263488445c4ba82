"""A mixture of Bernoulli distributions, fitted by expectation-maximisation: pixels independent, given a component.

Method     p(x) = Σ_k π_k Π_i μ_ki^x_i (1 − μ_ki)^(1 − x_i). The E step computes the responsibility of each component
           for each image, r_nk ∝ π_k p(x_n | k); the M step sets π and μ to the weighted frequencies. Bishop 2006,
           §9.3.3. The likelihood never decreases. With pseudo-counts (a Beta prior), the posterior never decreases.

Both steps are matrix products: log p(x_n | k) is linear in x_n. A part of an image has the same components with fewer
factors, so that the probability of one part given the other is exact, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from scipy.special import logsumexp
from sklearn.base import BaseEstimator

from ch07_applications.reconstruction.binarised_digits import check_binary

Binary = UInt8[np.ndarray, "images height width"]


@dataclass
class BernoulliMixture(BaseEstimator):
    """components: their number. pseudo_count: the number of images with all pixels half on that each has seen before.

    rounds: of EM. Raises ValueError in fit for pixels other than 0 and 1, and for fewer images than components.
    """

    components: int = 100
    pseudo_count: float = 0.5
    rounds: int = 30
    seed: int = 0

    def fit(self, images: Binary, answers: object = None) -> BernoulliMixture:
        """EM from components that are images, drawn towards the mean image."""
        check_binary(images)
        if len(images) < self.components:
            raise ValueError(f"{self.components} components need as many images, got {len(images)}")
        flat = images.reshape(len(images), -1).astype(np.float32)
        chosen = np.random.default_rng(self.seed).choice(len(flat), self.components, replace=False)
        self.means_ = 0.25 * flat[chosen] + 0.75 * flat.mean(axis=0)
        self.means_ = self.means_.clip(1e-3, 1 - 1e-3)
        self.weights_ = np.full(self.components, 1 / self.components, np.float32)
        self.objective_ = []
        for _ in range(self.rounds):
            joint = self._joint(flat)
            total = logsumexp(joint, axis=1)
            self.objective_.append(float(total.sum(dtype=np.float64) + self._log_prior()))
            self._maximise(flat, np.exp(joint - total[:, None]))
        return self

    def _maximise(self, flat: Float32[np.ndarray, "images pixels"], share: Float[np.ndarray, "images k"]) -> None:
        """Weighted frequencies, with the pseudo-counts: half of them on, half off."""
        held = share.sum(axis=0)
        self.weights_ = (held / held.sum()).clip(np.finfo(np.float32).tiny)
        counts = share.T @ flat + self.pseudo_count / 2
        self.means_ = (counts / (held[:, None] + self.pseudo_count)).clip(1e-6, 1 - 1e-6)

    def _log_prior(self) -> float:
        """The log prior of the means, up to a constant: Beta distributions of the pseudo-counts."""
        return float(self.pseudo_count / 2 * np.log(self.means_ * (1 - self.means_), dtype=np.float64).sum())

    def _joint(
        self, flat: Float32[np.ndarray, "images pixels"], known: Bool[np.ndarray, "pixels"] | None = None
    ) -> Float[np.ndarray, "images k"]:
        """log π_k + log p(x | k), for the known pixels only, if these are given."""
        means = self.means_ if known is None else self.means_[:, known]
        flat = flat if known is None else flat[:, known]
        off = np.log1p(-means)
        return flat @ (np.log(means) - off).T + off.sum(axis=1) + np.log(self.weights_)

    def nats(self, images: Binary, given_rows: int = 0) -> Float[np.ndarray, "images"]:
        """−log p of each image, or of its remaining rows given the first ones."""
        check_binary(images)
        flat = images.reshape(len(images), -1).astype(np.float32)
        whole = logsumexp(self._joint(flat).astype(np.float64), axis=1)
        return logsumexp(self._joint(flat, self._above(images, given_rows)).astype(np.float64), axis=1) - whole

    def sample(self, images: Binary, rng: np.random.Generator, given_rows: int = 0) -> Binary:
        """Images with the given first rows; all other pixels are drawn, after a component is drawn."""
        flat, known = images.reshape(len(images), -1), self._above(images, given_rows)
        joint = self._joint(flat.astype(np.float32), known)
        chosen = (joint + rng.gumbel(size=joint.shape)).argmax(axis=1)
        drawn = rng.random(flat.shape) < self.means_[chosen]
        return np.where(known, flat, drawn).astype(np.uint8).reshape(images.shape)

    @staticmethod
    def _above(images: Binary, rows: int) -> Bool[np.ndarray, "pixels"]:
        return (np.arange(images.shape[1] * images.shape[2]) // images.shape[2]) < rows

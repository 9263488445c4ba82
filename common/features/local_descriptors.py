"""What encoders of local descriptors share: an image comes in as one row, the descriptors of its keypoints in turn."""

from __future__ import annotations

from math import isqrt, prod
from numbers import Integral, Real
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from common.features.parameters import CheckedParameters

CHUNK = 1 << 12  # descriptors at work at a time: their distances to all words stay in the processor's cache


def is_count(value: Any) -> bool:
    """Whether value is a positive whole number."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0


def is_number(value: Any, above: float = 0) -> bool:
    """Whether value is a finite number above some other."""
    return isinstance(value, Real) and not isinstance(value, bool) and above < value < np.inf


class DescriptorEncoder(CheckedParameters, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of a transformer of rows (n, keypoints·descriptor_size), as DenseSIFT makes them, to one vector an image.

    It has the parameters descriptor_size (a row that is shorter is one descriptor), grid ((rows, columns) of the
    keypoints; None: square where their number is a square number, else one row), samples (how many descriptors fit
    learns from, drawn at random) and random_state. A descriptor that is all zero shows a blank patch: nothing is learnt
    from it, and it adds nothing to a vector. Numbers of float32 stay so, others become float64.

    A subclass learns in _learn from a sample of descriptors and their keypoints, and encodes a chunk of images.
    """

    def fit(self, X, y=None) -> DescriptorEncoder:
        """Lay out the grid, and learn from a sample of the descriptors that are not blank."""
        self._check_parameters()
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        self.descriptor_size_ = min(self.descriptor_size, X.shape[1])
        keypoints, rest = divmod(X.shape[1], self.descriptor_size_)
        if rest:
            raise ValueError(
                f"X has rows of {X.shape[1]} numbers, no multiple of descriptor_size={self.descriptor_size}."
            )
        side = isqrt(keypoints)
        self.grid_ = tuple(self.grid or ((side, side) if side * side == keypoints else (1, keypoints)))
        if prod(self.grid_) != keypoints:
            raise ValueError(f"X has rows of {keypoints} descriptors, which no grid={self.grid} can hold.")

        descriptors, rng = X.reshape(-1, self.descriptor_size_), check_random_state(self.random_state)
        shown = np.flatnonzero(descriptors.any(axis=1))
        wanted, what = self._least()
        if len(shown) < wanted:
            images = f"n_samples={len(X)} images have {len(shown)} that are not blank"
            raise ValueError(f"{wanted} {what} need at least as many descriptors, but {images}.")
        drawn = rng.choice(shown, max(wanted, min(self.samples, len(shown))), replace=False)
        self._learn(descriptors[drawn], drawn % keypoints, rng)
        return self

    def transform(self, X) -> Float[np.ndarray, "batch features"]:
        """One vector an image, a chunk of images at a time."""
        images = self._images(X)
        step = max(1, CHUNK // images.shape[1])
        return np.concatenate([self._encode(images[i : i + step]) for i in range(0, len(images), step)])

    def _images(self, X) -> Float[np.ndarray, "batch keypoints size"]:
        """The descriptors of each image."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return X.reshape(len(X), prod(self.grid_), self.descriptor_size_)

    def _least(self) -> tuple[int, str]:
        """The smallest number of descriptors that the encoder can learn from, and a word for what needs them."""
        raise NotImplementedError

    def _learn(
        self,
        descriptors: Float[np.ndarray, "samples size"],
        keypoints: Int[np.ndarray, "samples"],
        rng: np.random.RandomState,
    ) -> None:
        raise NotImplementedError

    def _encode(self, images: Float[np.ndarray, "batch keypoints size"]) -> Float[np.ndarray, "batch features"]:
        raise NotImplementedError

    def _check_parameters(self) -> None:
        """Raise ValueError for the first parameter that makes no sense, as scikit-learn words it."""

        def is_pair(value: Any) -> bool:
            return isinstance(value, tuple | list) and len(value) == 2 and all(map(is_count, value))

        self._must("descriptor_size", "a positive int", is_count)
        self._must("grid", "None or two positive ints", lambda pair: pair is None or is_pair(pair))
        self._must("samples", "a positive int", is_count)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def unit_length(rows: Shaped[np.ndarray, "batch features"]) -> Shaped[np.ndarray, "batch features"]:
    """Each row divided by its Euclidean length; a row of zeros stays one."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)

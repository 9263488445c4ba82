"""What all transformers of images share: a stack of images comes in, or flattened images, one a row."""

from __future__ import annotations

from math import isqrt, prod
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Shaped
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from common.features.parameters import CheckedParameters


def is_shape(value: Any, *lengths: int) -> bool:
    """Whether value is so many positive whole numbers."""
    sized = isinstance(value, tuple | list) and len(value) in lengths
    return sized and all(isinstance(n, Integral) and n > 0 for n in value)


class ImageTransformer(CheckedParameters, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of a transformer of images (n, height, width) or (n, height, width, channels), or of flattened rows.

    It has a parameter image_shape: of a flattened row, (height, width) or (height, width, channels). None: a square
    image where the length is a square number, else an image one pixel high. A stack of images has its own shape.
    """

    def _fit_images(self, X) -> Shaped[np.ndarray, "batch ..."]:
        """Remember the shape of an image as `image_shape_`; X as images of that shape."""
        rows, stacked = self._rows(X)
        n_pixels, side = rows.shape[1], isqrt(rows.shape[1])
        square = (side, side) if side * side == n_pixels else (1, n_pixels)
        self.image_shape_ = stacked or tuple(self.image_shape or square)
        if prod(self.image_shape_) != n_pixels:
            raise ValueError(f"X has rows of {n_pixels} pixels, which no image_shape={self.image_shape} can hold.")
        return rows.reshape(-1, *self.image_shape_)

    def _images(self, X) -> Shaped[np.ndarray, "batch ..."]:
        """X as images of the shape seen in fit."""
        check_is_fitted(self)
        rows, _ = self._rows(X, self.image_shape_)
        return rows.reshape(-1, *self.image_shape_)

    def _rows(self, X, fitted: tuple | None = None) -> tuple[Shaped[np.ndarray, "batch pixels"], tuple | None]:
        """X as flattened images, which scikit-learn's validation can judge, and if X is a stack, its image's shape."""
        X = np.asarray(X) if isinstance(X, list | tuple) else X
        shape = tuple(getattr(X, "shape", ()))
        if len(shape) not in (3, 4):
            return validate_data(self, X, reset=fitted is None), None
        if fitted not in (None, shape[1:]):
            name = type(self).__name__
            raise ValueError(f"X has images of shape {shape[1:]}, but {name} is expecting {fitted}, as seen in fit.")
        return validate_data(self, X.reshape(shape[0], prod(shape[1:])), reset=fitted is None), shape[1:]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # float32, whatever comes in
        return tags

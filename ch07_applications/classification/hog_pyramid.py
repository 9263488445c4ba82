"""Several scales by hand: HOG at four cell sizes, a thumbnail for the colours, and a linear SVM.

What Inception's branches learn is fixed here: cells of 2, 4, 8 and 16 pixels see edges at four scales. Each scale's
descriptor is divided by its own length over the training images, so that none outweighs the others by its number of
cells. Settings (C, the thumbnail's weight, mirrored copies) were chosen on validation images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from common.features.hog import HOG
from common.features.pipelines import thumbnail

Colour = UInt8[np.ndarray, "n height width 3"]
CELLS = (2, 4, 8, 16)  # pixels
COLOUR = 0.5  # length of the thumbnail beside a scale's descriptor of length 1


class UnitScale(TransformerMixin, BaseEstimator):
    """Vectors minus their mean (if centred), divided by their root mean square length over the training part."""

    def __init__(self, centred=False):
        self.centred = centred

    def fit(self, X, y=None) -> UnitScale:
        self.mean_ = X.mean(axis=0) if self.centred else np.zeros(X.shape[1], X.dtype)
        self.length_ = float(np.sqrt(np.square(X - self.mean_).sum(axis=1).mean())) or 1.0
        return self

    def transform(self, X) -> Float[np.ndarray, "n values"]:
        return (X - self.mean_) / self.length_


def scale(cell: int) -> Pipeline:
    """HOG with square cells of `cell` pixels, normalised in blocks of 2×2 cells; cells of 2 pixels over the image.

    With tiny cells there would be as many blocks as pixels, and normalisation would erase how strong an edge is
    relative to others.
    """
    blocks = {"cells_per_block": (99, 99), "block_norm": "L1-sqrt"} if cell == 2 else {"cells_per_block": (2, 2)}
    return make_pipeline(HOG(pixels_per_cell=(cell, cell), **blocks), UnitScale())


def pyramid(cells: tuple[int, ...] = CELLS, colour: float = COLOUR) -> FeatureUnion:
    """All scales and the thumbnail, side by side."""
    small = make_pipeline(FunctionTransformer(thumbnail), UnitScale(centred=True))
    steps = [*((f"cells of {cell}", scale(cell)) for cell in cells), ("colour", small)]
    return FeatureUnion(steps, transformer_weights={"colour": colour})


@dataclass
class PyramidSVM:
    """The pyramid and a linear SVM, one class against the rest, trained on every image and its mirror image.

    It predicts from both. cells: sides of HOG's cells in pixels. C: the penalty per training image on the wrong side.
    """

    cells: tuple[int, ...] = CELLS
    C: float = 0.1
    colour: float = COLOUR
    seed: int = 0

    def fit(self, images: Colour, labels: Integer[np.ndarray, "n"]) -> PyramidSVM:
        both = np.concatenate([images, images[:, :, ::-1]])
        self.estimator_ = make_pipeline(
            pyramid(self.cells, self.colour), LinearSVC(C=self.C, dual=True, max_iter=2000, random_state=self.seed)
        )
        self.estimator_.fit(both, np.tile(labels, 2))
        return self

    def predict(self, images: Colour) -> Int[np.ndarray, "n"]:
        """The class with the largest score, summed over the image and its mirror image."""
        scores = sum(self.estimator_.decision_function(seen) for seen in (images, images[:, :, ::-1].copy()))
        return self.estimator_.classes_[scores.argmax(axis=1)]

"""Discriminative classifiers of binary digits: support vector machines on bits, and on HOG.

Digits that were drawn several times are classified by the mean of the decision values of their drawings, just as
densities classify them by the mean of log p(x | y).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, UInt8
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from ch07_applications.synthesis.labelled_digits import LabelledSets, drawn_at_places
from common.features.hog import HOG
from common.tuning import choose

Binary = UInt8[np.ndarray, "images height width"]


def rows_of(images: Binary) -> Float[np.ndarray, "images pixels"]:
    """The bits of each image as a row."""
    return images.reshape(len(images), -1).astype(np.float32)


def on_bits(penalty: float) -> Pipeline:
    """An SVM with Gaussian kernels on the bits; their width is set by the bits' variance."""
    return make_pipeline(FunctionTransformer(rows_of), SVC(C=penalty))


def on_gradients(penalty: float) -> Pipeline:
    """An SVM on histograms of oriented gradients, with cells of 3 × 3 pixels in blocks of 2 × 2."""
    grey = FunctionTransformer(partial(np.multiply, 255, dtype=np.uint8))
    return make_pipeline(grey, HOG(pixels_per_cell=(3, 3), cells_per_block=(2, 2)), SVC(C=penalty))


def fit_classifier(kind: str, sets: LabelledSets, penalties: Sequence[float], drawings: int, seed: int) -> Pipeline:
    """Fit the SVM whose penalty is best on validation digits to `drawings` drawings of each training digit.

    Each drawing is at a different place. The penalty is chosen with SVMs fitted to one drawing of half the digits.
    kind: "bits" or "HOG". Raises KeyError for another.
    """
    build = {"bits": on_bits, "HOG": on_gradients}[kind]
    (images, labels), held_out = drawn_at_places(sets, drawings, seed), sets.validation
    some = slice(len(sets.labels) // 2)
    models = [build(penalty).fit(images[some], sets.labels[some]) for penalty in penalties]
    right = [np.mean(model.predict(held_out.inputs) == held_out.answers) for model in models]
    best = choose(penalties, right, highest=True)
    return build(best).fit(images, labels)


def decide_by_mean(
    model: Pipeline, drawings: UInt8[np.ndarray, "drawings images height width"]
) -> Float[np.ndarray, "images classes"]:
    """The mean of the decision values over the drawings of each image."""
    return np.mean([model.decision_function(images) for images in drawings], axis=0)

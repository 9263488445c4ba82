"""A pixel described at three levels: the luminances around it, DAISY, and class scores of its picture.

Method     Cheng, Yang & Sheng 2015, §3.1. DAISY (Tola, Lepetit & Fua 2010) is scikit-image's, with eight orientations
           at the centre and at three places on a ring: 32 numbers. Class scores are log posteriors of a linear
           discriminant of HOG. Those of training pictures come from five-fold cross-fitting: scores of pictures that
           the classifier was fitted to would be too good, and a regressor would trust them too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8
from skimage.feature import daisy
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline

from ch07_applications.colour.lab_pictures import Lightness, at_size
from common.features.hog import HOG

GROUPS = ("patch", "DAISY", "classes")
AROUND = 7  # pixels of the patch, along a side
RADIUS, RINGS, HISTOGRAMS, ORIENTATIONS = 6, 1, 3, 8  # of DAISY
MARGIN = 3 * RADIUS  # of mirrored pixels around a picture: beyond the reach of DAISY's smoothing
CHUNK = 250  # pictures that lie in one mosaic
FOLDS = 5
LEAST = -10.0  # lower log posteriors are clipped to it: certainly not this class
SMALLEST = 8  # pixels, along a side


def patches(lightness: Lightness) -> Float[np.ndarray, "n rows columns 49"]:
    """The 7 × 7 pixels around every other pixel, starting with the second one."""
    margin = AROUND // 2
    padded = np.pad(lightness, ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, (AROUND, AROUND), axis=(1, 2))[:, 1::2, 1::2]
    return around.reshape(*around.shape[:3], -1)


def daisies(lightness: Lightness) -> Float[np.ndarray, "n rows columns 32"]:
    """DAISY at the same places. Pictures are placed side by side, because one call is faster than hundreds."""
    found = []
    for start in range(0, len(lightness), CHUNK):
        part = lightness[start : start + CHUNK]
        padded = np.pad(part, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), mode="symmetric")
        mosaic = np.concatenate(list(padded), axis=1)  # one row of pictures
        described = daisy(
            mosaic, step=1, radius=RADIUS, rings=RINGS, histograms=HISTOGRAMS, orientations=ORIENTATIONS,
            normalization="l2",
        )  # fmt: skip
        height, width = part.shape[1:]
        left = np.arange(len(part)) * (width + 2 * MARGIN) + MARGIN - RADIUS  # descriptors begin after RADIUS pixels
        columns = left[:, None] + np.arange(1, width, 2)
        rows = MARGIN - RADIUS + np.arange(1, height, 2)
        found.append(described[rows[None, :, None], columns[:, None, :]].astype(np.float32))
    return np.concatenate(found)


def class_scores() -> Pipeline:
    """HOG and a linear discriminant, unfitted; takes pictures of lightness in 0 … 255."""
    hog = HOG(pixels_per_cell=(8, 8), cells_per_block=(2, 2))
    return make_pipeline(hog, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5))


@dataclass(frozen=True, eq=False)
class PixelFeatures:
    """Descriptions of pixels at half the resolution. training: of the training pictures, by group.

    classifier: computes the class scores of other pictures, fitted to all training pictures. size: of these.
    """

    training: Mapping[str, Float[np.ndarray, "n rows columns _"]]
    classifier: Pipeline
    size: tuple[int, int]

    @classmethod
    def of(cls, lightness: Lightness, labels: Int64[np.ndarray, "n"]) -> PixelFeatures:
        """Compute the features of training pictures, given their classes."""
        grey = eight_bits(lightness)
        folds = StratifiedKFold(FOLDS)
        unseen = cross_val_predict(class_scores(), grey, labels, cv=folds, method="predict_log_proba")
        return cls(groups_of_features(lightness, unseen), class_scores().fit(grey, labels), grey.shape[1:])

    def describe(self, lightness: Lightness) -> dict[str, Float[np.ndarray, "n rows columns _"]]:
        """The features of other pictures, by group. Raises ValueError for odd or too small pictures."""
        if lightness.shape[1] % 2 or lightness.shape[2] % 2 or min(lightness.shape[1:]) < SMALLEST:
            raise ValueError(f"sides must be even, from {SMALLEST} pixels; got {lightness.shape[1:]}")
        grey = eight_bits(at_size(lightness, self.size))
        return groups_of_features(lightness, self.classifier.predict_log_proba(grey))


def groups_of_features(
    lightness: Lightness, scores: Float[np.ndarray, "n classes"]
) -> dict[str, Float[np.ndarray, "n rows columns _"]]:
    """The three groups; class scores are equal for all pixels of a picture, and not below LEAST."""
    patch = patches(lightness)
    classes = np.maximum(scores, LEAST).astype(np.float32)[:, None, None]
    repeated = np.broadcast_to(classes, (*patch.shape[:3], scores.shape[1]))
    return dict(zip(GROUPS, (patch, daisies(lightness), repeated), strict=True))


def rows_of(
    described: Mapping[str, Float[np.ndarray, "n rows columns _"]], groups: Sequence[str] = GROUPS
) -> Float[np.ndarray, "n rows columns features"]:
    """The features of some groups, concatenated."""
    return np.concatenate([described[group] for group in groups], axis=-1)


def eight_bits(lightness: Lightness) -> UInt8[np.ndarray, "n height width"]:
    """Lightness as grey values from 0 to 255."""
    return np.rint(2.55 * lightness).astype(np.uint8)

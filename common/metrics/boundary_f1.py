"""Boundary F1: how well the borders of segments are placed, which IoU of large segments hardly shows.

Method     Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?": precision is the share
           of the predicted boundary that lies within a tolerance of the true one, recall the share of the true boundary
           that lies within it of the predicted one, and F1 their harmonic mean; per class and image.
Differs    Perazzi et al. 2016 (DAVIS) dilate the boundaries by a disc instead of measuring distances, and round the
           tolerance up to whole pixels. Here it is not rounded.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float64, Real
from scipy.ndimage import distance_transform_edt

from common.metrics.precision_recall import mean_of_numbers
from common.metrics.segmentation import check_labels, counted

TOLERANCE = 0.0075  # of the image's diagonal, as in Csurka et al. 2013: 4.5 pixels at 360 × 480


def boundary(
    mask: Bool[np.ndarray, "height width"], counts: Bool[np.ndarray, "height width"]
) -> Bool[np.ndarray, "height width"]:
    """Pixels of the mask that have, among their four neighbours, one that counts and is not of the mask.

    The image's border is no boundary: an object that is cut off there does not end there.
    """
    outside = np.pad(~mask & counts, 1)
    beside = outside[:-2, 1:-1] | outside[2:, 1:-1] | outside[1:-1, :-2] | outside[1:-1, 2:]
    return mask & counts & beside


def boundary_f1(
    truth: Real[np.ndarray, "height width"],
    prediction: Real[np.ndarray, "rows columns"],
    classes: int,
    tolerance: float = TOLERANCE,
    ignore: int | None = None,
) -> Float64[np.ndarray, "classes"]:
    """F1 of each class's boundary in one image; NaN for a class without any, 0 where only one of the two has one.

    tolerance: the largest distance between matching boundary pixels, as a share of the image's diagonal. ignore: the
    label of pixels in the truth that do not count; no boundary runs along them. Raises ValueError where the two differ
    in shape, for a label that is none of the classes, and for a negative tolerance.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"the truth is {truth.shape} pixels, but the prediction {prediction.shape}")
    if not tolerance >= 0:
        raise ValueError(f"the tolerance is {tolerance}, but must be 0 or more")
    reach = tolerance * math.hypot(*truth.shape)
    counts = counted(truth, ignore)
    for labels, whose in ((truth, "the truth"), (prediction, "the prediction")):
        check_labels(labels[counts], classes, whose)
    values = np.full(classes, math.nan)
    for label in np.union1d(truth[counts], prediction[counts]).tolist():
        true, predicted = (boundary(labels == label, counts) for labels in (truth, prediction))
        if true.any() and predicted.any():
            precision = (distance_transform_edt(~true)[predicted] <= reach).mean()
            recall = (distance_transform_edt(~predicted)[true] <= reach).mean()
            values[label] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        elif true.any() or predicted.any():
            values[label] = 0.0
    return values


def mean_boundary_f1(values: Float64[np.ndarray, "*images classes"]) -> Float64[np.ndarray, "*images"] | float:
    """For each image, the mean of boundary_f1 over classes that have a boundary; 1 where none has.

    Nothing to be found and nothing predicted is right, as in DAVIS's code. The metric of a test set is the mean over
    its images, so that method.score_items gives its interval.
    """
    means = mean_of_numbers(values)
    return np.where(np.isnan(means), 1.0, means)

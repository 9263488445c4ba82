"""Semantic segmentation: one confusion matrix for a whole test set, and IoU and accuracy from it.

Each image's confusion matrix is counted by itself and all are added, so that the metrics depend neither on the size of
batches nor on the order of images. A mean over batches of a batch's mean IoU, in contrast, depends on both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Real

from common.metrics.image_groups import Groups
from common.metrics.precision_recall import mean_of_numbers
from common.results import Interval

Matrices = Real[np.ndarray, "*batch classes classes"]  # rows: the class that is there; columns: the class predicted


def divide(a: Real[np.ndarray, "*n"], b: Real[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """a / b, NaN where b is 0."""
    return np.where(b > 0, a / np.where(b > 0, b, 1), np.nan)


def iou(matrix: Matrices) -> Float64[np.ndarray, "*batch classes"]:
    """Per class, true positives / (true positives + false positives + false negatives). Everingham et al. 2010, §4.

    NaN for a class that is neither there nor predicted.
    """
    both = matrix.diagonal(axis1=-2, axis2=-1)
    return divide(both, matrix.sum(axis=-1) + matrix.sum(axis=-2) - both)


def class_accuracy(matrix: Matrices) -> Float64[np.ndarray, "*batch classes"]:
    """Per class, the share of its pixels that is predicted as this class. NaN for a class that is not there."""
    return divide(matrix.diagonal(axis1=-2, axis2=-1), matrix.sum(axis=-1))


def mean_iou(matrix: Matrices) -> Float64[np.ndarray, "*batch"] | float:
    """The mean of iou over classes that are there or predicted. Long et al. 2015, §5; NaN without any pixel."""
    return mean_of_numbers(iou(matrix))


def mean_accuracy(matrix: Matrices) -> Float64[np.ndarray, "*batch"] | float:
    """The mean of class_accuracy over classes that are there. Long et al. 2015, §5; NaN without any pixel."""
    return mean_of_numbers(class_accuracy(matrix))


def global_accuracy(matrix: Matrices) -> Float64[np.ndarray, "*batch"] | float:
    """The share of all pixels that is predicted right. Long et al. 2015, §5; NaN without any pixel."""
    right, pixels = np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1))
    return divide(np.asarray(right), np.asarray(pixels))


def counted(truth: Real[np.ndarray, "*image"], ignore: int | None) -> Bool[np.ndarray, "*image"]:
    """Which pixels count: those whose true label is not the ignored one."""
    return np.ones(truth.shape, bool) if ignore is None else truth != ignore


def check_labels(labels: Real[np.ndarray, "pixels"], classes: int, whose: str) -> None:
    """Raises ValueError for labels that are no integers, or none of 0 … classes − 1."""
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{whose} is {labels.dtype}; labels are integers")
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        raise ValueError(f"{whose} has label {labels[wrong.argmax()]}, which is none of 0 … {classes - 1}")


class ConfusionMatrix:
    """The confusion matrix of a test set, image by image.

    classes: how many; labels are 0 … classes − 1. ignore: the label of pixels in the truth that do not count, whatever
    is predicted there; None: all count. Raises ValueError for an ignore that is one of the classes.

        matrix = ConfusionMatrix(classes=11, ignore=255)
        for truth, image in test:
            matrix.add(truth, network(image))
        mean_iou(matrix.total), matrix.interval(mean_iou)
    """

    def __init__(self, classes: int, ignore: int | None = None) -> None:
        if ignore is not None and 0 <= ignore < classes:
            raise ValueError(f"the ignored label {ignore} is one of the classes 0 … {classes - 1}")
        self.classes, self.ignore = classes, ignore
        self.by_image: list[Int64[np.ndarray, "classes classes"]] = []

    def add(self, truth: Real[np.ndarray, "*image"], prediction: Real[np.ndarray, "*other"]) -> None:
        """Count the pixels of one image, (H, W), or of a batch, (N, H, W).

        Raises ValueError where the two differ in shape, are no integers, or have a label that is none of the classes.
        """
        if truth.shape != prediction.shape:
            raise ValueError(f"the truth is {truth.shape} pixels, but the prediction {prediction.shape}")
        if truth.ndim not in (2, 3):
            raise ValueError(f"labels {truth.shape} are neither an image (H, W) nor a batch (N, H, W)")
        for one, other in zip(*(labels.reshape(-1, *labels.shape[-2:]) for labels in (truth, prediction)), strict=True):
            self.by_image.append(self.count(one, other))

    def count(
        self, truth: Real[np.ndarray, "height width"], prediction: Real[np.ndarray, "height width"]
    ) -> Int64[np.ndarray, "classes classes"]:
        """The confusion matrix of one image, which is not added. Raises ValueError as add does."""
        counts = counted(truth, self.ignore)
        check_labels(truth[counts], self.classes, f"the truth of image {len(self.by_image)}")
        check_labels(prediction[counts], self.classes, f"the prediction of image {len(self.by_image)}")
        there, predicted = truth[counts].astype(np.int64), prediction[counts].astype(np.int64)  # uint8 would wrap
        flat = np.bincount(self.classes * there + predicted, minlength=self.classes**2)
        return flat.reshape(self.classes, self.classes)

    @property
    def matrices(self) -> Int64[np.ndarray, "images classes classes"]:
        """Those of all images, in the order in which they were added."""
        return np.array(self.by_image, np.int64).reshape(-1, self.classes, self.classes)

    @property
    def total(self) -> Int64[np.ndarray, "classes classes"]:
        """Pixels of all images: rows are the class that is there, columns the class predicted."""
        return self.matrices.sum(axis=0)

    def interval(
        self, metric: Callable[[Matrices], np.ndarray], groups: Int64[np.ndarray, "images"] | None = None
    ) -> Interval:
        """mean_iou, mean_accuracy or global_accuracy with its 95 % interval over images, or groups of images."""
        return Groups(groups, len(self.by_image)).interval(self._weighted(metric))

    def values_by_image(
        self, metric: Callable[[Matrices], np.ndarray], groups: Int64[np.ndarray, "images"] | None = None
    ) -> Float[np.ndarray, "images"]:
        """A number per image, whose mean is the metric: for method.score_items and run.compare. See Groups.by_image."""
        return Groups(groups, len(self.by_image)).by_image(self._weighted(metric))

    def _weighted(self, metric: Callable) -> Callable:
        """The metric as a function of weights: the matrices of images that are there so many times, added."""
        flat = self.matrices.reshape(len(self.by_image), -1).astype(float)
        return lambda weights: np.asarray(metric((weights @ flat).reshape(-1, self.classes, self.classes)))

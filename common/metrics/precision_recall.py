"""Precision, recall and average precision of a ranking in which every detection is right or wrong."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

REFERENCE_RATES = np.logspace(-2, 0, 9)  # false positives per image: 0.01 … 1


class Curve(NamedTuple):
    """Precision and recall after each detection of a class, the highest score first. false: false positives so far."""

    scores: Float[np.ndarray, "n"]
    recall: Float[np.ndarray, "n"]
    precision: Float[np.ndarray, "n"]
    false: Float[np.ndarray, "n"]


def envelope(precision: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n"]:
    """The best precision at each recall or a higher one. Eq. (2), Everingham et al. 2010, §4.2."""
    return np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]


def average_precision(
    recall: Float[np.ndarray, "*batch n"], precision: Float[np.ndarray, "*batch n"], points: int | None = None
) -> Float[np.ndarray, "*batch"] | float:
    """The envelope's mean over recall from 0 to 1; it is 0 where no recall is reached. Everingham et al. 2010, §4.2.

    recall, precision: after each detection, the highest score first. points: None takes the area (VOC since 2010); 11
    (VOC2007) and 101 (COCO) take the mean at so many recalls, ends included.
    """
    if points is not None:
        recall = np.searchsorted(np.linspace(0, 1, points), recall, side="right") / points  # the share that is reached
    return (envelope(precision) * np.diff(recall, axis=-1, prepend=0)).sum(axis=-1)


def log_average_miss_rate(
    false_per_image: Float[np.ndarray, "*batch n"], recall: Float[np.ndarray, "*batch n"]
) -> Float[np.ndarray, "*batch"] | float:
    """The geometric mean of the miss rates at nine rates of false positives per image. Dollár et al. 2012, §3.1.

    Before its first detection a detector misses everything; after its last, the miss rate stays as it is.
    """
    detections = np.stack([(false_per_image <= rate).sum(axis=-1) for rate in REFERENCE_RATES], axis=-1)
    missed = np.take_along_axis(np.insert(1 - recall, 0, 1.0, axis=-1), detections, -1)
    return np.exp(np.log(np.maximum(missed, 1e-10)).mean(axis=-1))


def mean_of_numbers(values: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch"] | float:
    """The mean of those that are not NaN; NaN where all are."""
    numbers = ~np.isnan(values)
    count = numbers.sum(axis=-1)
    return np.where(numbers, values, 0).sum(axis=-1) / np.where(count, count, np.nan)

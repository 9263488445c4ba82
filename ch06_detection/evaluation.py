"""Detections of a set of images held against what is there: average precisions, miss rates, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from ch06_detection.matching_detections import Matches, match
from ch06_detection.precision_recall import Curve, average_precision, log_average_miss_rate, mean_of_numbers
from common.data.boxed import Target

COCO_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
RESAMPLES = 1000


@dataclass(eq=False)
class Evaluation:
    """Detections of images held against what is there; equal to the code that COCO's authors published.

    thresholds: of IoU. points: of average_precision. most, areas: of match; areas in square pixels. A target may have
    `difficult` (n,), bool: such objects are neither missed nor false. Raises Problem for what cannot be judged.
    """

    detections: Sequence[Target]
    targets: Sequence[Target]
    classes: int
    thresholds: tuple[float, ...] = (0.5,)
    points: int | None = 101
    most: int = 100
    areas: tuple[float, float] = (0.0, math.inf)
    matches: Matches = field(init=False, repr=False)

    def __post_init__(self) -> None:
        limits = {"most": self.most, "areas": self.areas}
        self.matches = match(self.detections, self.targets, self.classes, self.thresholds, **limits)

    def of_size(self, low: float, high: float) -> Evaluation:
        """The same, of objects whose area lies within these limits, in square pixels; others are ignored."""
        return replace(self, areas=(low, high))

    def places(self, threshold: float | None) -> list[int]:
        """Where a threshold stands among the thresholds; None: all of them. Raises ValueError if it isn't there."""
        near = [k for k, own in enumerate(self.thresholds) if threshold is None or math.isclose(own, threshold)]
        if not near:
            raise ValueError(f"no matches at a threshold of {threshold}, only at {self.thresholds}")
        return near

    def objects_by_image(self, label: int) -> Float[np.ndarray, "images"]:
        """How many objects of a class there are to be found in each image."""
        wanted = (self.matches.truths.labels == label) & ~self.matches.truth_ignored
        return np.bincount(self.matches.truths.images[wanted], minlength=len(self.targets)).astype(float)

    def curve(self, label: int, threshold: float | None = None) -> Curve:
        """Precision and recall of a class, at the first threshold unless told. Nothing to be found: recall is NaN."""
        place = self.places(threshold)[0]
        counts = (self.matches.detections.labels == label) & ~self.matches.ignored[place]
        true = self.matches.true[place, counts].cumsum().astype(float)
        so_far = np.arange(1.0, len(true) + 1)
        recall = true / (self.objects_by_image(label).sum() or math.nan)
        return Curve(self.matches.scores[counts], recall, true / so_far, so_far - true)

    def average_precision(self, threshold: float | None = None) -> Float[np.ndarray, "classes"]:
        """Of each class, the mean over thresholds unless one is named. NaN for a class of which nothing is there."""
        values = np.full((len(self.places(threshold)), self.classes), math.nan)
        for label in range(1, self.classes + 1):
            if self.objects_by_image(label).any():
                curves = [self.curve(label, self.thresholds[place]) for place in self.places(threshold)]
                values[:, label - 1] = [average_precision(c.recall, c.precision, self.points) for c in curves]
        return values.mean(axis=0)

    def mean_average_precision(self, threshold: float | None = None) -> float:
        """The mean over classes that are there, NaN if none is; over all thresholds unless one is named."""
        return float(mean_of_numbers(self.average_precision(threshold)))

    def log_average_miss_rate(self, threshold: float | None = None) -> Float[np.ndarray, "classes"]:
        """Of each class, at the first threshold unless told. NaN for a class of which nothing is there."""
        rates = np.full(self.classes, math.nan)
        for label in range(1, self.classes + 1):
            if self.objects_by_image(label).any():
                curve = self.curve(label, threshold)
                rates[label - 1] = log_average_miss_rate(curve.false / len(self.targets), curve.recall)
        return rates

    def weighted(
        self, weights: Float[np.ndarray, "draws images"], threshold: float | None = None
    ) -> Float[np.ndarray, "draws"]:
        """The mean average precision if each image were there so many times, at once for many draws of weights.

        Precision is highest at true positives, so that it is enough to know how many false ones come before each.
        """
        places = self.places(threshold)
        values = np.full((len(weights), len(places), self.classes), math.nan)
        labels, images = self.matches.detections.labels, self.matches.detections.images
        for label in np.unique(self.matches.truths.labels[~self.matches.truth_ignored]).tolist():
            own = labels == label
            there = (weights @ self.objects_by_image(label))[:, None]
            for row, place in enumerate(places):
                true, false = self.matches.true[place, own], self.matches.false[place, own]
                before = np.zeros((weights.shape[1], true.sum() + 1))  # an image's false ones between true ones
                np.add.at(before, (images[own][false], true.cumsum()[false]), 1)
                found = weights[:, images[own][true]].cumsum(axis=1)
                said = found + weights @ before.cumsum(axis=1)[:, :-1]
                precision, recall = found / np.maximum(said, 1e-9), found / np.maximum(there, 1e-9)
                area = average_precision(recall, precision, self.points)
                values[:, row, label - 1] = np.where(there[:, 0] > 0, area, math.nan)
        return mean_of_numbers(values.mean(axis=1))

    def bootstrap(
        self, threshold: float | None = None, resamples: int = RESAMPLES, seed: int = 0
    ) -> Float[np.ndarray, "resamples"]:
        """Mean average precisions of images drawn anew, with replacement. Efron and Tibshirani 1993, §13.3.

        The same seed draws the same images for every detector: differences of two bootstraps are paired.
        """
        n = len(self.targets)
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
        return self.weighted(drawn.astype(float), threshold)

    def by_image(self, threshold: float | None = None) -> Float[np.ndarray, "images"]:
        """A number an image; their mean is the mean average precision, and they vary as much as it does.

        Jackknife: what leaving the image out takes away, times the other images' number. Efron and Tibshirani 1993,
        ch. 11. With it mean average precision is tested as means are: method.score_items, run.compare.
        """
        n = len(self.targets)
        without = self.weighted(1 - np.eye(n), threshold)
        return self.mean_average_precision(threshold) + (n - 1) * (without.mean() - without)

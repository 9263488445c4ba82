"""Evaluation of detections of a set of images: average precision, miss rates, and their intervals over images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int64

from common.data.boxed import Target
from common.metrics.image_groups import Groups
from common.metrics.matching import Matches, match
from common.metrics.precision_recall import Curve, average_precision, log_average_miss_rate, mean_of_numbers
from common.results import Interval

COCO_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
RESAMPLES = 1000


@dataclass(eq=False)
class Evaluation:
    """Detections of images beside what is there. Equal to pycocotools, for boxes and for masks.

    thresholds: of IoU. points: of average_precision. most, areas, iou_of: of match; areas in square pixels. A target
    may have `difficult` (n,), bool: such objects are neither missed nor false. groups: a number for each image, equal
    for images that depend on each other (frames of one second, scenes in one photograph); None: each image stands
    alone. Intervals resample groups. Raises Problem for what cannot be judged, ValueError where lengths differ.
    """

    detections: Sequence[Target]
    targets: Sequence[Target]
    classes: int
    thresholds: tuple[float, ...] = (0.5,)
    points: int | None = 101
    most: int = 100
    areas: tuple[float, float] = (0.0, math.inf)
    iou_of: str = "boxes"
    groups: Int64[np.ndarray, "images"] | None = None
    matches: Matches = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.grouping = Groups(self.groups, len(self.targets))
        limits = {"most": self.most, "areas": self.areas, "iou_of": self.iou_of}
        self.matches = match(self.detections, self.targets, self.classes, self.thresholds, **limits)

    def of_size(self, low: float, high: float) -> Evaluation:
        """The same for objects whose area lies within these limits, in square pixels; others are ignored."""
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
        """Precision and recall of a class; threshold None: the first. Where nothing is to be found, recall is NaN."""
        place = self.places(threshold)[0]
        counts = (self.matches.detections.labels == label) & ~self.matches.ignored[place]
        true = self.matches.true[place, counts].cumsum().astype(float)
        so_far = np.arange(1.0, len(true) + 1)
        recall = true / (self.objects_by_image(label).sum() or math.nan)
        return Curve(self.matches.scores[counts], recall, true / so_far, so_far - true)

    def average_precision(self, threshold: float | None = None) -> Float[np.ndarray, "classes"]:
        """Per class; threshold None: the mean over all thresholds. NaN for a class without objects."""
        values = np.full((len(self.places(threshold)), self.classes), math.nan)
        for label in range(1, self.classes + 1):
            if self.objects_by_image(label).any():
                curves = [self.curve(label, self.thresholds[place]) for place in self.places(threshold)]
                values[:, label - 1] = [average_precision(c.recall, c.precision, self.points) for c in curves]
        return values.mean(axis=0)

    def mean_average_precision(self, threshold: float | None = None) -> float:
        """The mean over classes that have objects, NaN if none has; threshold None: and over all thresholds."""
        return float(mean_of_numbers(self.average_precision(threshold)))

    def log_average_miss_rate(self, threshold: float | None = None) -> Float[np.ndarray, "classes"]:
        """Per class; threshold None: the first. NaN for a class without objects."""
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

        A class is left out of the mean of a draw that has none of its objects; a draw without any object gives NaN.
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
                so_far = found + weights @ before.cumsum(axis=1)[:, :-1]
                precision, recall = found / np.maximum(so_far, 1e-9), found / np.maximum(there, 1e-9)
                area = average_precision(recall, precision, self.points)
                values[:, row, label - 1] = np.where(there[:, 0] > 0, area, math.nan)
        return mean_of_numbers(values.mean(axis=1))

    def weighted_miss_rate(
        self, weights: Float[np.ndarray, "draws images"], threshold: float | None = None
    ) -> Float[np.ndarray, "draws"]:
        """The mean of log_average_miss_rate over classes that have objects, as weighted does for average precision."""
        place = self.places(threshold)[0]
        values = np.full((len(weights), self.classes), math.nan)
        images = np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
        for label in range(1, self.classes + 1):
            there = (weights @ self.objects_by_image(label))[:, None]
            counts = (self.matches.detections.labels == label) & ~self.matches.ignored[place]
            times, true = weights[:, self.matches.detections.images[counts]], self.matches.true[place, counts]
            false, recall = (times * ~true).cumsum(axis=1), (times * true).cumsum(axis=1) / np.maximum(there, 1e-9)
            rate = log_average_miss_rate(false / images, recall)
            values[:, label - 1] = np.where(there[:, 0] > 0, rate, math.nan)
        return mean_of_numbers(values)

    def has_objects(self) -> Bool[np.ndarray, "images"]:
        """Whether there is something to be found in each image."""
        return np.bincount(self.matches.truths.images[~self.matches.truth_ignored], minlength=len(self.targets)) > 0

    def bootstrap(
        self, threshold: float | None = None, resamples: int = RESAMPLES, seed: int = 0
    ) -> Float[np.ndarray, "resamples"]:
        """Mean average precisions of groups of images drawn with replacement. Efron and Tibshirani 1993, §13.3.

        The same seed draws the same images for every detector: differences of two bootstraps are paired. A draw
        without any object has no average precision and is drawn again; NaN throughout where no image has objects.
        """
        weights = self.grouping.draw(resamples, seed, needed=self.has_objects())
        return self.weighted(weights, threshold)

    def interval(self, threshold: float | None = None) -> Interval:
        """The mean average precision with its 95 % interval over images, or over groups where images depend."""
        return self.grouping.interval(lambda weights: self.weighted(weights, threshold), needed=self.has_objects())

    def by_image(self, threshold: float | None = None) -> Float[np.ndarray, "images"]:
        """A number per image; their mean is the mean average precision, and their spread that of its estimate.

        For method.score_items and run.compare: see Groups.by_image. A group that has all objects has the mean average
        precision itself, and so has a single image. NaN throughout where no image has objects.
        """
        return self.grouping.by_image(lambda weights: self.weighted(weights, threshold))

    def miss_rate_by_image(self, threshold: float | None = None) -> Float[np.ndarray, "images"]:
        """As by_image, for the mean of log_average_miss_rate over classes with objects; threshold None: the first."""
        return self.grouping.by_image(lambda weights: self.weighted_miss_rate(weights, threshold))

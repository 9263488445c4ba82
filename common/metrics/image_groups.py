"""Intervals over images, and over groups of images that depend on each other, for metrics that are no mean of images.

Mean average precision, mean IoU and BLEU are made of sums over the whole test set. Each is given as a function of
weights: how often each image is there. Draws with replacement, and leaving out, are then products of matrices.

Frames of one second of film show nearly the same; intervals that took them for independent would be too narrow. What is
resampled or left out is therefore the group.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from scipy import stats

from common.results import CONFIDENCE, Interval, percentiles

RESAMPLES = 2000
Statistic = Callable[[Float[np.ndarray, "draws images"]], Float[np.ndarray, "draws"]]


class Groups:
    """The groups of n images. numbers: equal within a group; None: each image is a group of its own.

    Raises ValueError where there are not n numbers.
    """

    def __init__(self, numbers: Int64[np.ndarray, "images"] | None, n: int) -> None:
        if numbers is not None and len(numbers) != n:
            raise ValueError(f"{n} images but {len(numbers)} numbers of groups")
        numbers = np.arange(n) if numbers is None else numbers
        self.member = np.unique(numbers, return_inverse=True)[1]  # of each image, its group, from 0
        self.sizes = np.bincount(self.member)

    def __len__(self) -> int:
        return len(self.sizes)

    def draw(
        self, resamples: int, seed: int = 0, needed: Bool[np.ndarray, "images"] | None = None
    ) -> Float64[np.ndarray, "resamples images"]:
        """How often each image is there when groups are drawn with replacement, as many as there are.

        needed: images of which a draw must have one; a draw without is drawn again. None, or none at all: any will do.
        """
        n, rng = len(self), np.random.default_rng(seed)
        if not n:
            return np.zeros((resamples, 0))
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
        useful = np.ones(n, bool)
        if needed is not None and needed.any():
            useful = np.bincount(self.member, needed) > 0
        while (missing := ~drawn[:, useful].any(axis=1)).any():
            drawn[missing] = rng.multinomial(n, np.full(n, 1 / n), size=int(missing.sum()))
        return drawn[:, self.member].astype(float)

    def each_left_out(self) -> Float64[np.ndarray, "groups images"]:
        """Weights of images with one group after the other left out."""
        return 1.0 - np.eye(len(self))[:, self.member]

    def interval(
        self, statistic: Statistic, seed: int = 0, needed: Bool[np.ndarray, "images"] | None = None
    ) -> Interval:
        """The statistic of all images, with its 95 % interval. needed: of draw.

        Independent images: the percentile bootstrap (Efron and Tibshirani 1993, §13.3). Groups: the jackknife with
        Student's t over groups (ch. 11), for they are mostly few; so does common.results.grouped_interval. A single
        group has no interval. Draws whose statistic is no finite number are left aside.
        """
        images, groups = len(self.member), len(self)
        value = float(statistic(np.ones((1, images)))[0])
        if groups < 2 or not math.isfinite(value):
            return Interval(value)
        if groups == images:
            draws = statistic(self.draw(RESAMPLES, seed, needed))
            return Interval(value, *percentiles(draws[np.isfinite(draws)]))
        error = math.sqrt((groups - 1) * self._without(statistic, value).var())
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1)) * error
        return Interval(value, value - half, value + half)

    def by_image(self, statistic: Statistic) -> Float64[np.ndarray, "images"]:
        """A number per image; their mean is the statistic, and their spread that of its estimate.

        The jackknife's pseudo-values (Efron and Tibshirani 1993, ch. 11): the statistic, and what leaving the image out
        takes away, times the number of the others. With them a statistic is tested as means are: method.score_items,
        run.compare. Images of a group are left out together and share the group's deviation d: each has
        d · images / (groups · size), so that the mean over resampled groups moves as the mean of d does, whatever the
        groups' sizes. A group without which the statistic is not defined has the statistic itself.
        """
        images, groups = len(self.member), max(len(self), 1)
        value = statistic(np.ones((1, images)))[0]
        without = self._without(statistic, value)
        deviation = (groups - 1) * (without.mean() - without) if images else without
        return value + (deviation * (images / (groups * self.sizes)))[self.member]

    def _without(self, statistic: Statistic, value: float) -> Float64[np.ndarray, "groups"]:
        """The statistic without each group; the value of all images where it is not defined."""
        without = statistic(self.each_left_out())
        return np.where(np.isfinite(without), without, value)

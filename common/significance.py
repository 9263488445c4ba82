"""Is one method better than another? Paired tests on the same test items, and a correction for testing often.

"A beats B" is written only where a test of this file finds a significant difference at 5 %, corrected by Holm's method
for all comparisons of the lesson.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from common.results import CONFIDENCE, Interval, grouped_interval, percentiles, resampled, rms


@dataclass(frozen=True)
class PairedTest:
    """The difference of two methods on the same items (first minus second), its interval, and a two-sided p-value."""

    difference: Interval
    p_value: float
    name: str


def mcnemar(correct_a: Bool[np.ndarray, "items"], correct_b: Bool[np.ndarray, "items"]) -> float:
    """McNemar 1947, exact: of the items that just one method gets right, does each get half? A fair coin's p-value."""
    from scipy import stats

    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def paired_bootstrap(
    a: Float[np.ndarray, "items"],
    b: Float[np.ndarray, "items"],
    statistic: Callable = np.mean,
    seed: int = 0,
) -> PairedTest:
    """Efron and Tibshirani 1993, §13.3: resample items, count how often the difference of the statistics changes sign.

    a, b: a number per item, from each of two methods. statistic: reduces them along axis=; the mean by default. A
    single item cannot show anything: p = 1.
    """

    def difference(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray | np.floating | float:
        return statistic(first, axis=axis) - statistic(second, axis=axis)

    if a.size < 2:
        return PairedTest(Interval(float(difference(a, b, -1))), 1.0, "paired bootstrap")
    draws = resampled(difference, (a, b), seed)
    below, above = np.count_nonzero(draws <= 0), np.count_nonzero(draws >= 0)
    p = min(1.0, 2 * (1 + min(below, above)) / (1 + draws.size))  # the 1s: the data itself is a draw, so p is never 0
    return PairedTest(Interval(float(difference(a, b, -1)), *percentiles(draws)), float(p), "paired bootstrap")


def grouped_test(
    a: Float[np.ndarray, "items"],
    b: Float[np.ndarray, "items"],
    groups: Int[np.ndarray, "items"],
    statistic: Callable = np.mean,
) -> PairedTest:
    """Student's t over groups of items that depend on each other: grouped_interval of the difference.

    A single group cannot show anything: p = 1.
    """
    from scipy import stats

    def difference(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray | np.floating | float:
        return statistic(first, axis=axis) - statistic(second, axis=axis)

    found, freedom = grouped_interval(difference, a, b, groups=groups), np.unique(groups).size - 1
    if not freedom or found.value == 0:
        return PairedTest(found, 1.0, "t over groups")
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    p = 2 * stats.t.sf(abs(found.value) * quantile / found.half_width, freedom) if found.half_width else 0.0
    return PairedTest(found, float(p), "t over groups")


def influence(values: Float[np.ndarray, "items"], statistic: Callable) -> Float[np.ndarray, "items"]:
    """How far each item moves the statistic: (xᵢ − x̄)/n for a mean; for an RMSE of squared errors half that over it.

    The infinitesimal jackknife (Efron and Tibshirani 1993, §22.6): a statistic's variance over draws of the items is
    the sum of these squares, times n/(n − 1). statistic: np.mean or rms.
    """
    moved = (values - values.mean()) / values.size
    if statistic is rms:
        return moved / (2 * rms(values)) if values.any() else moved
    return moved


def seeds_and_items_test(differences: Float[np.ndarray, "seeds"], moved: Float[np.ndarray, "items"]) -> PairedTest:
    """Would other seeds, and other test items, show the same difference? Both variances count.

    differences: of the two methods' metric under each seed, where training set, weights and test items may all be
    others. moved: each item's (or group's) influence on their mean. Var d̄ = s²/seeds + Σ moved² · n/(n − 1): on the
    cautious side, for noise of one item under one seed is in both. Student's t with the degrees of freedom of such a
    sum (Satterthwaite 1946).

    Each variance alone misleads where the training set is small and the test items overlap between seeds: of two
    learners of equal risk, items alone find a difference in 10 to 60 % of experiments, seeds alone in up to 30 %.
    """
    from scipy import stats

    seeds, items = differences.size, moved.size
    parts = np.array([differences.var(ddof=1) / seeds, np.sum(moved**2) * items / max(items - 1, 1)])
    mean, error = float(differences.mean()), float(np.sqrt(parts.sum()))
    name = "t over seeds and items"
    if error <= 1e-12 * max(abs(mean), np.finfo(float).tiny):
        return PairedTest(Interval(mean, mean, mean), float(mean == 0), name)
    freedom = parts.sum() ** 2 / (parts**2 / (np.array([seeds, max(items, 2)]) - 1)).sum()
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, freedom))
    return PairedTest(Interval(mean, mean - half, mean + half), p, name)


def crossed_test(a: Float[np.ndarray, "seeds items"], b: Float[np.ndarray, "seeds items"]) -> PairedTest:
    """seeds_and_items_test of the means of two methods that scored the same items under every seed."""
    d = a - b
    return seeds_and_items_test(d.mean(axis=1), (d.mean(axis=0) - d.mean()) / d.shape[1])


def holm(p_values: Float[np.ndarray, "tests"]) -> Float[np.ndarray, "tests"]:
    """Holm 1979: the smallest of m p-values times m, the next times m − 1, …, never below the one before, at most 1.

    At 5 % the chance of at least one false finding among all m stays below 5 %, whatever depends on what.
    """
    order, m = np.argsort(p_values, kind="stable"), p_values.size
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((m - np.arange(m)) * p_values[order]))
    return adjusted

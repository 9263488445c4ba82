"""A measurement: a row of scores, its confidence interval, and how the rows of several seeds combine.

Every interval is at 95 %. One seed: the interval is the test set's own (Wilson for a proportion, bootstrap else; by
group where items depend on each other). Several seeds: Student's t over the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Real

CONFIDENCE = 0.95
SIGNIFICANCE = 1 - CONFIDENCE
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its 95 % confidence interval; both ends are NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def ends(self) -> tuple[float, float, float]:
        return self.value, self.low, self.high

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Range(Interval):
    """The mean of a few values with the smallest and the largest of them, where an interval would mislead."""


def mean_interval(values: Sequence[float]) -> Interval:
    """x̄ ± t(n−1) s/√n: Student's interval for a mean, as over seeds. One value has no interval."""
    from scipy import stats

    x = np.asarray(values, float)
    if x.size == 1:
        return Interval(float(x[0]))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, x.size - 1) * stats.sem(x)
    return Interval(float(x.mean()), float(x.mean() - half), float(x.mean() + half))


def mean_or_range(values: Sequence[float]) -> Interval:
    """mean_interval; but the Range of two or three values, none negative, whose interval would reach below 0.

    Times, counts and distances can scatter over a factor of ten; Student's interval for two of them then says ± 1000 %.
    """
    interval = mean_interval(values)
    if 1 < len(values) <= 3 and interval.low < 0 <= min(values):
        return Range(interval.value, float(min(values)), float(max(values)))
    return interval


def rms(squared_errors: Float[np.ndarray, "*shape"], axis: int = -1) -> Float[np.ndarray, "*rest"] | float:
    """√ of the mean: the RMSE from squared errors."""
    return np.sqrt(np.mean(squared_errors, axis=axis))


def r2(
    targets: Real[np.ndarray, "..."], predictions: Real[np.ndarray, "..."], axis: int = -1
) -> Float[np.ndarray, "*rest"] | float:
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)²: the share of the targets' variance that the predictions explain."""
    targets, predictions = np.asarray(targets, float), np.asarray(predictions, float)  # unsigned integers would wrap
    if targets.shape != predictions.shape:
        raise ValueError(f"targets {targets.shape} and predictions {predictions.shape} differ in shape")
    residual = np.sum((targets - predictions) ** 2, axis=axis)
    return 1 - residual / np.sum((targets - targets.mean(axis=axis, keepdims=True)) ** 2, axis=axis)


def wilson_interval(successes: int, n: int) -> Interval:
    """The score interval of a proportion (Wilson 1927): honest near 0 and 1, where p ± 1.96 s leaves [0, 1]."""
    from scipy import stats

    ends = stats.binomtest(int(successes), int(n)).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(successes / n, float(ends.low), float(ends.high))


def bootstrap_interval(
    statistic: Callable,
    *samples: Float[np.ndarray, "items"],
    groups: Int[np.ndarray, "items"] | None = None,
    seed: int = 0,
) -> Interval:
    """The percentile bootstrap (Efron and Tibshirani 1993, §13.3): resample items, the same for all samples.

    statistic: takes the samples and axis=, reduces that axis. groups: of items that depend on each other (frames of
    one second of film); whole groups are resampled then, as grouped_interval does. A single item has no interval.
    """
    if samples[0].size < 2:
        return Interval(float(statistic(*samples, axis=-1)))
    if dependent(groups):
        return grouped_interval(statistic, *samples, groups=groups)
    return Interval(float(statistic(*samples, axis=-1)), *percentiles(resampled(statistic, samples, seed)))


def dependent(groups: Int[np.ndarray, "items"] | None) -> bool:
    """Whether any two items share a group."""
    return groups is not None and np.unique(groups).size < groups.size


def grouped_interval(
    statistic: Callable, *samples: Float[np.ndarray, "items"], groups: Int[np.ndarray, "items"]
) -> Interval:
    """The jackknife over groups: leave each group out once; θ ± t(G − 1) √((G − 1)/G Σ(θ₍g₎ − θ̄)²).

    Efron and Tibshirani 1993, ch. 11. Groups are few (eight photographs, eleven seconds), and a bootstrap of so few is
    too narrow; Student's t knows how few they are. A single group has no interval.
    """
    from scipy import stats

    value, names = float(statistic(*samples, axis=-1)), np.unique(groups)
    if names.size < 2:
        return Interval(value)
    without = np.array([statistic(*(sample[groups != g] for sample in samples), axis=-1) for g in names])
    error = np.sqrt((names.size - 1) * without.var())
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, names.size - 1) * error)
    return Interval(value, value - half, value + half)


def resampled(statistic: Callable, samples: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """RESAMPLES draws of the statistic. Batches keep the resampled items under some 40 MB."""
    from scipy import stats

    batch = max(1, 5_000_000 // samples[0].size)
    rng = np.random.default_rng(seed)
    settings = {"n_resamples": RESAMPLES, "batch": batch, "vectorized": True, "paired": True, "method": "percentile"}
    return stats.bootstrap(samples, statistic, rng=rng, **settings).bootstrap_distribution


def percentiles(draws: Float[np.ndarray, "draws"]) -> tuple[float, float]:
    """The ends of the middle 95 % of the draws."""
    low, high = np.quantile(draws, [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Row:
    """One metric of one method in one lesson: of one seed as measured, or of several after combine().

    kind: "classical", "from scratch", "network", "deep" or "reference". n: test items per seed. higher_is_better: None
    where neither direction is better. parameters: the numbers that the fitted model keeps in order to predict. seeds:
    of the runs that differ. Seconds are None where nothing was timed.
    """

    lesson: str
    method: str
    kind: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    unit: str = ""
    higher_is_better: bool | None = False
    parameters: int | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    seeds: tuple[int, ...] = (0,)

    @property
    def interval(self) -> Interval:
        return Interval(self.value, self.low, self.high)


def combine(rows: Iterable[Row]) -> list[Row]:
    """Rows of several seeds as one row each: t-interval over the seeds, median seconds. Order of first appearance.

    A method whose metrics are the same to the last digit under every seed was run once, in effect: it keeps the first
    seed's own interval, and counts as one run. Seconds are a median because the first call of a library also loads it.
    """
    rows, combined = list(rows), []
    repeated = _repeated(rows)
    for group in _grouped(rows, lambda row: (row.lesson, row.method, row.metric)):
        seconds = {
            name: median_or_none([getattr(row, name) for row in group]) for name in ("fit_seconds", "predict_seconds")
        }
        if (group[0].lesson, group[0].method) in repeated:
            combined.append(replace(group[0], **seconds))
            continue
        over = mean_interval([row.value for row in group]) if len(group) > 1 else group[0].interval
        seeds = tuple(seed for row in group for seed in row.seeds)
        combined.append(replace(group[0], value=over.value, low=over.low, high=over.high, seeds=seeds, **seconds))
    return combined


def _repeated(rows: Sequence[Row]) -> set[tuple[str, str]]:
    """The (lesson, method) of several seeds that are one and the same run: every metric has one value and interval."""
    found = set()
    for group in _grouped(rows, lambda row: (row.lesson, row.method)):
        metrics = _grouped(group, lambda row: row.metric)
        if len(group) > len(metrics) and all(len({str(row.interval.ends) for row in same}) == 1 for same in metrics):
            found.add((group[0].lesson, group[0].method))
    return found


def median_or_none(values: Sequence[float | None]) -> float | None:
    """The median, or None where any value is None."""
    return None if any(v is None for v in values) else float(np.median(values))


def _grouped(items: Iterable, key: Callable) -> list[list]:
    groups: dict = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())

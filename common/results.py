"""What a measurement says: a score row, its confidence interval, a paired test, and how rows of seeds combine.

Every interval is at 95 %. One seed: the interval is the test set's own (Wilson for a proportion, bootstrap else).
Several seeds: Student's t over the seeds. "A beats B" is said only where a paired test on the same test items says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

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


def mean_interval(values: Sequence[float]) -> Interval:
    """x̄ ± t(n−1) s/√n: Student's interval for a mean, as over seeds. One value has no interval."""
    from scipy import stats

    x = np.asarray(values, float)
    if x.size == 1:
        return Interval(float(x[0]))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, x.size - 1) * stats.sem(x)
    return Interval(float(x.mean()), float(x.mean() - half), float(x.mean() + half))


def rms(squared_errors: Float[np.ndarray, "*shape"], axis: int = -1) -> Float[np.ndarray, "*rest"] | float:
    """√ of the mean: the RMSE from squared errors."""
    return np.sqrt(np.mean(squared_errors, axis=axis))


def r2(
    targets: Float[np.ndarray, "*shape"], predictions: Float[np.ndarray, "*shape"], axis: int = -1
) -> Float[np.ndarray, "*rest"] | float:
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)²: the share of the targets' variance that the predictions explain."""
    residual = np.sum((targets - predictions) ** 2, axis=axis)
    return 1 - residual / np.sum((targets - targets.mean(axis=axis, keepdims=True)) ** 2, axis=axis)


def wilson_interval(successes: int, n: int) -> Interval:
    """The score interval of a proportion (Wilson 1927): honest near 0 and 1, where p ± 1.96 s leaves [0, 1]."""
    from scipy import stats

    ends = stats.binomtest(int(successes), int(n)).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(successes / n, float(ends.low), float(ends.high))


def bootstrap_interval(statistic: Callable, *samples: Float[np.ndarray, "items"], seed: int = 0) -> Interval:
    """The percentile bootstrap (Efron and Tibshirani 1993, §13.3): resample items, the same for all samples.

    statistic: takes the samples and axis=, reduces that axis.
    """
    return Interval(float(statistic(*samples, axis=-1)), *_percentiles(_resampled(statistic, samples, seed)))


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
    """Efron and Tibshirani 1993, §13.3: resample items, see how often the difference of the statistics changes sign.

    a, b: a number an item, from each of two methods. statistic: reduces them along axis=; the mean unless told.
    """

    def difference(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray | float:
        return statistic(first, axis=axis) - statistic(second, axis=axis)

    draws = _resampled(difference, (a, b), seed)
    below, above = np.count_nonzero(draws <= 0), np.count_nonzero(draws >= 0)
    p = min(1.0, 2 * (1 + min(below, above)) / (1 + draws.size))  # the 1s: the data itself is a draw, so p is never 0
    return PairedTest(Interval(float(difference(a, b, -1)), *_percentiles(draws)), float(p), "paired bootstrap")


def crossed_test(a: Float[np.ndarray, "seeds items"], b: Float[np.ndarray, "seeds items"]) -> PairedTest:
    """Would other seeds, and other test items, show the same difference of means? Both variances count.

    Var d̄ = Var(a seed's mean) / seeds + Var(an item's mean) / items: on the cautious side, for noise of one item under
    one seed is in both. Student's t with the degrees of freedom of such a sum (Satterthwaite 1946).
    """
    from scipy import stats

    d = a - b
    parts = np.array([d.mean(axis=1 - axis).var(ddof=1) / d.shape[axis] for axis in (0, 1)])
    mean, error = float(d.mean()), float(np.sqrt(parts.sum()))
    if error == 0:
        return PairedTest(Interval(mean, mean, mean), float(mean == 0), "t over seeds and items")
    freedom = parts.sum() ** 2 / (parts**2 / (np.array(d.shape) - 1)).sum()
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, freedom))
    return PairedTest(Interval(mean, mean - half, mean + half), p, "t over seeds and items")


def _resampled(statistic: Callable, samples: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """RESAMPLES draws of the statistic. Batches keep the resampled items under some 40 MB."""
    from scipy import stats

    batch = max(1, 5_000_000 // samples[0].size)
    rng = np.random.default_rng(seed)
    settings = {"n_resamples": RESAMPLES, "batch": batch, "vectorized": True, "paired": True, "method": "percentile"}
    return stats.bootstrap(samples, statistic, rng=rng, **settings).bootstrap_distribution


def _percentiles(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Row:
    """One metric of one method in one lesson: of one seed as measured, or of several after combine().

    kind: "classical", "from scratch", "deep" or "reference". n: test items of a seed. parameters: the numbers that the
    fitted model keeps in order to predict. Seconds are None where nothing was timed.
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
    higher_is_better: bool = False
    parameters: int | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    seeds: tuple[int, ...] = (0,)

    @property
    def interval(self) -> Interval:
        return Interval(self.value, self.low, self.high)


def combine(rows: Iterable[Row]) -> list[Row]:
    """Rows of several seeds as one row each: t-interval over the seeds, mean seconds. Order of first appearance."""
    combined = []
    for group in _grouped(rows, lambda row: (row.lesson, row.method, row.metric)):
        if len(group) == 1:
            combined.append(group[0])
            continue
        over = mean_interval([row.value for row in group])
        seconds = {
            name: mean_or_none([getattr(row, name) for row in group]) for name in ("fit_seconds", "predict_seconds")
        }
        seeds = tuple(seed for row in group for seed in row.seeds)
        combined.append(replace(group[0], value=over.value, low=over.low, high=over.high, seeds=seeds, **seconds))
    return combined


def mean_or_none(values: Sequence[float | None]) -> float | None:
    """The mean, or None where any value is None."""
    return None if any(v is None for v in values) else float(np.mean(values))


def _grouped(items: Iterable, key: Callable) -> list[list]:
    groups: dict = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())

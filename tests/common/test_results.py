"""Statistics, against published worked examples, against the library, and by counting how often they are right."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score, root_mean_squared_error

from common.results import (
    Interval,
    Row,
    bootstrap_interval,
    combine,
    dependent,
    grouped_interval,
    mean_interval,
    r2,
    rms,
    wilson_interval,
)


def row(**changes):
    settings = {"lesson": "a", "method": "m", "kind": "classical", "metric": "RMSE", "value": 1.0}
    return Row(**{**settings, "low": 0.5, "high": 1.5, "n": 10, **changes})


# Newcombe 1998, Statistics in Medicine 17, Table I, method 3 (the score interval without continuity correction).
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_agrees_with_newcombe(successes, n, low, high):
    interval = wilson_interval(successes, n)
    assert interval.value == successes / n
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_wilson_is_its_formula():
    z, k, n = stats.norm.ppf(0.975), 45, 60
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(k * (n - k) / n + z**2 / 4)
    assert wilson_interval(k, n).low == pytest.approx(centre - half)
    assert wilson_interval(k, n).high == pytest.approx(centre + half)


def test_mean_interval_agrees_with_a_textbook():
    # NIST/SEMATECH e-Handbook, 1.3.5.2, ZARR13.DAT: 195 values, mean 9.261460, s 0.022789, 9.258242 to 9.264679.
    rng = np.random.default_rng(0)
    x = rng.standard_normal(195)
    x = 9.261460 + 0.022789 * (x - x.mean()) / x.std(ddof=1)
    interval = mean_interval(x.tolist())
    assert (interval.low, interval.high) == pytest.approx((9.258242, 9.264679), abs=2e-6)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_mean_interval_agrees_with_scipy(n):
    x = np.random.default_rng(n).normal(5, 2, n)
    interval = mean_interval(x.tolist())
    assert interval.value == pytest.approx(x.mean())
    assert (interval.low, interval.high) == pytest.approx(stats.t.interval(0.95, n - 1, x.mean(), stats.sem(x)))


def test_one_value_has_no_interval():
    interval = mean_interval([3.5])
    assert interval.value == 3.5
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert math.isnan(interval.half_width)


def test_half_width():
    assert Interval(1.0, 0.5, 2.5).half_width == 1.0


def test_rms_and_r2_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.normal(20, 8, 60)
    guess = y + rng.normal(1, 3, 60)
    assert rms((y - guess) ** 2) == pytest.approx(root_mean_squared_error(y, guess))
    assert r2(y, guess) == pytest.approx(r2_score(y, guess))
    # The bootstrap hands over many resamples at once, one a line.
    stacked_y, stacked_guess = np.stack([y, y[::-1] ** 2]), np.stack([guess, y])
    assert rms(stacked_y, axis=-1) == pytest.approx([np.sqrt(line.mean()) for line in stacked_y])
    assert r2(stacked_y, stacked_guess) == pytest.approx(
        [r2_score(*pair) for pair in zip(stacked_y, stacked_guess, strict=True)]
    )


def test_bootstrap_agrees_with_scipy():
    x = np.random.default_rng(0).exponential(2, 80)
    ours = bootstrap_interval(np.mean, x, seed=3)
    theirs = stats.bootstrap(
        (x,), np.mean, n_resamples=2000, confidence_level=0.95, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    assert ours.value == pytest.approx(x.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_bootstrap_resamples_targets_and_predictions_together():
    y = np.random.default_rng(0).normal(size=50)
    assert bootstrap_interval(r2, y, y) == Interval(1.0, 1.0, 1.0)


def test_bootstrap_is_reproducible_and_by_seed():
    x = np.random.default_rng(0).normal(size=40)
    assert bootstrap_interval(np.mean, x) == bootstrap_interval(np.mean, x)
    assert bootstrap_interval(np.mean, x) != bootstrap_interval(np.mean, x, seed=1)


def test_bootstrap_covers_the_truth(monkeypatch):
    monkeypatch.setattr("common.results.RESAMPLES", 400)
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interval(np.mean, rng.normal(7, 3, 60), seed=i) for i in range(400)]
    share = np.mean([i.low <= 7 <= i.high for i in intervals])
    assert 0.91 <= share <= 0.975  # 0.95 less what 60 items and 400 resamples cost; the count's own 2 s.e. are 0.022


def test_combine_over_seeds():
    rows = [
        row(value=1.0, seeds=(0,), fit_seconds=1.0),
        row(method="other", value=9.0, seeds=(0,)),
        row(value=2.0, seeds=(1,), fit_seconds=3.0),
        row(value=6.0, seeds=(2,), fit_seconds=5.0),
    ]
    first, other = combine(rows)
    expected = stats.t.interval(0.95, 2, 3.0, stats.sem([1.0, 2.0, 6.0]))
    assert (first.method, first.value, first.seeds) == ("m", 3.0, (0, 1, 2))
    assert (first.low, first.high) == pytest.approx(expected)
    assert (first.fit_seconds, first.predict_seconds) == (3.0, None)
    assert other == rows[1]  # one seed keeps the test set's own interval


def test_combine_keeps_metrics_and_lessons_apart():
    rows = [row(), row(metric="R²"), row(lesson="b")]
    assert combine(rows) == rows


def test_a_slow_first_call_does_not_decide_the_time():
    # The first call of a library loads it, too: 0.1 s where the others take a thousandth.
    rows = [row(value=seed, seeds=(seed,), fit_seconds=s) for seed, s in enumerate([0.1, 0.0007, 0.0008])]
    assert combine(rows)[0].fit_seconds == 0.0008


def test_seeds_that_are_one_and_the_same_run_count_once():
    def same(seed, **changes):
        return row(seeds=(seed,), **changes)

    repeated = [same(seed) for seed in range(10)] + [same(seed, metric="R²", value=0.5) for seed in range(10)]
    first, second = combine(repeated)
    assert (first.seeds, first.low, first.high) == ((0,), 0.5, 1.5)  # the test set's own interval, not a width of 0
    assert second.seeds == (0,)
    # One metric that happens to repeat is no repeated run.
    repeated[-1] = same(9, metric="R²", value=0.6)
    assert [len(r.seeds) for r in combine(repeated)] == [10, 10]


def test_an_interval_over_groups():
    x, groups = np.random.default_rng(0).normal(size=60), np.repeat(np.arange(6), 10)
    found = bootstrap_interval(np.mean, x, groups=groups)
    means = x.reshape(6, 10).mean(axis=1)  # of groups of one size: Student's interval of their means
    assert found.ends == pytest.approx(mean_interval(means.tolist()).ends)
    assert found == grouped_interval(np.mean, x, groups=groups)
    assert dependent(groups)
    assert not dependent(np.arange(60))
    assert not dependent(None)
    assert bootstrap_interval(np.mean, x, groups=np.arange(60)) == bootstrap_interval(np.mean, x)


def test_an_interval_over_few_groups_covers_the_truth():
    rng, inside = np.random.default_rng(0), 0
    groups = np.repeat(np.arange(8), 12)
    for _ in range(400):
        x = 5 + np.repeat(rng.normal(size=8), 12) + rng.normal(size=96)
        found = grouped_interval(np.mean, x, groups=groups)
        inside += found.low <= 5 <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_one_group_has_no_interval():
    assert math.isnan(grouped_interval(np.mean, np.arange(4.0), groups=np.zeros(4, int)).low)


def test_r2_of_unsigned_pixels_does_not_wrap():
    assert r2(np.array([0, 100], np.uint8), np.array([100, 0], np.uint8)) == -3
    assert r2(np.array([0, 100], np.uint8), np.array([100, 0], np.uint8)) == r2_score([0, 100], [100, 0])


def test_r2_is_not_broadcast():
    with pytest.raises(ValueError, match=r"\(2,\).*\(2, 1\)"):
        r2(np.array([1.0, 2.0]), np.array([[1.0], [2.0]]))


def test_combine_gives_no_time_where_a_seed_was_not_timed():
    assert combine([row(fit_seconds=1.0), row(fit_seconds=None, seeds=(1,))])[0].fit_seconds is None

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
    crossed_test,
    mcnemar,
    mean_interval,
    paired_bootstrap,
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


def test_mcnemar_agrees_with_agresti():
    # Agresti, Categorical Data Analysis, Table 11.1: approval of the prime minister, two surveys of 1600 people.
    # Exact two-sided p as R's exact2x2 and statsmodels' documentation give it.
    pairs = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [794, 150, 86, 570], axis=0).astype(bool)
    assert mcnemar(pairs[:, 0], pairs[:, 1]) == pytest.approx(3.716e-05, rel=1e-3)
    assert mcnemar(pairs[:, 1], pairs[:, 0]) == mcnemar(pairs[:, 0], pairs[:, 1])


def test_mcnemar_looks_only_at_items_that_differ():
    a, b = np.array([True] * 5 + [False]), np.array([False] * 5 + [True])
    both = np.ones(100, bool)
    expected = 2 * (1 + 6) / 2**6  # a fair coin, six throws, at most one of the rarer side
    assert mcnemar(a, b) == pytest.approx(expected)
    assert mcnemar(np.append(a, both), np.append(b, both)) == pytest.approx(expected)
    assert mcnemar(both, both) == 1.0


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


def test_paired_bootstrap_sees_what_unpaired_intervals_hide():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 10, 200)  # items differ far more than the methods do
    a, b = hard + 0.3 + rng.normal(0, 0.5, 200), hard + rng.normal(0, 0.5, 200)
    test = paired_bootstrap(a, b)
    assert test.p_value < 0.01
    assert test.difference.low > 0
    assert test.difference.value == pytest.approx((a - b).mean())
    assert bootstrap_interval(np.mean, a).low < bootstrap_interval(np.mean, b).high  # alone, they overlap


def test_paired_bootstrap_agrees_with_the_paired_t_test():
    rng = np.random.default_rng(5)
    a = rng.normal(0, 1, 300)
    b = a + rng.normal(0.12, 1, 300)
    assert 0.01 < stats.ttest_rel(a, b).pvalue < 0.2  # a p in the middle, where agreement means something
    assert paired_bootstrap(a, b).p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.025)


def test_paired_bootstrap_is_quiet_where_nothing_differs(monkeypatch):
    monkeypatch.setattr("common.results.RESAMPLES", 400)
    rng = np.random.default_rng(1)
    p = [paired_bootstrap(*rng.normal(size=(2, 80)), seed=i).p_value for i in range(500)]
    assert 0.025 <= np.mean(np.array(p) < 0.05) <= 0.085  # 0.05 ± 3 standard errors, and a little for 80 items


def test_paired_bootstrap_of_rms_is_about_rms():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 2, 150) ** 2, rng.normal(0, 1, 150) ** 2
    test = paired_bootstrap(a, b, rms)
    assert test.difference.value == pytest.approx(math.sqrt(a.mean()) - math.sqrt(b.mean()))
    assert test.p_value < 0.01


def test_paired_bootstrap_is_antisymmetric():
    a, b = np.random.default_rng(3).normal(size=(2, 60))
    one, other = paired_bootstrap(a, b), paired_bootstrap(b, a)
    assert one.p_value == other.p_value
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert (one.difference.low, one.difference.high) == pytest.approx((-other.difference.high, -other.difference.low))


def test_p_is_1_for_equal_methods_and_never_0():
    x = np.arange(30.0)
    assert paired_bootstrap(x, x).p_value == 1.0
    assert 0 < paired_bootstrap(x, x - 100).p_value < 0.01


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
    assert other is rows[1]  # one seed keeps the test set's own interval


def test_combine_keeps_metrics_and_lessons_apart():
    rows = [row(), row(metric="R²"), row(lesson="b")]
    assert combine(rows) == rows


def test_combine_gives_no_time_where_a_seed_was_not_timed():
    assert combine([row(fit_seconds=1.0), row(fit_seconds=None, seeds=(1,))])[0].fit_seconds is None


def crossed(rng, seeds=8, items=60, seed_noise=0.0, item_noise=0.0, own_noise=0.0, effect=0.0):
    """Differences with a part of the seed, a part of the item, and one of their own."""
    shape = (seeds, items)
    d = effect + own_noise * rng.normal(size=shape)
    d += seed_noise * rng.normal(size=(seeds, 1)) + item_noise * rng.normal(size=(1, items))
    return d, np.zeros(shape)


def test_with_variance_of_seeds_alone_it_is_student_s_test_over_seeds():
    d, zero = crossed(np.random.default_rng(0), seed_noise=1, effect=1)
    found = crossed_test(d, zero)
    assert found.p_value == pytest.approx(stats.ttest_1samp(d.mean(axis=1), 0).pvalue)
    assert found.difference.ends == pytest.approx(mean_interval(d.mean(axis=1).tolist()).ends)


def test_with_variance_of_items_alone_it_is_student_s_test_over_items():
    d, zero = crossed(np.random.default_rng(0), item_noise=1, effect=0.3)
    assert crossed_test(d, zero).p_value == pytest.approx(stats.ttest_1samp(d[0], 0).pvalue)


@pytest.mark.parametrize("noise", [{"seed_noise": 1}, {"item_noise": 1}, {"seed_noise": 1, "item_noise": 2}])
def test_without_an_effect_it_finds_one_in_twenty(noise):
    rng = np.random.default_rng(1)
    found = sum(crossed_test(*crossed(rng, own_noise=0.5, **noise)).p_value < 0.05 for _ in range(600))
    assert 8 <= found <= 48  # 30 are expected; four standard deviations are 21


def test_no_difference_at_all_is_no_finding():
    same = np.ones((3, 5))
    assert crossed_test(same, same).p_value == 1

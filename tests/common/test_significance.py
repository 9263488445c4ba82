"""Paired tests, against published examples and the library, and by counting how often they are right."""

import math

import numpy as np
import pytest
from scipy import stats

from common.paired import ItemScores, Pair
from common.results import bootstrap_interval, mean_interval, rms
from common.significance import crossed_test, grouped_test, holm, influence, mcnemar, paired_bootstrap


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


def test_one_item_shows_nothing():
    found = paired_bootstrap(np.array([3.0]), np.array([1.0]))
    assert (found.p_value, found.difference.value) == (1.0, 2.0)
    assert math.isnan(found.difference.low)
    assert math.isnan(bootstrap_interval(np.mean, np.array([3.0])).low)


# Groups of items that depend on each other


def test_groups_of_one_are_student_s_paired_test():
    a, b = np.random.default_rng(0).normal(size=(2, 40))
    found = grouped_test(a, b, np.arange(40))
    assert found.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert found.difference.value == pytest.approx((a - b).mean())


def test_copies_of_an_item_are_no_new_evidence():
    a, b = np.random.default_rng(0).normal(size=(2, 12))
    once = grouped_test(a, b, np.arange(12))
    often = grouped_test(np.repeat(a, 30), np.repeat(b, 30), np.repeat(np.arange(12), 30))
    assert often.p_value == pytest.approx(once.p_value)
    assert often.difference.ends == pytest.approx(once.difference.ends)
    assert paired_bootstrap(np.repeat(a, 30), np.repeat(b, 30)).p_value < 0.1 * once.p_value  # groups ignored


def test_one_group_shows_nothing():
    a, b = np.random.default_rng(0).normal(size=(2, 12))
    assert grouped_test(a + 100, b, np.zeros(12, int)).p_value == 1


# Holm's correction


def test_holm_agrees_with_r():
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") and of c(0.005, 0.011, 0.02, 0.04, 0.13)
    np.testing.assert_allclose(holm(np.array([0.01, 0.02, 0.03, 0.04, 0.05])), [0.05, 0.08, 0.09, 0.09, 0.09])
    np.testing.assert_allclose(holm(np.array([0.04, 0.13, 0.005, 0.02, 0.011])), [0.08, 0.13, 0.025, 0.06, 0.044])


@pytest.mark.parametrize("p", [[], [0.3], [0.9, 0.8]])
def test_holm_of_few(p):
    expected = {0: [], 1: [0.3], 2: [1.0, 1.0]}[len(p)]
    np.testing.assert_allclose(holm(np.array(p)), expected)


def test_holm_keeps_the_family_s_error_at_five_per_cent():
    p = np.random.default_rng(0).random((4000, 20))
    assert np.mean([(holm(family) < 0.05).any() for family in p]) < 0.06
    assert np.mean((p < 0.05).any(axis=1)) > 0.6  # uncorrected: 1 - 0.95^20 = 0.64


# Does it hold its level where the training sets are drawn anew from few rows?


def experiment(rng, degree, training_rows, effect=0.0, seeds=10, rows=392, testing=98):
    """Two learners: polynomials of degree over two inputs that matter alike; with an effect, the first matters more.

    As in chapter 1: every seed splits the same rows anew, and trains on all the others or on a few of them.
    """
    inputs = rng.uniform(-1, 1, (2, rows))
    y = 4 * inputs.sum(axis=0) + effect * inputs[0] + 3.4 * rng.standard_normal(rows)
    designs = np.polynomial.legendre.legvander(inputs, degree)
    pair = Pair("A", "B")
    for _ in range(seeds):
        order = rng.permutation(rows)
        test, train = order[:testing], order[testing : testing + training_rows]
        scores = []
        for X in designs:
            theta = np.linalg.lstsq(X[train], y[train], rcond=None)[0]
            scores.append(ItemScores("RMSE", test, (X[test] @ theta - y[test]) ** 2))
        pair.add(*scores)
    return pair.compare()


@pytest.mark.parametrize(("degree", "training_rows"), [(3, 294), (9, 294), (3, 40), (6, 40)])
def test_two_learners_of_equal_risk_are_seldom_called_different(degree, training_rows):
    rng = np.random.default_rng(1)
    found = [experiment(rng, degree, training_rows) for _ in range(300)]
    assert np.mean([c.winner is not None for c in found]) <= 0.07


@pytest.mark.parametrize(("training_rows", "effect", "difference"), [(294, 2.0, 0.75), (40, 2.0, 0.75)])
def test_a_difference_as_large_as_chapter_1_finds_is_found(training_rows, effect, difference):
    rng = np.random.default_rng(2)
    found = [experiment(rng, 3, training_rows, effect) for _ in range(100)]
    assert np.mean([-c.difference for c in found]) == pytest.approx(
        difference, abs=0.1
    )  # mpg; ch01's plane over products: 0.6
    assert np.mean([c.winner == "A" for c in found]) >= 0.8


def test_influence_is_what_leaving_an_item_out_does():
    x = np.random.default_rng(0).exponential(size=400)
    for statistic in (np.mean, rms):
        without = np.array([statistic(np.delete(x, i)) for i in range(x.size)])
        np.testing.assert_allclose(influence(x, statistic), (statistic(x) - without) * (x.size - 1) / x.size, atol=5e-5)

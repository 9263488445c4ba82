"""Two methods on the same items: pooled by item, refused on different items, a winner only if significant."""

import numpy as np
import pytest
from scipy import stats

from common.paired import Comparison, ItemScores, Pair, corrected
from common.results import rms
from common.significance import grouped_test, mcnemar, paired_bootstrap


def scores(values, ids=None, metric="loss", **settings):
    values = np.asarray(values, float)
    return ItemScores(metric, np.arange(values.size) if ids is None else np.asarray(ids), values, **settings)


def comparison(**changes):
    settings = {"a": "A", "b": "B", "metric": "loss", "difference": -1.0, "low": -2.0, "high": -0.5}
    return Comparison(**{**settings, "p_value": 0.01, "test": "paired bootstrap", "n": 10, **changes})


def test_one_seed_is_the_paired_bootstrap():
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    pair = Pair("A", "B")
    pair.add(scores(a, unit="mpg"), scores(b))
    found, test = pair.compare(), paired_bootstrap(a, b)
    assert (found.a, found.b, found.metric, found.unit, found.n, found.seeds) == ("A", "B", "loss", "mpg", 50, 1)
    assert (found.difference, found.low, found.high) == (
        test.difference.value,
        test.difference.low,
        test.difference.high,
    )
    assert (found.p_value, found.test) == (test.p_value, "paired bootstrap")


def test_rmse_is_compared_as_the_root_of_the_mean():
    squared = np.random.default_rng(0).exponential(size=(2, 50))
    pair = Pair("A", "B")
    pair.add(*(scores(s, metric="RMSE") for s in squared))
    assert pair.compare().difference == pytest.approx(rms(squared[0]) - rms(squared[1]))


def test_the_difference_is_that_of_the_table():
    # Each seed has a metric, of which the table shows the mean: so does the verdict, also where items overlap.
    pair = Pair("A", "B")
    pair.add(*(scores(v, ids=[5, 7], metric="RMSE") for v in ([1, 9], [4, 4])))
    pair.add(*(scores(v, ids=[7, 8], metric="RMSE") for v in ([25, 1], [0, 2])))
    found = pair.compare()
    assert found.difference == pytest.approx(np.mean([5**0.5 - 2, 13**0.5 - 1]))
    assert (found.n, found.seeds) == (3, 2)


def test_the_same_run_again_is_no_new_evidence():
    rng = np.random.default_rng(0)
    a = rng.normal(size=40)
    b = a + rng.normal(0.25, 1, 40)
    one, ten = Pair("A", "B"), Pair("A", "B")
    one.add(scores(a), scores(b))
    for _ in range(10):
        ten.add(scores(a), scores(b))
    assert ten.compare() == one.compare()
    assert ten.compare().seeds == 1


def test_the_same_items_again_are_hardly_new_evidence():
    rng = np.random.default_rng(0)
    a = rng.normal(size=40)
    b = a + rng.normal(0.25, 1, 40)
    pair = Pair("A", "B")
    for _ in range(10):  # trainings that differ by next to nothing
        pair.add(scores(a + 1e-3 * rng.normal(size=40)), scores(b))
    assert pair.compare().p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=0.05)


def test_groups_of_items_are_resampled_as_wholes():
    values, groups = np.random.default_rng(0).normal(size=(2, 40)), np.repeat(np.arange(5), 8)
    pair = Pair("A", "B")
    pair.add(*(scores(v, groups=groups) for v in values))
    found, test = pair.compare(), grouped_test(*values, groups)
    assert (found.p_value, found.test, found.n, found.groups) == (test.p_value, "t over groups", 40, 5)


def test_groups_count_under_several_seeds_too():
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(4), 25)
    by_group = np.repeat(rng.normal(0.3, 0.3, 4), 25)  # what differs, differs by group
    alone, together = Pair("A", "B"), Pair("A", "B")
    for _ in range(3):
        a, b = by_group + 0.1 * rng.normal(size=100), np.zeros(100)
        alone.add(scores(a), scores(b))
        together.add(scores(a, groups=groups), scores(b, groups=groups))
    assert alone.compare().p_value < 1e-6 < together.compare().p_value


def test_a_lesson_s_p_values_are_corrected_together():
    found = corrected(comparison(p_value=p) for p in (0.04, 0.01, 0.03))
    assert [c.p_value for c in found] == pytest.approx([0.06, 0.03, 0.06])
    assert [c.raw_p for c in found] == [0.04, 0.01, 0.03]
    assert [c.family for c in found] == [3, 3, 3]
    assert [c.winner for c in found] == [None, "A", None]
    assert corrected([]) == []


def correct(share, n=400, seed=0):
    return 100.0 * (np.random.default_rng(seed).random(n) < share)


def test_accuracy_of_one_seed_is_mcnemar():
    a, b = correct(0.9), correct(0.8, seed=1)
    settings = {"metric": "accuracy", "unit": "%", "higher_is_better": True}
    pair = Pair("A", "B")
    pair.add(scores(a, **settings), scores(b, **settings))
    found = pair.compare()
    assert found.test == "McNemar"
    assert found.p_value == mcnemar(a > 0, b > 0)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert found.winner == "A"


def accuracy_of(seeds, ids):
    pair = Pair("A", "B")
    for seed in seeds:
        settings = {"metric": "accuracy", "higher_is_better": True, "ids": ids(seed)}
        pair.add(*(scores(correct(0.9, seed=seed + i), **settings) for i in (0, 9)))
    return pair.compare()


def test_several_seeds_on_the_same_items_must_convince_over_both():
    assert accuracy_of((0, 1), lambda seed: np.arange(400)).test == "t over seeds and items"


def test_several_seeds_on_other_items_must_convince_over_both():
    assert accuracy_of((0, 1), lambda seed: np.arange(400) + 10 * seed).test == "t over seeds and items"


def test_different_items_are_refused():
    with pytest.raises(ValueError, match="forest and line were scored on different items"):
        Pair("forest", "line").add(scores([1, 2], ids=[0, 1]), scores([1, 2], ids=[0, 2]))
    with pytest.raises(ValueError, match="different items"):
        Pair("forest", "line").add(scores([1, 2]), scores([1, 2, 3]))


@pytest.mark.parametrize(
    ("difference", "higher_is_better", "winner"),
    [(-1.0, False, "A"), (1.0, False, "B"), (-1.0, True, "B"), (1.0, True, "A")],
)
def test_the_winner_is_on_the_better_side(difference, higher_is_better, winner):
    assert comparison(difference=difference, higher_is_better=higher_is_better).winner == winner


def test_no_winner_without_significance():
    assert comparison(p_value=0.049).winner == "A"
    assert comparison(p_value=0.051).winner is None
    assert comparison(difference=0.0).winner is None

"""What must hold before a sentence is said."""

import pytest

from common.claims import beats, level, mean_of
from common.paired import Comparison
from common.record import LessonRecord
from common.results import Row


def comparison(**changes):
    settings = {"a": "A", "b": "B", "metric": "loss", "difference": -1.0, "low": -2.0, "high": -0.5, "p_value": 0.01}
    return Comparison(**{**settings, "test": "t", "n": 10, **changes})


def record(*comparisons):
    return LessonRecord("title", "digest", comparisons=list(comparisons))


def test_beats_needs_a_significant_verdict_on_the_right_side():
    assert beats("A", "B")(record(comparison()))
    assert not beats("B", "A")(record(comparison()))
    assert not beats("A", "B")(record(comparison(p_value=0.06)))
    assert not beats("A", "B")(record(comparison(higher_is_better=True)))


def test_level_needs_a_verdict_without_a_winner():
    assert level("B", "A")(record(comparison(p_value=0.06)))
    assert not level("A", "B")(record(comparison()))


def test_every_metric_counts_unless_one_is_named():
    both = record(comparison(), comparison(metric="time", p_value=0.5))
    assert not beats("A", "B")(both)
    assert beats("A", "B", "loss")(both)
    assert level("A", "B", "time")(both)


def test_a_comparison_that_was_not_asked_for_is_a_mistake():
    with pytest.raises(ValueError, match="no comparison of 'A' and 'C'"):
        beats("A", "C")(record(comparison()))
    with pytest.raises(ValueError, match="in time"):
        level("A", "B", "time")(record(comparison()))


def test_a_mean_is_that_of_the_table():
    settings = {"lesson": "l", "method": "m", "kind": "deep", "metric": "loss", "low": 0.0, "high": 9.0, "n": 5}
    rows = [Row(**settings, value=float(seed), seeds=(seed,)) for seed in range(3)]
    assert mean_of(LessonRecord("t", "d", rows=rows), "m", "loss") == 1
    with pytest.raises(ValueError, match="charm of 'm' was not measured"):
        mean_of(LessonRecord("t", "d", rows=rows), "m", "charm")

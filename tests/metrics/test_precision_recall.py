"""Average precision against definitions written out, miss rates against a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score

from common.metrics.precision_recall import average_precision, log_average_miss_rate, mean_of_numbers

VERDICTS = st.lists(st.booleans(), max_size=30)


def ranking(verdicts: list[bool], there: int) -> tuple[np.ndarray, np.ndarray]:
    true = np.cumsum(verdicts, dtype=float)
    return true / max(there, 1), true / np.arange(1, len(verdicts) + 1)


@given(VERDICTS, st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_average_precision_is_what_its_papers_define(verdicts, missed):
    recall, precision = ranking(verdicts, sum(verdicts) + missed)

    def best(at: float) -> float:
        return max((p for r, p in zip(recall, precision, strict=True) if r >= at), default=0)

    for points in (11, 101):
        expected = np.mean([best(at) for at in np.linspace(0, 1, points)])
        assert average_precision(recall, precision, points) == pytest.approx(expected, abs=1e-12)
    steps = np.unique(recall[recall > 0])
    area = sum(best(r) * width for r, width in zip(steps, np.diff(steps, prepend=0), strict=True))
    assert average_precision(recall, precision) == pytest.approx(area, abs=1e-12)


@given(VERDICTS.filter(any))
@settings(max_examples=50, deadline=None)
def test_the_area_is_scikit_learn_s_or_more(verdicts):
    """scikit-learn takes precision as it is, without the best from there on."""
    area = average_precision(*ranking(verdicts, sum(verdicts)))
    assert area >= average_precision_score(verdicts, -np.arange(len(verdicts))) - 1e-12


def test_many_curves_at_once_are_each_by_itself():
    rng = np.random.default_rng(0)
    recall, precision = np.sort(rng.random((3, 4, 9))), rng.random((3, 4, 9))
    for points in (None, 11, 101):
        both = average_precision(recall, precision, points)
        assert both[2, 1] == pytest.approx(average_precision(recall[2, 1], precision[2, 1], points))


def test_no_detection_has_an_average_precision_of_0():
    assert [average_precision(np.zeros(0), np.zeros(0), points) for points in (None, 11, 101)] == [0, 0, 0]


def test_numbers_have_a_mean_and_nothing_has_none():
    values = np.array([[1.0, math.nan, 3], [math.nan] * 3])
    assert_allclose(mean_of_numbers(values), [2, math.nan])


@given(VERDICTS, st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_the_miss_rate_is_a_geometric_mean_at_nine_rates(verdicts, images):
    there = sum(verdicts) + 2
    recall, _ = ranking(verdicts, there)
    false = np.cumsum(~np.array(verdicts, bool)) / images
    missed = []
    for rate in 10 ** np.linspace(-2, 0, 9):
        allowed = [1 - r for f, r in zip(false, recall, strict=True) if f <= rate]
        missed.append(allowed[-1] if allowed else 1.0)
    expected = math.exp(np.mean(np.log(missed)))
    assert log_average_miss_rate(false, recall) == pytest.approx(expected)


def test_who_misses_nothing_has_a_miss_rate_of_almost_0():
    assert log_average_miss_rate(np.zeros(3), np.array([0.3, 0.6, 1.0])) == pytest.approx(1e-10)

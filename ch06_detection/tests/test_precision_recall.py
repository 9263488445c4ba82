"""Average precision against definitions written out, miss rates against a loop, and the lesson's made-up detectors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score

from ch06_detection.boxes import iou
from ch06_detection.evaluate import PLAIN, with_ties
from ch06_detection.evaluation import Evaluation
from ch06_detection.made_up_detections import MadeUp
from ch06_detection.precision_recall import average_precision, log_average_miss_rate, mean_of_numbers

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


# --- made-up detectors ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def targets() -> list:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(400):
        n = rng.integers(0, 5)
        corner = rng.uniform(0, 80, (n, 2))
        boxes = np.hstack([corner, corner + rng.uniform(20, 48, (n, 2))])
        made.append({"boxes": torch.tensor(boxes).float(), "labels": torch.tensor(rng.integers(1, 4, n))})
    return made


def test_a_detector_without_errors_finds_everything(targets):
    perfect = MadeUp(found=1, spread=0, copies=0, confused=0, nothing=0)
    said = perfect(targets, 3, 128, np.random.default_rng(0))
    assert Evaluation(said, targets, 3, (0.99,)).mean_average_precision() == 1


def test_errors_are_as_frequent_as_they_were_ordered(targets):
    detector = MadeUp(found=0.7, spread=0.03, copies=0, confused=0.25, nothing=1.5)
    said = detector(targets, 3, 128, np.random.default_rng(0))
    objects = sum(len(t["labels"]) for t in targets)
    nearest = [iou(s["boxes"], t["boxes"]).max(dim=1) for s, t in zip(said, targets, strict=True) if len(t["labels"])]
    placed = sum(int((near.values > 0.7).sum()) for near in nearest)
    assert placed / objects == pytest.approx(0.7, abs=0.06)
    everything = sum(len(s["labels"]) for s in said)
    assert (everything - placed) / len(targets) == pytest.approx(1.5, abs=0.25)
    matches = Evaluation(said, targets, 3, (0.7,)).matches
    assert matches.true.sum() / placed == pytest.approx(0.75, abs=0.06)
    assert matches.scores[matches.true[0]].mean() > 0.85
    assert matches.scores[matches.false[0]].mean() == pytest.approx(0.5, abs=0.05)  # of the confused ones, too
    for one in said:
        assert (one["scores"].diff() <= 0).all()
        assert ((one["labels"] >= 1) & (one["labels"] <= 3)).all()


def test_luck_orders_equal_scores(targets):
    evaluation = Evaluation(MadeUp()(targets, 3, 128, np.random.default_rng(0)), targets, 3)
    unlucky, chance, lucky = with_ties(evaluation, 4)
    assert unlucky < chance < lucky
    fine = with_ties(evaluation, 1_000_000)
    assert fine == pytest.approx([evaluation.mean_average_precision(0.5)] * 3, abs=0.003)
    assert PLAIN.nothing == 0

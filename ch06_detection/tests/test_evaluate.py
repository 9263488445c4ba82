"""The made-up detectors of the lesson on evaluation err as ordered, and luck orders equal scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import stats

from ch06_detection import evaluate
from ch06_detection.boxes import iou
from ch06_detection.evaluate import (
    ADDED,
    ADDED_ERROR,
    PLAIN,
    evaluate_sets,
    exceeds,
    overestimate,
    with_ties,
    without_envelope,
)
from ch06_detection.scoring.made_up import MadeUp
from common.console import Console
from common.data import Scale
from common.data.boxed import BoxedImages
from common.data.scenes import scenes
from common.metrics.detection import Evaluation
from common.record import Fact, LessonRecord
from common.run import Run


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


def a_run(folder) -> Run:
    return Run("evaluate", 0, Scale("smoke"), LessonRecord("", ""), folder, Console(quiet=True))


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


def test_the_overestimate_of_small_sets_has_a_standard_error():
    draws = np.tile([-0.06, 0.0, 0.06], 10) + 0.7
    more, error = overestimate(np.array([draws + 0.2, draws + 9, draws]))
    assert more == pytest.approx(0.2)
    assert error == pytest.approx(np.hypot(stats.sem(draws), stats.sem(draws)))


def test_without_the_envelope_every_recall_has_the_precision_where_it_is_reached():
    """One false detection before two true ones: precision 0, 1/2, 2/3 at recalls 0, 1/2, 1. No object has class 2."""
    boxes = torch.tensor([[0.0, 0, 8, 8], [20, 0, 28, 8], [40, 0, 48, 8]])
    found = {"boxes": boxes, "labels": torch.tensor([1, 1, 1]), "scores": torch.tensor([0.9, 0.8, 0.7])}
    evaluation = Evaluation([found], [{"boxes": boxes[1:], "labels": torch.tensor([1, 1])}], 2)
    assert evaluation.mean_average_precision(0.5) == pytest.approx(2 / 3)
    assert without_envelope(evaluation) == pytest.approx((1 * 0 + 50 * 1 / 2 + 50 * 2 / 3) / 101)


def test_sets_are_evaluated_with_the_envelope_and_without(targets, tmp_path):
    part = BoxedImages(np.zeros((400, 128, 128, 3), np.uint8), tuple(targets), ("a", "b", "c"))
    values = evaluate_sets(part, [20, 200], 3, a_run(tmp_path))
    assert values.shape == (2, 2, 3)
    assert (values[0] >= values[1]).all()
    assert (values[0] > values[1]).any()


def test_what_is_within_two_standard_errors_is_not_claimed():
    record = LessonRecord("", "")
    record.facts = [Fact(ADDED, 0.4), Fact(ADDED_ERROR, 0.1)]
    assert exceeds(ADDED, ADDED_ERROR, record)
    record.facts[1] = Fact(ADDED_ERROR, 0.3)
    assert not exceeds(ADDED, ADDED_ERROR, record)


def test_intervals_resample_photographs_in_the_figure_as_in_the_table(tmp_path, monkeypatch):
    drawn = {}
    run = a_run(tmp_path)
    monkeypatch.setattr(run, "figure", lambda name, draw, *args, caption, **more: drawn.update({name: args}))
    evaluate.lesson(run)
    groups = scenes(Scale("smoke")).validation.groups
    assert len(np.unique(groups)) < len(groups)
    for evaluation in drawn["thresholds"][0].values():
        assert_array_equal(evaluation.groups, groups)

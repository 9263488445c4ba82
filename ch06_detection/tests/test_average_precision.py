"""Average precision by hand, against pycocotools, scikit-learn and the project's own metrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import precision_score, recall_score

from ch06_detection.average_precision import (
    CONVENTIONS,
    DETECTIONS,
    OBJECTS,
    area_under,
    by_convention,
    envelope,
    lesson,
    match_by_score,
    mean_at_recalls,
    precision_and_recall,
)
from common.console import Console
from common.data import Scale
from common.metrics.precision_recall import average_precision
from common.record import LessonRecord
from common.run import Run
from tests.metrics.made_detections import cocos


def picture(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Objects, and detections near some of them, twice near others, and elsewhere; the highest score first."""
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 60, (12, 2)), rng.uniform(15, 40, (12, 2))
    objects = np.concatenate([corner, corner + size], axis=1)
    near = objects[rng.integers(0, 9, 25)] + rng.normal(0, 3, (25, 4))
    scores = np.sort(rng.random(25))[::-1].copy()
    return tuple(torch.from_numpy(some).float() for some in (objects, near, scores))


def of_coco(objects, boxes, scores):
    target = {"boxes": objects, "labels": torch.ones(len(objects), dtype=torch.long)}
    found = {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.long), "scores": scores}
    return cocos([found], [target], 1)[:, 0]  # at IoU 0.5, 0.55, …


@pytest.mark.parametrize("seed", range(8))
def test_the_mean_at_101_recalls_is_pycocotools_(seed):
    objects, boxes, scores = picture(seed)
    theirs = of_coco(objects, boxes, scores)
    assert len(set(theirs)) > 3
    for place, threshold in enumerate((0.5, 0.55, 0.6, 0.65)):
        true = match_by_score(boxes, scores, objects, threshold) >= 0
        assert mean_at_recalls(*precision_and_recall(true, len(objects)), 101) == pytest.approx(theirs[place], abs=1e-9)


def test_the_order_in_which_detections_come_does_not_matter():
    objects, boxes, scores = picture(0)
    order = torch.randperm(len(boxes), generator=torch.Generator().manual_seed(0))
    taken = match_by_score(boxes[order], scores[order], objects)
    assert torch.equal(taken, match_by_score(boxes, scores, objects)[order])
    own = taken[taken >= 0]
    assert len(own.unique()) == len(own)  # no object is taken twice


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("points", [11, 101, None])
def test_the_three_conventions_are_those_of_the_metrics(seed, points):
    """The metrics round recalls as pycocotools does, and miss 3/10, unless it is a little more."""
    rng = np.random.default_rng(seed)
    true, more = torch.from_numpy(rng.random(30) < 0.5), int(rng.integers(0, 5))
    precision, recall = precision_and_recall(true, int(true.sum()) + more)
    theirs = average_precision(recall.numpy() + (1e-9 if points else 0), precision.numpy(), points)
    assert by_convention(precision, recall, points) == pytest.approx(theirs, abs=1e-12)


def test_precision_and_recall_are_scikit_learn_s_of_the_detections_so_far():
    true = torch.from_numpy(np.random.default_rng(0).random(20) < 0.6)
    precision, recall = precision_and_recall(true, int(true.sum()))
    for k in range(1, 21):
        predicted = np.arange(20) < k
        assert float(precision[k - 1]) == pytest.approx(precision_score(true, predicted))
        assert float(recall[k - 1]) == pytest.approx(recall_score(true, predicted))


def test_the_envelope_never_falls_to_the_left_and_touches_the_curve():
    precision = torch.from_numpy(np.random.default_rng(0).random(50))
    highest = envelope(precision)
    assert (highest >= precision).all()
    assert (highest.diff() <= 0).all()
    assert_allclose(highest, [precision[k:].max() for k in range(50)])


def test_a_perfect_ranking_has_an_average_precision_of_one_and_none_has_nought():
    for points in CONVENTIONS.values():
        assert by_convention(*precision_and_recall(torch.ones(4).bool(), 4), points) == pytest.approx(1)
        assert by_convention(*precision_and_recall(torch.zeros(4).bool(), 4), points) == 0
    assert area_under(*precision_and_recall(torch.tensor([True]), 3)) == pytest.approx(1 / 3)


def test_a_recall_that_is_reached_exactly_counts():
    """Three of ten objects are found: recalls 0, 0.1, 0.2 and 0.3 of 11 are reached, all with a precision of 1."""
    assert mean_at_recalls(*precision_and_recall(torch.ones(3).bool(), 10), 11) == pytest.approx(4 / 11)


def test_where_there_are_no_objects_no_detection_takes_one():
    boxes, scores = torch.tensor(DETECTIONS)[:, :4], torch.tensor(DETECTIONS)[:, 4]
    assert match_by_score(boxes, scores, torch.zeros(0, 4)).tolist() == [-1] * len(boxes)
    assert match_by_score(torch.zeros(0, 4), torch.zeros(0), torch.tensor(OBJECTS)).tolist() == []


def test_the_lesson_gives_the_numbers_of_the_text(tmp_path):
    run = Run("average_precision", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())
    lesson(run)
    facts = {fact.name: fact.value for fact in run.record.facts}
    columns = {
        "highest IoU": [432 / 528, 0.6, 224 / 288, 96 / 224, 0],
        "precision": [1, 1 / 2, 2 / 3, 1 / 2, 2 / 5],
        "recall": [1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3],
    }
    for what, column in columns.items():
        assert_allclose([facts[f"detection {k}, {what}"] for k in range(1, 6)], column, atol=1e-6)
    assert facts["average precision, area"] == pytest.approx((1 + 2 / 3) / 3)
    assert facts["average precision, 11 points"] == pytest.approx(6 / 11)
    assert facts["average precision, 101 points"] == pytest.approx(56 / 101)
    rows = torch.tensor(DETECTIONS)
    assert facts["average precision, 101 points"] == pytest.approx(
        of_coco(torch.tensor(OBJECTS), rows[:, :4], rows[:, 4])[0]
    )

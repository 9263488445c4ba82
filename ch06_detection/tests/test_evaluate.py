"""The made-up detectors of the lesson on evaluation err as ordered, and luck orders equal scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from ch06_detection.boxes import iou
from ch06_detection.evaluate import PLAIN, overestimate, with_ties
from ch06_detection.scoring.made_up import MadeUp
from common.metrics.detection import Evaluation


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


def test_the_overestimate_of_small_sets_has_a_standard_error():
    draws = np.tile([-0.06, 0.0, 0.06], 10) + 0.7
    more, error = overestimate(np.array([draws + 0.2, draws + 9, draws]))
    assert more == pytest.approx(0.2)
    assert error == pytest.approx(np.hypot(stats.sem(draws), stats.sem(draws)))

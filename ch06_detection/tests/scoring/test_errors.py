"""A detector's account: the scoreboard's numbers, and the kinds of errors."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from ch06_detection.scoring.errors import classify_errors
from ch06_detection.scoring.judging import METRIC, account, examine
from ch06_detection.trunk.pretraining import PretrainedDetector
from common.console import Console
from common.data import Scale
from common.data.scenes import scenes
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.record import LessonRecord
from common.run import Run

TRUTH = {
    "boxes": torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30], [40, 0, 50, 10]]),
    "labels": torch.tensor([1, 2, 2]),
}
EMPTY = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}


def said(*detections):
    boxes, labels, scores = zip(*detections, strict=True) if detections else ((), (), ())
    return {
        "boxes": torch.tensor(boxes).float().reshape(-1, 4),
        "labels": torch.tensor(labels).long(),
        "scores": torch.tensor(scores).float(),
    }


def errors(*detections, truth=TRUTH):
    return classify_errors(Evaluation([said(*detections), said()], [truth, EMPTY], 2))


def test_a_perfect_detector_makes_none():
    found = errors(([0, 0, 10, 10], 1, 0.9), ([20, 20, 30, 30], 2, 0.9), ([40, 0, 50, 10], 2, 0.8))
    assert found.shares == {"localisation": 0, "confusion": 0, "background": 0, "missed": 0}


@pytest.mark.parametrize(
    ("detection", "kind"),
    [
        (([0, 0, 10, 4], 1, 0.9), "localisation"),  # IoU 0.4
        (([20, 20, 30, 30], 1, 0.9), "confusion"),
        (([22, 22, 30, 30], 1, 0.9), "confusion"),
        (([60, 60, 70, 70], 1, 0.9), "background"),
        (([9, 9, 19, 19], 1, 0.9), "background"),  # IoU below 0.1
    ],
)
def test_each_kind(detection, kind):
    found = errors(detection, ([20, 20, 30, 30], 2, 0.9), ([40, 0, 50, 10], 2, 0.8))
    assert found.kinds.tolist() == [kind, "", ""]
    assert found.shares[kind] == pytest.approx(100 / 3)
    assert found.shares["missed"] == pytest.approx(100 / 3)
    assert found.images[0] == 0
    assert found.boxes[0].tolist() == detection[0]


def test_a_second_detection_of_an_object_is_localisation():
    found = errors(([20, 20, 30, 30], 2, 0.9), ([20, 20, 30, 29], 2, 0.8))
    assert sorted(found.kinds) == ["", "localisation"]


def test_only_as_many_as_there_are_objects_count():
    found = errors(([0, 0, 10, 10], 1, 0.9), ([60, 60, 70, 70], 1, 0.2), ([70, 60, 80, 70], 1, 0.1))
    assert found.kinds.tolist() == [""]


def test_no_detection_at_all():
    found = errors()
    assert found.shares["missed"] == 100
    assert len(found.kinds) == 0


def test_what_is_difficult_is_left_aside():
    truth = {**TRUTH, "difficult": torch.tensor([True, False, False])}
    found = errors(([0, 0, 10, 10], 1, 0.9), ([20, 20, 30, 30], 2, 0.9), truth=truth)
    assert found.kinds.tolist() == [""]
    assert found.shares["missed"] == 50


def test_an_object_that_is_found_with_little_confidence_is_not_missed():
    found = errors(([60, 60, 70, 70], 1, 0.9), ([0, 0, 10, 10], 1, 0.1), ([20, 20, 30, 30], 2, 0.9))
    assert sorted(found.kinds) == ["", "background"]
    assert found.shares["missed"] == pytest.approx(100 / 3)  # the one at (40, 0), which has no detection


class Oracle(PretrainedDetector):
    """Predicts the truth and counts its calls. Its trunk was trained before, for another detector."""

    def __init__(self, part):
        self.part, self.asked = part, 0
        self.trunk = SimpleNamespace(seconds_=100.0)

    def fit(self, images, targets):
        return self

    def predict(self, images):
        self.asked += 1
        return [{**target, "scores": torch.ones(len(target["labels"]))} for target in self.part.targets]


def test_a_detector_is_asked_once_and_what_it_was_given_counts(tmp_path):
    part = scenes(Scale("smoke")).test.take(slice(4))
    run = Run("ssd", 0, Scale("smoke"), record=LessonRecord("", ""), folder=tmp_path, console=Console())
    oracle, judged = Oracle(part), []
    for kind in ("deep", "reference"):
        with run.method("oracle", kind=kind) as method:
            detector, evaluation = examine(method, "oracle", lambda: oracle, part, part)
            judged.append((detector, evaluation, method.fit_seconds, method.predict_seconds))
    assert oracle.asked == 1
    assert judged[0] == judged[1]
    assert judged[0][0] is oracle
    assert 100 < judged[0][2] < 110
    values = [row.value for row in run.record.rows if row.metric == METRIC]
    assert values[0] == values[1] == pytest.approx(100)  # a class that the four scenes lack does not count


def test_scenes_of_one_photograph_are_left_out_together(tmp_path):
    part = replace(scenes(Scale("smoke")).test.take(slice(6)), groups=np.array([4, 4, 9, 9, 9, 2]))
    some = [{**t, "scores": torch.ones(len(t["labels"]))} for t in part.targets]
    some = [one if k % 2 else {key: value[:1] for key, value in one.items()} for k, one in enumerate(some)]
    run = Run("ssd", 0, Scale("smoke"), record=LessonRecord("", ""), folder=tmp_path, console=Console())
    alone = Evaluation(some, part.targets, len(part.classes), COCO_THRESHOLDS)
    with run.method("half", kind="deep") as method:
        judged = account(method, alone, part)
    values = method.items[METRIC].values
    assert_allclose(values, 100 * replace(alone, groups=part.groups).by_image(0.5))
    assert_allclose(values[[0, 2, 2]], values[[1, 3, 4]])
    assert not np.allclose(values, 100 * alone.by_image(0.5))
    assert judged.groups is part.groups

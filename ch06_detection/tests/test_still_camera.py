"""A camera that stands still: who learns from which frames, and who is judged on which."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ch06_detection import still_camera
from ch06_detection.still_camera import (
    CLOSER,
    FAR,
    NEAR,
    PASTED,
    PASTED_TEMPLATE,
    PLAIN,
    TEMPLATE,
    ZOOM,
    build_ssd,
    build_template,
    joined,
    learners,
    measure_heights,
    missed,
)
from common.console import Console
from common.data import Scale
from common.data.boxed import BoxedImages
from common.detector import Detector
from common.hog_detection.detector import HOGDetector
from common.record import LessonRecord
from common.run import Run

CONTENDERS = (TEMPLATE, PASTED_TEMPLATE, PLAIN, PASTED)


def a_run(folder, preset="smoke"):
    run = Run("still_camera", 0, Scale(preset), LessonRecord("", ""), folder, Console(quiet=True))
    run.figures = {}
    run.figure = lambda name, draw, *args, caption: run.figures.update({name: args})
    return run


def film(count=80):
    """Frames that are as bright as their number; in frame i, one person at a place of its own."""
    images = np.zeros((count, 60, 100, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    boxes = [torch.tensor([[float(i), 10, float(i) + 8, 30]]) for i in range(count)]
    targets = tuple({"boxes": each, "labels": torch.ones(1).long()} for each in boxes)
    return BoxedImages(images, targets, ("pedestrian",), ids=np.arange(count), groups=np.arange(count) // 7)


def numbers(images):
    return images[:, 0, 0, 0].tolist()


class Knows(Detector):
    """Finds the person of every frame, and remembers which frames it has learned from and which it has seen."""

    def __init__(self, frames):
        self.learned, self.seen = numbers(frames.images), []

    def predict(self, images):
        self.seen.append(numbers(images))
        boxes = [torch.tensor([[float(i), 10, float(i) + 8, 30]]) for i in numbers(images)]
        return [{"boxes": each, "labels": torch.ones(1).long(), "scores": torch.ones(1)} for each in boxes]


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """The lesson on a film of 80 frames with detectors that find everybody: the run, and the detectors."""
    made, pasted = [], []
    monkeypatch.setattr(still_camera, "pedestrians_or_none", lambda *_, **__: SimpleNamespace(train=film()))
    monkeypatch.setattr(
        still_camera, "learners",
        lambda run: dict.fromkeys(
            CONTENDERS, ("deep", lambda frames: made.append(Knows(frames)) or made[-1])
        ),
    )  # fmt: skip
    monkeypatch.setattr(
        still_camera, "paste_people", lambda frames, count, seed: pasted.append(numbers(frames.images)) or frames
    )
    run = a_run(tmp_path)
    still_camera.lesson(run)
    assert pasted == [made[0].learned]
    return run, made


def test_every_detector_is_judged_once_near_and_once_far_from_the_frames_that_it_has_learned(judged):
    _, made = judged
    assert len(made) == 8  # four contenders in two folds
    for detector, quarter in zip(made, (0, 3) * 4, strict=True):
        near, far = detector.seen
        assert detector.learned == list(range(20 * quarter, 20 * quarter + 20, 2))
        assert near == [number + 1 for number in detector.learned]
        assert all((number // 40 == 1) == (quarter == 0) for number in far)
        assert far


def test_answers_of_both_folds_are_scored_with_their_own_frames(judged):
    run, _ = judged
    assert {(row.method, row.metric): row.value for row in run.record.rows} == {
        (name, f"mAP@0.5, {place}"): 100 for name in CONTENDERS for place in (NEAR, FAR)
    }
    assert {fact.value for fact in run.record.facts if fact.name.startswith("near")} == {0}
    image, target, found = run.figures["far"]
    for one in found.values():
        assert torch.equal(one["boxes"], target["boxes"])
    assert target["boxes"][0, 0] == image[0, 0, 0]


def test_the_height_at_the_lower_border_goes_on_as_in_the_film(tmp_path):
    feet = np.linspace(100, 300, 12)
    boxes = [torch.tensor([[0.0, y - (0.2 * y + 10), 5, y]]) for y in feet]
    targets = tuple({"boxes": each, "labels": torch.ones(1).long()} for each in boxes)
    run = a_run(tmp_path)
    measure_heights(run, BoxedImages(np.zeros((12, 400, 50, 3), np.uint8), targets, ("pedestrian",)))
    assert [fact.value for fact in run.record.facts] == pytest.approx([300, 70, 0.2 * 400 + 10], abs=1e-3)


def test_parts_that_are_joined_keep_their_numbers_seconds_and_boxes():
    whole = film()
    both = joined([whole.take(slice(40, 60)), whole.take(slice(0, 10))])
    order = [*range(40, 60), *range(10)]
    assert numbers(both.images) == both.ids.tolist() == order
    assert both.groups.tolist() == [number // 7 for number in order]
    assert [float(target["boxes"][0, 0]) for target in both.targets] == order


def test_of_people_as_many_detections_count_as_there_are_people():
    people = {"boxes": torch.tensor([[0.0, 0, 10, 20], [30, 0, 40, 20]])}
    first, second = people["boxes"]
    elsewhere = torch.tensor([60.0, 0, 70, 20])
    for boxes, count in (
        ([first, second], 0), ([first, first], 1), ([elsewhere, first, second], 1), ([first + 5, second], 1),
    ):  # fmt: skip
        assert missed({"boxes": torch.stack(boxes)}, people) == count
    assert missed({"boxes": torch.zeros(0, 4)}, people) == 2


def test_who_learns_from_pasted_people_and_at_which_sizes(tmp_path, monkeypatch):
    """The network's windows keep their size without them. The template learns once with and once without."""
    fitted, few, mixed = {}, film(4), film(8)

    class Learner(Detector):
        def __init__(self, kind):
            self.kind = kind

        def fit(self, images, targets):
            fitted[self.kind, len(images)] = images, targets
            return self

    monkeypatch.setattr(still_camera, "build_ssd", lambda run, frames, zoom: Learner((frames, zoom)))
    monkeypatch.setattr(still_camera, "build_template", lambda run: Learner(TEMPLATE))
    monkeypatch.setattr(still_camera, "paste_people", lambda frames, count, seed: mixed if count == 4 else None)
    for _, learn in learners(a_run(tmp_path)).values():
        learn(few)
    parts = {(TEMPLATE, 4): few, (TEMPLATE, 8): mixed, ((4, (1.0, 1.0)), 4): few, ((8, ZOOM), 8): mixed}
    assert fitted.keys() == parts.keys()
    for kind, part in parts.items():
        assert fitted[kind][0] is part.images
        assert fitted[kind][1] is part.targets


def test_networks_take_as_many_steps_from_many_frames_as_from_few(tmp_path):
    run = a_run(tmp_path, "lecture")
    for frames in (40, 80, 160):
        training = build_ssd(run, frames, ZOOM).detector.training
        assert training.epochs * frames / training.batch_size == pytest.approx(160, rel=0.02)


def test_the_template_finds_people_closer_to_the_camera_than_any_in_training(tmp_path):
    """The pyramid of a detector ends at the tallest people but for one in fifty; here it goes on by a level."""
    frames, rng = np.full((4, 200, 300, 3), 90, np.uint8), np.random.default_rng(0)
    frames += rng.integers(0, 20, frames.shape, dtype=np.uint8)
    boxes = [torch.tensor([[40.0 + 10 * i, 50, 70 + 10 * i, 130]]) for i in range(4)]
    for frame, (box,) in zip(frames, boxes, strict=True):
        x1, y1, x2, y2 = box.int().tolist()
        frame[y1:y2, x1:x2] = 200
    targets = [{"boxes": own, "labels": torch.ones(1).long()} for own in boxes]
    template = build_template(a_run(tmp_path)).fit(frames, targets)
    usual = HOGDetector(template.cells, window=template.window, scale_step=template.scale_step)
    usual.positives(frames, targets)
    assert template.scales_[:-CLOSER] == usual.scales_
    steps = [high / low for high, low in pairwise(template.scales_)]
    assert steps == pytest.approx([template.scale_step] * len(steps))

"""The lesson on real people, with a film of rectangles; and without any film."""

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from ch06_detection.main import CHAPTER
from ch06_detection.pedestrians import LATER, build_pedestrians_ssd, judge_later, opencv_people
from common import record
from common.console import Console
from common.data import Scale
from common.data.boxed import BoxedImages
from common.detector import Detector
from common.run import Run

FRAMES, WIDTH, HEIGHT = 400, 768, 576


def people(frame):
    """Three walkers, as (left, top, width, height)."""
    return [((150 * k + 2 * frame) % 700 + 2, 120 + 130 * k, 30 + 3 * k, 84 + 8 * k) for k in range(3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("film")
    film = cv2.VideoWriter(str(place / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (WIDTH, HEIGHT))
    slabs = np.random.default_rng(0).integers(90, 140, (HEIGHT // 48, WIDTH // 48, 3), dtype=np.uint8)
    ground = slabs.repeat(48, axis=0).repeat(48, axis=1)  # noise would have thousands of segments
    lines = []
    for number in range(1, FRAMES + 1):
        frame = ground.copy()
        for who, (left, top, width, height) in enumerate(people(number)):
            frame[top : top + height, left : left + width] = 30
            frame[top : top + height // 4, left + width // 3 : left + 2 * width // 3] = 200
            lines.append(f"{number},{who},{left + 1},{top + 1},{width},{height},1,0,0,0")
        film.write(frame)
    film.release()
    (place / "gt").mkdir()
    (place / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")
    return place


def lesson(tmp_path, data):
    flags = ["--preset", "smoke", "--only", "pedestrians", "--data", str(data), "--out", str(tmp_path / "out")]
    assert CHAPTER.main(flags) == 0
    return record.load(tmp_path / "out" / "ch06_detection" / "results.json").lessons["pedestrians"]


def test_every_detector_is_judged(tmp_path, folder):
    done = lesson(tmp_path, folder)
    methods = {row.method for row in done.rows}
    assert {"HOG + SVM", "R-CNN", "Fast R-CNN", "SSD, from random weights", "OpenCV's HOG + SVM"} <= methods
    scores = {row.method: row.value for row in done.rows if row.metric == "mAP@0.5"}
    assert scores["HOG + SVM"] > 30  # rectangles of one shape are easy for a template, even at this size of training
    assert {picture.name for picture in done.pictures} == {"curves", "frame"}
    assert any("321" in note for note in done.notes)


def test_without_a_film_one_line_says_what_is_missing(tmp_path):
    done = lesson(tmp_path, tmp_path / "nothing")
    assert done.rows == []
    assert len(done.notes) == 1
    assert done.notes[0].startswith("Left out: no boxes of pedestrians")
    assert "--data" in done.notes[0]


def test_opencv_s_people_have_torchvision_s_structure():
    (found,) = opencv_people(np.full((1, 200, 160, 3), 90, np.uint8))
    assert found["boxes"].shape == (0, 4)
    assert len(found["labels"]) == len(found["scores"]) == 0


class Hits:
    """OpenCV's detector, with answers that are known: windows (left, top, width, height), and their scores."""

    windows = np.array([[20, 40, 64, 128], [24, 40, 64, 128], [200, 40, 64, 128]])
    scores = np.array([0.3, 0.9, 0.1])

    def setSVMDetector(self, weights):
        pass

    def detectMultiScale(self, image, **settings):
        assert image.shape[:2] == (400, 600)  # twice the size
        return self.windows, self.scores


def test_of_opencv_s_overlapping_windows_the_best_is_kept_without_its_margin(monkeypatch):
    monkeypatch.setattr(cv2.HOGDescriptor, "__new__", lambda cls: Hits())
    (found,) = opencv_people(np.full((1, 200, 300, 3), 90, np.uint8))
    assert_allclose(found["scores"], [0.9, 0.1])
    assert_allclose(found["boxes"], [[20, 28, 36, 76], [108, 28, 124, 76]])  # 16 × 48 of 32 × 64 pixels
    assert found["labels"].tolist() == [1, 1]


class Remembers(Detector):
    """Says what it has been given."""

    def __init__(self, answers):
        self.answers = answers

    def predict(self, images):
        return [self.answers[int(image[0, 0, 0])] for image in images]


def test_later_frames_are_judged_by_their_own_boxes(tmp_path):
    images = np.zeros((2, 40, 40, 3), np.uint8)
    images[1] = 1
    boxes = torch.tensor([[[2.0, 2, 12, 22]], [[20.0, 10, 30, 30]]])
    targets = tuple({"boxes": each, "labels": torch.ones(1).long()} for each in boxes)
    part = BoxedImages(images, targets, ("pedestrian",), ids=np.arange(2), groups=np.arange(2))
    run = Run("pedestrians", 0, Scale("smoke"), record.LessonRecord("", ""), tmp_path, Console(quiet=True))
    answers = [{**target, "scores": torch.tensor([0.9])} for target in targets]
    judge_later(run, "all found", Remembers(answers), part)
    judge_later(run, "swapped", Remembers(answers[::-1]), part)
    assert {fact.name: fact.value for fact in run.record.facts} == {f"{LATER}, all found": 100, f"{LATER}, swapped": 0}


def test_a_pretrained_trunk_changes_the_size_of_frames_and_nothing_else(tmp_path):
    """Default boxes and windows are enlarged as the frames are."""
    run = Run("pedestrians", 0, Scale("smoke"), record.LessonRecord("", ""), tmp_path, Console(quiet=True))
    small, large = (build_pedestrians_ssd(run, pretrained).detector for pretrained in (False, True))
    assert small.scales == (1.0,)
    (factor,) = large.scales
    assert factor > 1
    for ours, theirs in zip(small.shapes, large.shapes, strict=True):
        assert_allclose(theirs, factor * ours)
    assert_allclose(large.augment.zoom, factor * np.array(small.augment.zoom))
    assert small.suppression == large.suppression

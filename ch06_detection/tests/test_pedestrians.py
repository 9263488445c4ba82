"""The lesson on real people, with a film of rectangles; and without any film."""

import cv2
import numpy as np
import pytest

from ch06_detection.main import CHAPTER
from ch06_detection.pedestrians import opencv_people
from common import record

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

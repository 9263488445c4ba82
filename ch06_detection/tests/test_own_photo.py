"""A reader's photo in chapter 6: resized, refused, and shown to detectors that are kept or trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ch06_detection import own_photo
from ch06_detection.kept.detectors import PEOPLE, SCENES
from ch06_detection.scoring.protocol import training_scenes
from ch06_detection.tests.small_detectors import PLAIN, fit_all, new_run
from common.data import Scale
from common.data.photos import photo
from common.errors import Problem


@pytest.mark.parametrize(
    ("size", "shape"),
    [((480, 640), (96, 128)), ((640, 480), (128, 96)), ((50, 200), (32, 128))],
)
def test_a_photo_is_resized_to_whole_cells(size, shape):
    (_, columns), picture = shape, np.zeros((*size, 3), np.uint8)
    picture[:, : size[1] // 2] = 200
    small = own_photo.resize_to_cells(picture, 128)
    assert small.shape == (*shape, 3)
    assert (small[:, : columns // 2 - 6] == 200).all()
    assert (small[:, columns // 2 + 6 :] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (31, 90), (40, 161), (5000, 40)])
def test_a_photo_that_is_tiny_or_narrow_is_one_line_before_any_training(tmp_path, monkeypatch, size):
    monkeypatch.setattr(own_photo, "load_or_train", None)
    run = new_run(tmp_path)
    run.photo = np.zeros((*size, 3), np.uint8)
    with pytest.raises(Problem, match=f"--photo has {size[1]}×{size[0]} pixels, detection needs at least 32×32, and"):
        own_photo.lesson(run)


@pytest.mark.parametrize("given", [None, PLAIN[0]], ids=["none", "one colour"])
def test_the_lesson_shows_kept_detectors_without_a_scene(tmp_path, monkeypatch, given):
    run = new_run(tmp_path)
    run.photo, fitted = given, fit_all()
    for name, each in SCENES.items():
        run.shared[each.name, 0] = fitted[name], 1.0
    run.shared[PEOPLE["R-CNN"].name, 0] = fitted["R-CNN at half the size"], 1.0
    monkeypatch.setattr(own_photo, "training_scenes", None)
    monkeypatch.setattr(own_photo, "PEOPLE_SIDE", 128)
    monkeypatch.setitem(own_photo.__dict__, "photo", lambda name: photo(name)[::4, ::4].copy())
    own_photo.lesson(run)
    assert [picture.name for picture in run.record.pictures] == ["clothes", "people"]
    assert len(run.record.facts) == len(SCENES) + 1
    assert not any("trained now" in note for note in run.record.notes)


def test_what_is_not_kept_is_trained_as_its_lesson_trains_it(tmp_path, monkeypatch):
    run = new_run(tmp_path)
    monkeypatch.setattr(own_photo, "learn", lambda method, name, build, part: (name, build(), len(part)))
    name, detector, count = own_photo.load_or_train(run, "SSD", replace(SCENES["SSD"], build=lambda run: "built"))
    assert (name, detector, count) == ("SSD, scenes", "built", len(training_scenes(Scale("smoke"))))
    (note,) = run.record.notes
    assert note.startswith("There is no ssd_scenes-smoke-seed0.pt of an earlier run")

"""Detectors that outlive their run predict the same when they are loaded; files that do not fit are not loaded."""

from __future__ import annotations

import os
import pickle
from functools import partial

import numpy as np
import pytest
import torch

from ch06_detection import comparison, pedestrians
from ch06_detection.kept import detectors
from ch06_detection.kept.detectors import CLASSES, PEOPLE, SCENES, Kept, digest_of
from ch06_detection.kept.states import put_back, state_of
from ch06_detection.main import CHAPTER
from ch06_detection.tests.small_detectors import OWN, PLAIN, empty, fit_all, new_run, squares
from common.data import Scale
from common.data.scenes import scenes
from common.errors import Problem
from common.hog_detection.detector import HOGDetector

NOISE = np.random.default_rng(5).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def fitted():
    return fit_all()


def same(a, b):
    return all(torch.equal(one[key], other[key]) for one, other in zip(a, b, strict=True) for key in one)


@pytest.fixture
def begin(tmp_path):
    return partial(new_run, tmp_path)


def kept_ssd():
    return Kept("SSD, squares", "ssd", lambda run: empty("SSD"), lambda run: empty("SSD"))


@pytest.fixture
def file(fitted, begin):
    """The file of an SSD that a run has trained in 12.5 seconds."""
    run = begin()
    run.shared["SSD, squares", 0] = fitted["SSD"], 12.5
    kept_ssd().keep(run, digest_of("ssd"))
    return kept_ssd().path(run)


@pytest.mark.parametrize("name", OWN)
def test_a_detector_that_is_put_back_predicts_the_same_to_the_last_bit(fitted, name, tmp_path):
    torch.save(state_of(fitted[name]), tmp_path / "state.pt")
    own = empty(name)
    put_back(own, torch.load(tmp_path / "state.pt", weights_only=True))
    pictures = [*NOISE, squares()[0][0].repeat(2, axis=1)]
    expected = [fitted[name].predict(picture[None]) for picture in pictures]
    assert sum(len(found[0]["boxes"]) for found in expected) > 0
    for picture, found in zip(pictures, expected, strict=True):
        assert same(own.predict(picture[None]), found)


@pytest.mark.parametrize("name", OWN)
def test_a_picture_of_one_colour_has_finite_detections_or_none(fitted, name):
    (found,) = fitted[name].predict(PLAIN)
    assert all(torch.isfinite(values).all() for values in found.values())


@pytest.mark.parametrize(("name", "other"), [("SSD", "R-CNN"), ("R-CNN", "HOG + SVM"), ("HOG + SVM", "SSD")])
def test_weights_of_another_kind_of_detector_are_a_problem(fitted, name, other):
    with pytest.raises(Problem, match="not the weights of such a detector"):
        put_back(empty(name), state_of(fitted[other]))


def test_what_a_run_has_trained_the_next_one_loads_with_its_seconds(fitted, file, begin):
    run = begin()
    loaded = kept_ssd().load(run)
    assert same(loaded.predict(NOISE), fitted["SSD"].predict(NOISE))
    assert run.shared["SSD, squares", 0] == (loaded, 12.5)
    assert run.record.notes == []


def test_a_run_s_own_detector_comes_before_the_kept_one(fitted, file, begin):
    run = begin()
    run.shared["SSD, squares", 0] = fitted["R-CNN"], 1.0
    assert kept_ssd().load(run) is fitted["R-CNN"]


@pytest.mark.parametrize("other", [{"seed": 1}, {"preset": "lecture"}])
def test_another_seed_or_preset_has_other_weights(file, begin, other):
    run = begin(**other)
    assert kept_ssd().load(run) is None
    assert run.record.notes == []


def test_weights_that_other_code_has_trained_are_not_loaded(file, begin, monkeypatch):
    monkeypatch.setattr(detectors, "digest_of", lambda lesson: "of changed code")
    run = begin()
    assert kept_ssd().load(run) is None
    assert run.record.notes == [f"{file.name} holds weights that other code has trained: they are not used."]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [flipped, lambda content: content[: len(content) // 2], lambda content: b"", lambda content: b"no weights\n" * 99],
    ids=["a bit", "half", "empty", "text"],
)
def test_a_damaged_file_is_one_line_and_not_loaded(file, begin, damage):
    file.write_bytes(damage(file.read_bytes()))
    run = begin()
    assert kept_ssd().load(run) is None
    (note,) = run.record.notes
    assert note.startswith(f"Not used: {file.name}")
    assert "\n" not in note


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_code_in_a_file_is_not_run(file, begin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (pickle.dumps({"code": Harmful()}, protocol=2), None):
        if content is None:
            torch.save({"code": Harmful()}, file)
        else:
            file.write_bytes(content)
        assert kept_ssd().load(begin()) is None
        assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "content", [{}, {"code": None}, {"code": "right"}, {"code": "right", "seconds": "a", "state": 1}]
)
def test_a_file_without_what_has_to_be_in_it_is_not_loaded(file, begin, monkeypatch, content):
    monkeypatch.setattr(detectors, "digest_of", lambda lesson: "right")
    torch.save(content, file)
    run = begin()
    assert kept_ssd().load(run) is None
    assert len(run.record.notes) == 1


def test_a_detector_is_written_when_it_is_new_and_not_after_every_lesson(fitted, file, begin):
    run = begin()
    loaded = kept_ssd().load(run)
    file.unlink()
    kept_ssd().keep(run, "code")
    assert not file.exists(), "what was loaded is there already"
    run.shared["SSD, squares", 0] = fitted["SSD"], 1.0
    kept_ssd().keep(run, "code")
    assert torch.load(file, weights_only=True)["code"] == "code"
    assert loaded is not fitted["SSD"]


def test_r_cnns_of_people_need_the_template_whose_windows_they_classify(fitted, begin):
    run = begin()
    with pytest.raises(Problem, match="template"):
        PEOPLE["R-CNN"].empty(run)
    run.shared["HOG + SVM, pedestrians", 0] = fitted["HOG + SVM"], 1.0
    assert PEOPLE["Fast R-CNN"].empty(run).proposals(NOISE[:1])[0].shape[1] == 4


def test_after_a_lesson_everything_that_was_trained_is_kept_with_the_digest_of_its_lesson(fitted, begin):
    run = begin()
    run.shared["SSD, scenes", 0] = fitted["SSD"], 3.0
    run.shared["R-CNN, pedestrians", 0] = fitted["R-CNN at half the size"], 3.0
    run.shared["SSD, narrower, scenes", 0] = fitted["SSD"], 3.0
    detectors.keep(run, {name: f"digest of {name}" for name in CHAPTER.lessons})
    written = {path.name: torch.load(path, weights_only=True)["code"] for path in (run.folder / "weights").iterdir()}
    assert written == {
        "ssd_scenes-smoke-seed0.pt": "digest of ssd",
        "r_cnn_pedestrians-smoke-seed0.pt": "digest of pedestrians",
    }


def test_the_kept_detectors_are_those_that_lessons_train(begin):
    one_look = {name: pair for name, pair in comparison.CONTENDERS.items() if name in SCENES}
    assert {name: (each.kind, each.build) for name, each in SCENES.items()} == one_look
    assert set(PEOPLE) - {"HOG + SVM"} >= set(pedestrians.contenders(begin(), HOGDetector()))
    assert {each.lesson for each in (*SCENES.values(), *PEOPLE.values())} <= set(CHAPTER.lessons)
    assert all(digest_of(each.lesson) == CHAPTER.digest(each.lesson) for each in SCENES.values())
    assert scenes(Scale("smoke")).classes == CLASSES

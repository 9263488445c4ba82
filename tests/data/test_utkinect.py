"""UTKinect in a reader's folder: frames are cut by the labels, NaNs are left out and said, faults have lines."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from common.data import Scale, utkinect
from common.errors import Problem

FRAMES = [2, 3, 3, 5, 8, 9, 10, 12]  # the sensor leaves some out and gives some twice


def row(person, take, frame, place):
    """A line whose numbers tell person, take, frame and place: joint 0's x is the place."""
    return (
        f"{frame}   {place:.6f}"
        + "".join(f"  {person + take / 10 + joint / 1000:.6f}" for joint in range(1, 60))
        + "  "
    )


class Folder:
    def __init__(self, path, people=(1, 9)):
        self.path = path
        (path / "joints").mkdir(parents=True)
        for person in people:
            for take in (1, 2):
                self.write(person, take, [row(person, take, frame, place) for place, frame in enumerate(FRAMES)])
        self.label([f"s{person:02d}_e{take:02d}" for person in (1, 2, 9, 10) for take in (1, 2)])

    def file(self, person, take):
        return self.path / "joints" / f"joints_s{person:02d}_e{take:02d}.txt"

    def write(self, person, take, lines):
        self.file(person, take).write_text("\n".join(lines) + "\n")

    def label(self, recordings, walk="walk: 2 5", place="joints"):
        lines = [line for name in recordings for line in (name, walk, "clapHands: 8 11 ")]
        (self.path / place / "actionLabel.txt").write_text("\n".join(lines) + "\n")

    def load(self):
        return utkinect.utkinect(Scale("lecture", self.path.parent))

    def failure(self):
        with pytest.raises(Problem) as caught:
            self.load()
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "UTKinect")


def test_frames_are_cut_by_the_labels_and_belong_to_their_person(folder):
    found = folder.load()
    assert found.people == [1, 9], "everybody whom the folder has, and nobody else"
    assert found.left_out == ()
    assert len(found.clips) == 8
    for clip in found.clips:
        name = found.classes[clip.label]
        places = {"walk": [0, 1, 2, 3], "clapHands": [4, 5, 6]}[name]
        assert clip.joints[:, 0, 0].tolist() == places, "both ends belong to the action, frames that stand twice too"
        assert_allclose(clip.joints[:, 19, 2], clip.person + clip.take / 10 + 0.059, atol=1e-6)
        assert_allclose(clip.joints[0, 1], clip.person + clip.take / 10 + np.array([3, 4, 5]) / 1000, atol=1e-6)


def test_a_split_by_person_shares_nobody(folder):
    train, test = folder.load().split(9)
    assert {clip.person for clip in test} == {9}
    assert {clip.person for clip in train} == {1}
    with pytest.raises(ValueError, match=r"no person 3: there are \[1, 9\]"):
        folder.load().split(3)


def test_the_labels_may_lie_beside_the_folder(folder):
    (folder.path / "joints" / "actionLabel.txt").rename(folder.path / "actionLabel.txt")
    assert len(folder.load().clips) == 8


def test_frames_with_nan_are_left_out_and_said(folder):
    lines = folder.file(1, 2).read_text().splitlines()
    words = lines[2].split()
    words[30] = "NaN"
    folder.write(1, 2, [*lines[:2], "  ".join(words), *lines[3:]])
    heard = []
    found = utkinect.utkinect_or_none(Scale("lecture", folder.path.parent), heard.append)
    assert heard == ["Left out: joints_s01_e02.txt, walk: 1 of 4 frames have a NaN"]
    (clip,) = (c for c in found.clips if (c.person, c.take, c.label) == (1, 2, 0))
    assert clip.joints[:, 0, 0].tolist() == [0, 1, 3]
    assert all(np.isfinite(c.joints).all() for c in found.clips)


def test_frames_without_a_number_are_left_out_and_said(folder):
    lines = folder.file(1, 2).read_text().splitlines()
    folder.write(1, 2, [lines[0], lines[1].replace("3", "NaN", 1), *lines[2:]])
    found = folder.load()
    assert found.left_out == ("joints_s01_e02.txt: 1 frames have no number",)
    (clip,) = (c for c in found.clips if (c.person, c.take, c.label) == (1, 2, 0))
    assert clip.joints[:, 0, 0].tolist() == [0, 2, 3]


def test_a_clip_without_a_first_or_last_frame_is_left_out_and_said(folder):
    """As the set itself has it once: carry of person 10."""
    folder.label(["s01_e01", "s01_e02", "s09_e01", "s09_e02"], walk="carry:  NaN NaN")
    found = folder.load()
    assert len(found.clips) == 4
    assert found.left_out[0] == "joints_s01_e01.txt, carry: its first or last frame is not a number"


def test_a_clip_without_frames_is_left_out_and_said(folder):
    folder.label(["s01_e01", "s01_e02", "s09_e01", "s09_e02"], walk="walk: 100 200")
    assert folder.load().left_out[0] == "joints_s01_e01.txt, walk: no frames from 100 to 200"


@pytest.mark.parametrize(("columns", "said"), [(60, "60 columns"), (1, "1 columns"), (62, "62 columns")])
def test_a_line_with_too_few_or_too_many_columns_is_named(folder, columns, said):
    lines = folder.file(9, 1).read_text().splitlines()
    folder.write(9, 1, [*lines[:4], " ".join([*lines[4].split(), "0"][:columns]), *lines[5:]])
    assert f"joints_s09_e01.txt, line 5: {said}; expected the frame and 60 coordinates" in folder.failure()


def test_a_word_that_is_no_number_is_named(folder):
    lines = folder.file(9, 1).read_text().splitlines()
    folder.write(9, 1, [lines[0].replace("0.000000", "zero"), *lines[1:]])
    assert "joints_s09_e01.txt, line 1: " in folder.failure()


@pytest.mark.parametrize("line", ["walk 1 2", "walk: 1", "jump: 1 2", "walk: one two"])
def test_a_broken_label_is_named(folder, line):
    path = folder.path / "joints" / "actionLabel.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], line, *lines[4:]]))
    assert f"actionLabel.txt, line 5: {line!r} is neither" in folder.failure()


def test_labels_before_the_first_recording_are_named(folder):
    (folder.path / "joints" / "actionLabel.txt").write_text("walk: 1 2\n")
    assert "actionLabel.txt, line 1" in folder.failure()


def test_a_recording_without_labels_and_an_empty_one_are_named(folder):
    folder.label(["s01_e01", "s01_e02", "s09_e01"])
    assert "joints_s09_e02.txt is a recording that" in folder.failure()
    folder.label(["s01_e01", "s01_e02", "s09_e01", "s09_e02"])
    folder.write(1, 1, [])
    assert "joints_s01_e01.txt has no frames in it" in folder.failure()


def test_missing_files_are_one_line_and_a_lesson_goes_on(folder, tmp_path):
    heard = []
    assert utkinect.utkinect_or_none(Scale("lecture", tmp_path / "none"), heard.append) is None
    (folder.path / "joints" / "actionLabel.txt").unlink()
    assert utkinect.utkinect_or_none(Scale("lecture", tmp_path), heard.append) is None
    missing, unlabelled = heard
    for words in ("Left out: no UTKinect", "joints.zip", "--data DIR"):
        assert words in missing
    assert "no actionLabel.txt in" in unlabelled

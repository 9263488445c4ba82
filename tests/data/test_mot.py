"""Pedestrians: boxes are read as MOTChallenge means them, frames come from stills or a video, each fault is one line.

A tiny sequence of six frames, 40 × 30 pixels, of which frame k has a green of 30 k, and more red. apt-get is played by
a shell script.
"""

import builtins
import hashlib
import os
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from common.data import Scale, footage, mirrors, mot
from common.errors import Problem

SIZE, FRAMES = (40, 30), 6
LINES = [f"{frame},{person},{5 * person},8,6.5,12,1,-4.1,-7.3,0" for frame in range(1, FRAMES + 1) for person in (1, 2)]


class Film:
    """A data folder with the tiny sequence in it."""

    def __init__(self, folder, place="PETS09-S2L1"):
        self.cache = folder
        self.folder = folder / place
        (self.folder / "gt").mkdir(parents=True)
        self.write(LINES)

    def write(self, lines):
        (self.folder / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")

    def stills(self, size=SIZE):
        (self.folder / "img1").mkdir()
        for frame in range(1, FRAMES + 1):
            Image.new("RGB", size, (30 * frame + 40, 30 * frame, 30 * frame - 30)).save(
                self.folder / "img1" / f"{frame:06d}.jpg"
            )

    def video(self, frames=FRAMES, size=SIZE, path=None):
        import cv2

        path = path or self.folder / "yard.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 7, size)
        for frame in range(1, frames + 1):
            bgr = np.array([30 * frame - 30, 30 * frame, 30 * frame + 40])
            writer.write(np.broadcast_to(bgr, (size[1], size[0], 3)).astype(np.uint8))
        writer.release()
        return path

    def load(self, preset="lecture", **settings):
        settings = {"train": (1, 4), "test": (5, 6), "size": SIZE} | settings
        return mot.pedestrians(Scale(preset, self.cache), **settings)

    def failure(self, preset="lecture", **settings):
        with pytest.raises(Problem) as caught:
            self.load(preset, **settings)
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def film(tmp_path, monkeypatch):
    monkeypatch.setattr(footage, "INSTALLED", str(tmp_path / "not" / "installed.avi"))
    return Film(tmp_path)


def numbers(part):
    """Which frame each image is, by its colour."""
    red, green, _ = part.images.mean(axis=(1, 2)).T
    assert_allclose(red - green, 40, atol=8)
    return np.round(green / 30).astype(int).tolist()


@pytest.mark.parametrize("kind", ["stills", "video"])
def test_frames_and_boxes_belong_together(film, kind):
    getattr(film, kind)()
    yard = film.load("smoke")
    assert yard.train.images.shape == (2, 30, 40, 3)
    assert yard.train.images.dtype == np.uint8
    assert (yard.train.ids.tolist(), yard.test.ids.tolist()) == ([1, 3], [5, 6])
    assert (numbers(yard.train), numbers(yard.test)) == ([1, 3], [5, 6])
    assert yard.classes == yard.train.classes == ("pedestrian",)
    assert "CC BY-NC-SA" in yard.source
    assert film.load(every=1).train.ids.tolist() == [1, 2, 3, 4]


def test_clips_of_other_lessons_in_the_same_folder_are_not_the_sequence(film):
    from common.data.clips import FRAMES as CLIPS

    assert CLIPS.keys() <= footage.OTHERS
    for name in CLIPS:
        film.video(1, (32, 24), film.folder / f"clip-{name}").rename(film.folder / name)
    film.video(path=film.folder / "yard.avi")
    assert numbers(film.load("smoke").train) == [1, 3]


def test_frames_of_one_second_are_a_group(film, monkeypatch):
    film.stills()
    assert mot.RATE == 7  # PETS 2009's
    monkeypatch.setattr(mot, "RATE", 2)
    assert film.load(every=1).train.groups.tolist() == [0, 1, 1, 2]
    assert film.load(train=(1, 2), test=(3, 3)).later().groups.tolist() == [2, 2, 3]


def test_pixels_are_counted_from_one_in_the_file_and_from_zero_here(film):
    film.stills()
    target = film.load().train.targets[0]
    assert_allclose(target["boxes"], [[4, 7, 10.5, 19], [9, 7, 15.5, 19]])
    assert target["labels"].tolist() == [1, 1]
    assert target["difficult"].tolist() == [False, False]


def test_what_comes_after_the_test_part(film):
    film.stills()
    yard = film.load(train=(1, 2), test=(3, 3))
    assert (yard.later().ids.tolist(), numbers(yard.later())) == ([4, 5, 6], [4, 5, 6])
    assert yard.later(every=2).ids.tolist() == [4, 6]
    assert film.load().later() is None


def test_rows_that_do_not_count_are_difficult_and_a_file_without_that_column_is_read(film):
    film.stills()
    film.write([*LINES, "1,3,20,8,5,5,0", "5,1,20,8,5,5"])
    yard = film.load()
    assert yard.train.targets[0]["difficult"].tolist() == [False, False, True]
    assert yard.test.targets[0]["difficult"].tolist() == [False, False, False]


def test_boxes_end_at_the_border_and_those_outside_are_left_out(film):
    film.stills()
    film.write([*LINES, "1,3,-4,-9,20,20,1", "1,4,35,25,20,20,1", "1,5,-30,5,20,20,1", "1,6,41,5,9,9,1"])
    target = film.load().train.targets[0]
    assert_allclose(target["boxes"][2:], [[0, 0, 15, 10], [34, 24, 40, 30]])
    assert len(target["labels"]) == len(target["difficult"]) == 4


def test_a_frame_without_people_is_a_frame(film):
    film.stills()
    film.write(line for line in LINES if not line.startswith("3,"))
    yard = film.load()
    assert yard.train.targets[1]["boxes"].shape == (0, 4)
    assert yard.train.ids.tolist() == [1, 3]


@pytest.mark.parametrize("place", ["", "PETS09-S2L1", "MOT15/train/PETS09-S2L1", "train/PETS09-S2L1"])
def test_the_sequence_is_found_where_it_may_lie(tmp_path, place):
    film = Film(tmp_path, place)
    film.stills()
    assert len(film.load("smoke").train) == 2


def test_boxes_may_lie_beside_the_video_under_another_name(film):
    (film.folder / "gt" / "gt.txt").rename(film.folder / "pets09-s2l1-gt.txt")
    film.video()
    assert numbers(film.load().test) == [5, 6]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,2,three,4,5,6,1", "is not frame,id,left,top,width,height"),
        ("1,2,3,4,5", "is not frame,id,left,top,width,height"),
        ("1 2 3 4 5 6", "is not frame,id,left,top,width,height"),
        ("1,2,3,4,0,6,1", "a box of 0 × 6 pixels has no width or no height"),
        ("1,2,3,4,5,-6,1", "a box of 5 × -6 pixels has no width or no height"),
        ("1,2,nan,4,5,6,1", "a number is not finite"),
        ("1,2,3,inf,5,6,1", "a number is not finite"),
        ("nan,2,3,4,5,6,1", "a number is not finite"),
        ("1,2,3,4,5,6,nan", "a number is not finite"),
        ("0,2,3,4,5,6,1", "frame 0; frames are whole numbers from 1"),
        ("1.5,2,3,4,5,6,1", "frame 1.5; frames are whole numbers from 1"),
    ],
)
def test_a_broken_line_is_named(film, line, said):
    film.stills()
    film.write([*LINES[:3], line, *LINES[3:]])
    heard = film.failure()
    assert "gt.txt, line 4: " in heard
    assert said in heard


@pytest.mark.parametrize(
    ("content", "said"), [(b"\n", "has no boxes in it"), (b"\xff\xfe1", "cannot be read as boxes")]
)
def test_a_file_without_boxes_is_named(film, content, said):
    (film.folder / "gt" / "gt.txt").write_bytes(content)
    film.stills()
    assert said in film.failure()


def test_boxes_must_reach_the_last_frame(film):
    film.stills()
    assert "has boxes up to frame 6, but frames up to 9 are asked for" in film.failure(test=(5, 9))


def test_a_video_that_ends_too_soon_is_named(film):
    film.video(frames=5)
    assert "yard.avi ends after frame 5, but frame 6 is asked for" in film.failure()


@pytest.mark.parametrize("content", [b"", b"no video at all" * 99])
def test_what_is_no_video_is_named(film, content):
    (film.folder / "yard.avi").write_bytes(content)
    assert "yard.avi cannot be read as a video" in film.failure()


def test_a_missing_and_a_broken_still_are_named(film):
    film.stills()
    still = film.folder / "img1" / "000005.jpg"
    still.write_bytes(still.read_bytes()[:200])
    assert "000005.jpg cannot be read as a picture" in film.failure()
    still.unlink()
    assert "000005.jpg is missing: the boxes speak of frame 5" in film.failure()


@pytest.mark.parametrize("kind", ["stills", "video"])
def test_frames_of_another_size_are_refused(film, kind):
    getattr(film, kind)(size=(48, 30))
    assert "frame 1: 48 × 30 pixels; 40 × 30 wanted" in film.failure()


def test_without_opencv_the_extra_to_install_is_named(film, monkeypatch):
    film.video()
    whole = builtins.__import__

    def without(name, *rest):
        if name == "cv2":
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'vision-by-reading-code[video]'" in film.failure()
    assert 'video = ["opencv-python-headless' in (mot.Path(mot.__file__).parents[2] / "pyproject.toml").read_text()


def test_a_lesson_can_do_without(film):
    film.stills()
    heard = []
    settings = {"train": (1, 4), "test": (5, 6), "size": SIZE}
    assert len(mot.pedestrians_or_none(Scale("smoke", film.cache), heard.append, **settings).train) == 2
    assert heard == []
    assert mot.pedestrians_or_none(Scale("lecture", film.cache / "nothing"), heard.append) is None
    (said,) = heard
    assert said.startswith("Left out: no boxes of pedestrians")
    assert "--data DIR" in said
    assert "\n" not in said


# The video, where only the boxes are there


@pytest.fixture
def served(film, monkeypatch, tmp_path):
    """The film, an apt-get that serves a package with its video, and a list of what was asked."""
    if sys.platform == "win32":
        pytest.skip("apt-get is played by a shell script")
    programs, video = tmp_path / "bin", film.video(path=tmp_path / "made.avi")
    programs.mkdir()
    film.content, film.asked, film.package = video.read_bytes(), tmp_path / "asked", tmp_path / "package.deb"
    film.package.touch()
    script = f"#!/bin/sh\necho \"$*\" >> '{film.asked}'\ncp '{film.package}' opencv-doc_4.6_all.deb\n"
    (programs / "apt-get").write_text(script)
    (programs / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setattr(footage, "VIDEO_SHA256", hashlib.sha256(film.content).hexdigest())
    monkeypatch.setattr(footage, "read_members", lambda archive, names: {names[0]: film.content})
    video.unlink()
    return film


def test_the_video_is_fetched_once_and_kept(served):
    for preset in ("lecture", "smoke"):
        assert numbers(served.load(preset).test) == [5, 6]
    assert (served.cache / "vtest.avi").read_bytes() == served.content
    (asked,) = served.asked.read_text().splitlines()
    assert asked.startswith("download opencv-doc")
    assert not list(served.cache.glob(".vtest*"))


def test_at_smoke_nothing_is_fetched(served):
    assert "neither img1/*.jpg nor a video in" in served.failure("smoke")
    assert not served.asked.exists()


def test_an_installed_copy_is_taken_first(served, monkeypatch, tmp_path):
    (tmp_path / "installed.avi").write_bytes(served.content)
    monkeypatch.setattr(footage, "INSTALLED", str(tmp_path / "installed.avi"))
    assert numbers(served.load().test) == [5, 6]
    assert not served.asked.exists()


def test_a_damaged_copy_is_fetched_anew_and_named_where_that_fails(served):
    kept = served.cache / "vtest.avi"
    kept.write_bytes(served.content[:-1])
    assert f"{kept}: damaged" in served.failure("smoke")
    served.load()
    assert kept.read_bytes() == served.content
    kept.write_bytes(b"")
    served.content = b"another video"
    said = served.failure()
    assert f"{kept}: damaged" in said
    assert "apt-get download opencv-doc: the SHA-256 of vtest.avi differs" in said
    assert f"lay OpenCV's vtest.avi into {served.cache}" in said


def test_the_real_package_is_asked_for_by_name(tmp_path):
    assert footage.PACKAGE.command()[:3] == ["apt-get", "download", "opencv-doc"]
    archive = tmp_path / "opencv-doc_4.6.0+dfsg-12_all.deb"
    archive.touch()
    assert mirrors.find(footage.PACKAGE, tmp_path) == archive

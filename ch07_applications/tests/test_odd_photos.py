"""Odd pictures as --photo, for every lesson that shows its result for one: a figure, or one line with the reason."""

from __future__ import annotations

import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ch07_applications.classification.drawn_alexnet import draw_answers
from ch07_applications.classification.own_photo import square
from ch07_applications.colour.photographs import recolour_own, tiled
from ch07_applications.images_and_text import photograph_captions
from ch07_applications.reconstruction.inpainting_rivals import mean_fill
from ch07_applications.reconstruction.own_inpainting import fill_own
from ch07_applications.style.gatys import TILE, Recipe
from ch07_applications.style.own_photo import restyle_own
from ch07_applications.super_resolution.bicubic import enlarge
from ch07_applications.super_resolution.own_enlargement import enlarge_own
from ch07_applications.tests.images_and_text.test_photographs import Colours
from ch07_applications.tests.style.small_networks import small_vgg
from ch07_applications.video import photograph_pose
from common.console import Console
from common.data import Scale
from common.errors import Problem
from common.photo import read_photo
from common.record import LessonRecord
from common.run import Run

COLOURS = np.random.default_rng(0).integers(0, 256, (72, 96, 3)).astype(np.uint8)


def save_transparent(path):
    Image.fromarray(np.dstack([COLOURS, COLOURS[..., 0]])).save(path)


PICTURES = {
    "one colour.png": lambda path: Image.new("RGB", (96, 72), (90, 120, 30)).save(path),
    "5 × 3.png": lambda path: Image.fromarray(COLOURS[:3, :5]).save(path),
    "1 × 1.png": lambda path: Image.fromarray(COLOURS[:1, :1]).save(path),
    "panorama.png": lambda path: Image.fromarray(COLOURS).resize((3000, 100)).save(path),
    "tower.png": lambda path: Image.fromarray(COLOURS).resize((72, 2000)).save(path),
    "transparent.png": save_transparent,
    "cmyk.jpg": lambda path: Image.fromarray(COLOURS).convert("CMYK").save(path),
    "16 bits.png": lambda path: Image.fromarray(257 * COLOURS[..., 0].astype(np.uint16)).save(path),
    "palette.gif": lambda path: Image.fromarray(COLOURS).quantize(16).save(path),
    "a text.jpg": lambda path: path.write_text("Dear all,\n"),
    "missing.png": lambda path: None,
}
MAY_BE_REFUSED = {"5 × 3.png", "1 × 1.png", "a text.jpg", "missing.png"}


def classify(run, monkeypatch):
    """Classify the photograph like the end of `alexnet`."""
    run.figure("photo", draw_answers, square(run.photo)[None], np.full((1, 3), 1 / 3), ("a", "b", "c"), caption="")


def caption(run, monkeypatch):
    monkeypatch.setattr(photograph_captions, "mobilenet_v2_or_none", lambda scale, say: Colours())
    photograph_captions.caption_photo(run, SimpleNamespace(predict=lambda features: [("a", "dog")]))


def colour(run, monkeypatch):
    recolour_own(run, {"warm": tiled(lambda lightness: np.stack([0.1 * lightness, 0.3 * lightness], axis=-1))})


def inpaint(run, monkeypatch):
    fill_own(run, mean_fill, "the mean", limit=0.02)


def restyle(run, monkeypatch):
    restyle_own(run, partial(Recipe(evaluations=2, sizes=(0.5, 1.0), tile=TILE).restyle, small_vgg()))


def upscale(run, monkeypatch):
    enlarge_own(run, lambda luma: enlarge(luma, 4), "bicubic", limit=0.02)


def find_pose(run, monkeypatch):
    monkeypatch.setattr(photograph_pose, "blazepose_or_none", lambda scale, say: None)
    hourglass = SimpleNamespace(predict=lambda people, views: np.full((1, 14, 2), 16.0, np.float32))
    nobody, _ = photograph_pose.squares_of(COLOURS)
    photograph_pose.show_reference(run, hourglass, nobody, photograph_pose.squares_of(run.photo))


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("show", [classify, caption, colour, inpaint, restyle, upscale, find_pose])
def test_an_odd_picture_is_shown_or_refused_in_one_line(tmp_path, monkeypatch, show, picture):
    path = tmp_path / picture
    PICTURES[picture](path)
    run = Run("task/lesson", 0, Scale("smoke", tmp_path), LessonRecord("", ""), tmp_path, Console(quiet=True))
    refused = None
    try:
        run.photo = read_photo(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            show(run, monkeypatch)
    except Problem as problem:
        refused = str(problem)
    if refused:
        assert "\n" not in refused
        assert "--photo" in refused
        assert picture in MAY_BE_REFUSED
    else:
        assert max(Image.open(tmp_path / "task_lesson_photo.png").size) <= 1000  # 40 dots an inch at smoke

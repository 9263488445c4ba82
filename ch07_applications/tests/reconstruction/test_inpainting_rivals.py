"""The rivals: they keep known pixels, never use hidden ones, and choose their settings on held-out crops."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ch07_applications.reconstruction import inpainting_rivals
from ch07_applications.reconstruction.exemplar import fill_by_exemplars
from ch07_applications.reconstruction.hidden_crops import hide
from ch07_applications.reconstruction.holes import BANDS, draw_hole
from ch07_applications.reconstruction.inpainting_rivals import (
    BIHARMONIC,
    HARMONIC,
    MEAN,
    NAVIER_STOKES,
    RADII,
    TELEA,
    biharmonic,
    by_opencv,
    choose_setting,
    exemplars_of,
    fill_all_by_exemplars,
    fill_by_rivals,
    harmonic,
    mean_fill,
)
from ch07_applications.tests.reconstruction.small_runs import a_run

FILLS = {
    HARMONIC: harmonic,
    BIHARMONIC: biharmonic,
    MEAN: mean_fill,
    TELEA: lambda picture, hole: by_opencv(picture, hole, TELEA, 3),
    NAVIER_STOKES: lambda picture, hole: by_opencv(picture, hole, NAVIER_STOKES, 3),
    "exemplars": lambda picture, hole: exemplars_of([picture], [hole], 5)[0],
}
EACH = pytest.mark.parametrize("name", FILLS)


def a_picture(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (32, 36, 3)).astype(np.uint8), draw_hole((32, 36), BANDS[2], rng)


@EACH
def test_known_pixels_stay_and_hidden_ones_are_never_seen(name):
    if name in (TELEA, NAVIER_STOKES):
        pytest.importorskip("cv2")
    picture, hole = a_picture()
    filled = FILLS[name](picture, hole)
    assert filled.dtype == np.uint8
    assert (filled[~hole] == picture[~hole]).all()
    assert (FILLS[name](np.where(hole[..., None], 255 - picture, picture), hole) == filled).all()


@EACH
def test_a_flat_picture_is_restored(name):
    if name in (TELEA, NAVIER_STOKES):
        pytest.importorskip("cv2")
    _, hole = a_picture()
    flat = np.full((32, 36, 3), (10, 120, 240), np.uint8)
    assert_allclose(FILLS[name](flat, hole).astype(int), flat, atol=4 if name == TELEA else 1)


def test_the_biharmonic_fill_continues_slopes():
    y, x = np.indices((24, 24))
    ramp = np.repeat((4 * x + 3 * y)[..., None], 3, axis=2).astype(np.uint8)
    hole = np.zeros((24, 24), bool)
    hole[8:16, 9:17] = True
    assert_allclose(biharmonic(ramp, hole).astype(int), ramp, atol=1)


@EACH
def test_what_cannot_be_filled_is_refused(name):
    if name in (TELEA, NAVIER_STOKES):
        pytest.importorskip("cv2")
    picture, hole = a_picture()
    with pytest.raises(ValueError, match="every pixel"):
        FILLS[name](picture, np.ones_like(hole))


def test_the_setting_with_the_highest_psnr_is_chosen():
    part = hide([np.full((64, 64, 3), 100, np.uint8)], np.arange(1), ("",), 0, "")

    def fill(part, setting):
        return np.where(part.holes[..., None], 100 + 3 * abs(setting - 2), part.inputs).astype(np.uint8)

    assert choose_setting(fill, (1, 2, 3, 5), part) == 2


def test_exemplars_of_many_crops_are_those_of_each():
    crops = [a_picture(k)[0][:32, :32].repeat(2, 0).repeat(2, 1) for k in range(3)]
    part = hide(crops, np.arange(3), ("",) * 3, 0, "").take(np.arange(4))
    found = fill_all_by_exemplars(part, 5)
    for crop, hole, own in zip(part.inputs, part.holes, found, strict=True):
        assert (fill_by_exemplars(crop, hole, 5) == own).all()


def test_without_opencv_a_note_says_what_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    part, run = hide([a_picture()[0][:32, :32].repeat(2, 0).repeat(2, 1)], np.arange(1), ("",), 0, ""), a_run(tmp_path)
    assert list(fill_by_rivals(run, [part], part)) == [HARMONIC, BIHARMONIC, MEAN]
    assert run.record.notes == [
        "Left out: Telea's and Navier–Stokes' methods, without OpenCV (pip install opencv-python-headless)."
    ]


def test_settings_are_chosen_on_held_out_crops_alone(tmp_path, monkeypatch):
    pytest.importorskip("cv2")
    judged, held_out = (
        hide([a_picture(k)[0][:32, :32].repeat(2, 0).repeat(2, 1)], np.arange(1), ("",), k, "") for k in (0, 1)
    )
    seen, real = [], inpainting_rivals.choose_setting
    monkeypatch.setattr(inpainting_rivals, "choose_setting", lambda *args: seen.append(args[1:]) or real(*args))
    fill_by_rivals(a_run(tmp_path), [judged], held_out)
    assert [(options, part is held_out) for options, part in seen] == [(RADII, True)] * 2

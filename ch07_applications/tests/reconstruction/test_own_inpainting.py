"""The reader's picture and mask, and errors for invalid ones."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ch07_applications.reconstruction.inpainting_rivals import harmonic
from ch07_applications.reconstruction.own_inpainting import fill_own, given_hole, within
from ch07_applications.tests.reconstruction.small_runs import a_run
from common.errors import Problem


def photo(height=48, width=60):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_the_filled_picture_is_kept_and_known_pixels_are_as_they_were(tmp_path):
    run, mask = a_run(tmp_path, photo=photo()), np.zeros((48, 60), bool)
    mask[10:20, 15:40] = True
    run.mask = mask
    fill_own(run, harmonic, "a method")
    kept = np.asarray(Image.open(tmp_path / "reconstruction_partial_convolutions_filled.png"))
    assert (kept[~mask] == run.photo[~mask]).all()
    assert (kept == harmonic(run.photo, mask)).all()
    assert run.record.notes[0].startswith("Your photograph, 60 × 48 pixels, 8.7 % of them hidden")
    assert [each.name for each in run.record.pictures] == ["photo"]


def test_without_a_mask_strokes_of_the_seed_are_drawn():
    hole = given_hole(photo(), None, 3)
    assert (hole == given_hole(photo(), None, 3)).all()
    assert not (hole == given_hole(photo(), None, 4)).all()
    assert 0.1 <= hole.mean() <= 0.2


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((60, 48), bool), "--mask has 48×60 pixels, but --photo 60×48"),
        (np.zeros((48, 60), bool), "hides no pixel"),
        (np.ones((48, 60), bool), "hides every pixel"),
    ],
)
def test_a_mask_that_does_not_fit_is_a_problem(mask, words):
    with pytest.raises(Problem, match=words):
        given_hole(photo(), mask, 0)


def test_a_small_picture_is_a_problem(tmp_path):
    with pytest.raises(Problem, match="20×48 pixels, inpainting needs at least 32×32"):
        fill_own(a_run(tmp_path, photo=photo(48, 20)), harmonic, "a method")


def test_a_large_picture_is_reduced_and_no_hidden_pixel_becomes_known():
    picture, hole = photo(100, 120), np.zeros((100, 120), bool)
    hole[37, 50] = hole[80:90, 10:30] = True
    small, own = within(picture, hole, 0.003)
    assert small.shape == (50, 60, 3)
    assert own[18, 25]
    assert own[40:45, 5:15].all()
    assert own.sum() == 51
    assert within(picture, hole, 1.0)[0] is picture


def test_a_hole_that_covers_all_once_it_is_reduced_is_a_problem():
    with pytest.raises(Problem, match="once both are reduced"):
        within(photo(64, 64), np.indices((64, 64)).sum(axis=0) % 2 == 0, 0.001)

"""Holes: the share that they hide, how they are drawn, and what cannot be filled."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from ch07_applications.reconstruction.holes import BANDS, check_hole, draw_hole, draw_holes, name_band


@pytest.mark.parametrize("band", BANDS)
def test_a_hole_hides_a_share_within_its_band(band):
    for seed in range(20):
        assert band[0] <= draw_hole((48, 64), band, np.random.default_rng(seed)).mean() <= band[1]


def test_holes_are_of_the_bands_in_turn_and_of_the_seed():
    holes = draw_holes(12, (32, 32), np.random.default_rng(3))
    for hole, (low, high) in zip(holes, (*BANDS, *BANDS), strict=True):
        assert low <= hole.mean() <= high
    assert (holes == draw_holes(12, (32, 32), np.random.default_rng(3))).all()
    assert not (holes == draw_holes(12, (32, 32), np.random.default_rng(4))).all()


def test_shares_spread_over_the_whole_band():
    shares = [draw_hole((64, 64), BANDS[3], np.random.default_rng(seed)).mean() for seed in range(60)]
    assert min(shares) < 0.32
    assert max(shares) > 0.38


def test_holes_are_thick_and_irregular():
    """Not a noise of single pixels: few pieces, and pixels deep within."""
    hole = draw_hole((64, 64), BANDS[4], np.random.default_rng(0))
    assert label(hole)[1] < 12
    inner = hole[1:-1, 1:-1] & hole[:-2, 1:-1] & hole[2:, 1:-1] & hole[1:-1, :-2] & hole[1:-1, 2:]
    assert inner.sum() > 0.6 * hole.sum()


@pytest.mark.parametrize("band", [(0.0, 0.1), (0.3, 0.2), (0.5, 1.0), (0.01, 0.02)])
def test_a_share_that_cannot_be_hidden_is_refused(band):
    with pytest.raises(ValueError, match="cannot be hidden"):
        draw_hole((6, 8), band, np.random.default_rng(0))


def test_bands_are_named_in_per_cent():
    assert [name_band(band) for band in BANDS[:2]] == ["1–10 %", "10–20 %"]


@pytest.mark.parametrize(
    ("picture", "hole", "words"),
    [
        (np.zeros((4, 5)), np.eye(4, 5) > 0, "is \\(height, width, 3\\), not \\(4, 5\\)"),
        (np.zeros((4, 5, 4)), np.eye(4, 5) > 0, "height, width, 3"),
        (np.full((4, 5, 3), np.nan), np.eye(4, 5) > 0, "no finite numbers"),
        (np.zeros((4, 5, 3)), np.eye(5, 4) > 0, "a hole of \\(4, 5\\) pixels is bool"),
        (np.zeros((4, 5, 3)), np.eye(4, 5), "is bool, not float64"),
        (np.zeros((4, 5, 3)), np.ones((4, 5), bool), "hides every pixel"),
        (np.zeros((4, 5, 3)), np.zeros((4, 5), bool), "hides no pixel"),
    ],
)
def test_what_cannot_be_filled_is_refused(picture, hole, words):
    with pytest.raises(ValueError, match=words):
        check_hole(picture, hole)

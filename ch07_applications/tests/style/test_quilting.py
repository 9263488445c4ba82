"""Quilting: seams of least sum, every pixel from the texture, fronts that equal one block after the other."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from ch07_applications.style import quilting
from ch07_applications.style.quilting import Pass, cheapest_path, luminance, matched, new_side, quilt, squared_distances


def texture(size=(40, 44), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


# --- Seams ------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 5), columns=st.integers(1, 4))
def test_the_path_is_the_best_of_all_paths(seed, rows, columns):
    errors = np.random.default_rng(seed).random((rows, columns))
    paths = [p for p in product(range(columns), repeat=rows) if all(abs(a - b) <= 1 for a, b in pairwise(p))]
    sums = [sum(errors[row, column] for row, column in enumerate(path)) for path in paths]
    found = cheapest_path(errors)
    assert np.abs(np.diff(found)).max(initial=0) <= 1
    assert errors[np.arange(rows), found].sum() == pytest.approx(min(sums))


def test_the_new_block_begins_at_the_path():
    errors = np.ones((4, 5))
    errors[:, 2] = 0
    assert_array_equal(new_side(errors), np.tile([False, False, True, True, True], (4, 1)))


def test_a_seam_runs_where_both_pictures_agree():
    """Two flat pictures that agree on a column: for any seam shape, no step is visible."""
    old, new = np.zeros((6, 6)), np.ones((6, 6))
    old[:, 3] = new[:, 3] = 0.5
    shown = np.where(new_side((old - new) ** 2), new, old)
    assert_array_equal(shown[:, 2:5], np.tile([0, 0.5, 1], (6, 1)))


# --- Blocks -----------------------------------------------------------------------------------------------------------


def test_distances_are_those_of_all_pairs():
    a, b = (np.random.default_rng(k).random((n, 7)).astype(np.float32) for k, n in enumerate((3, 5)))
    assert np.allclose(squared_distances(a, b), ((a[:, None] - b) ** 2).sum(axis=2), atol=1e-5)


def test_matched_values_have_the_other_distribution_in_their_own_order():
    values = np.random.default_rng(0).random((9, 11)).astype(np.float32)
    other = np.random.default_rng(1).normal(size=99).astype(np.float32)
    found = matched(values, other)
    assert np.allclose(np.sort(found.ravel()), np.sort(other), atol=1e-6)
    assert_array_equal(found.ravel().argsort(), values.ravel().argsort())


@pytest.mark.parametrize("size", [(50, 61), (18, 18), (7, 9), (64, 30)])
def test_every_pixel_is_one_of_the_texture_s_whatever_the_size(size):
    given = texture()
    photograph = texture(size, seed=1)
    found = quilt(photograph, given, sides=(12, 9))
    assert found.shape == photograph.shape
    colours = {tuple(colour) for colour in given.reshape(-1, 3)}
    assert {tuple(colour) for colour in found.reshape(-1, 3)} <= colours


def naive(one: Pass) -> np.ndarray:
    """The same pass, block after block, row by row, each compared with the candidates one by one."""
    canvas, side, overlap = one.empty.copy(), one.side, one.overlap
    for row in range(one.rows):
        for column in range(one.columns):
            place = np.s_[one.step * row : one.step * row + side, one.step * column : one.step * column + side]
            old, shared = canvas[place].copy(), np.zeros((side, side), bool)
            shared[: overlap * (row > 0)] = True
            shared[:, : overlap * (column > 0)] = True
            errors = [
                one.fixed[row * one.columns + column, k] + one.alpha * ((each - old)[shared] ** 2).sum() / 3
                for k, each in enumerate(one.candidates)
            ]
            block, seen = one.candidates[int(np.argmin(errors))], np.ones((side, side), bool)
            differences = ((block - old) ** 2).sum(axis=2)
            if column:
                seen[:, :overlap] &= new_side(differences[:, :overlap])
            if row:
                seen[:overlap] &= new_side(differences[:overlap].T).T
            canvas[place][seen] = block[seen]
    return canvas[: one.size[0], : one.size[1]]


@pytest.mark.parametrize("before", [False, True])
def test_fronts_lay_what_one_block_after_the_other_lays(before, monkeypatch):
    monkeypatch.setattr(quilting, "TOLERANCE", 0.0)
    given, photograph = texture((24, 26)), texture((37, 41), seed=1)
    tones, wanted = luminance(given, 1.5), luminance(photograph, 1.5)
    laid = photograph.astype(np.float32) if before else None
    one = Pass(given, tones, wanted, laid, 9, 0.5, np.random.default_rng(0))
    assert_array_equal(one(), naive(one))


def test_the_photograph_decides_where_dark_and_light_blocks_lie():
    ramp = np.linspace(0, 255, 60).astype(np.uint8)
    given = np.tile(ramp[None, :, None], (60, 1, 3)) // np.array([1, 2, 3], np.uint8)
    photograph = np.tile(ramp[:, None, None], (1, 48, 3))  # it grows downwards, not to the right
    found = luminance(quilt(photograph, given.astype(np.uint8)), 0)
    assert np.corrcoef(found.ravel(), luminance(photograph, 0).ravel())[0, 1] > 0.9


def test_one_seed_gives_one_picture_and_another_another():
    photograph, given = texture((40, 40), seed=1), texture((60, 60))
    assert_array_equal(quilt(photograph, given, 1), quilt(photograph, given, 1))
    assert (quilt(photograph, given, 1) != quilt(photograph, given, 2)).any()


def test_pictures_of_one_colour_and_textures_that_are_too_small():
    flat = np.full((30, 30, 3), 50, np.uint8)
    assert (quilt(flat, np.full((20, 20, 3), 9, np.uint8)) == 9).all()
    assert quilt(flat, texture()).shape == flat.shape
    with pytest.raises(ValueError, match="17 × 40 pixels has no block of 18 × 18"):
        quilt(flat, texture((17, 40)))

"""Tiles: the whole's result where the overlap covers the receptive field, and seams where it does not."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.ndimage import correlate
from torch import nn

from common.tiles import in_tiles

KERNEL = np.random.default_rng(0).integers(-3, 4, (5, 5))


def filtered(picture):
    """A convolution that reaches two pixels, of whole numbers, so that no rounding depends on the size."""
    return correlate(picture.astype(np.int64), KERNEL, mode="constant")


def enlarged(picture):
    return filtered(picture).repeat(2, axis=0).repeat(2, axis=1)


def numbers(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 17), st.integers(2, 6))
def test_tiles_give_exactly_the_whole_whatever_the_sizes(height, width, tile, overlap):
    picture = numbers(height, width)
    assert_array_equal(in_tiles(filtered, picture, tile=tile, overlap=overlap), filtered(picture))
    assert_array_equal(in_tiles(enlarged, picture, tile=tile, overlap=overlap, factor=2), enlarged(picture))


def test_an_overlap_that_is_too_small_leaves_seams_and_only_there():
    picture = numbers(30, 30)
    wrong = in_tiles(filtered, picture, tile=10, overlap=1) != filtered(picture)
    assert wrong.any()
    near = np.abs(np.arange(30)[:, None] - np.array([9.5, 19.5])).min(axis=1) < 1
    assert not wrong[~near][:, ~near].any()


def test_no_tile_is_larger_than_asked_for():
    seen = []
    in_tiles(lambda piece: seen.append(piece.shape) or piece, numbers(50, 70), tile=16, overlap=3)
    assert max(max(shape) for shape in seen) == 22
    assert len(seen) == 4 * 5


def test_colours_and_kinds_of_numbers_stay():
    picture = numbers(20, 24).astype(np.uint8)[..., None].repeat(3, axis=2)
    found = in_tiles(lambda piece: 255 - piece, picture, tile=7, overlap=2)
    assert found.dtype == np.uint8
    assert_array_equal(found, 255 - picture)
    assert in_tiles(lambda piece: piece[..., 0] / 2, picture, tile=9, overlap=0).shape == (20, 24)


def test_a_network_in_tiles_is_the_network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2))

    def work(piece):
        with torch.inference_mode():
            return network(torch.from_numpy(piece)[None, None])[0, 0].numpy()

    picture = np.random.default_rng(0).normal(size=(37, 45)).astype(np.float32)
    assert np.allclose(in_tiles(work, picture, tile=16, overlap=2, factor=2), work(picture), atol=1e-6)
    assert not np.allclose(in_tiles(work, picture, tile=16, overlap=1, factor=2), work(picture), atol=1e-4)


def test_what_makes_no_sense_is_named():
    for wrong in ({"tile": 0}, {"overlap": -1}, {"factor": 0}):
        with pytest.raises(ValueError, match="they must be at least 1, 0 and 1"):
            in_tiles(filtered, numbers(4, 4), **wrong)
    for shape in ((0, 4), (4,), (4, 4, 3, 1)):
        with pytest.raises(ValueError, match="a picture is"):
            in_tiles(filtered, np.zeros(shape, int))
    with pytest.raises(ValueError, match=r"\(4, 4\) pixels became \(4, 4\), not 2 times as many"):
        in_tiles(filtered, numbers(4, 4), factor=2)

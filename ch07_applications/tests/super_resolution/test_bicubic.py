"""Bicubic reduction and enlargement: Pillow's, MATLAB's and torch's values, exact parabolas, sums, borders, errors."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from ch07_applications.super_resolution.bicubic import (
    cropped,
    enlarge,
    enlarge_maps,
    kernel,
    reduce,
    resize,
    rounded,
    weights,
)
from common.data.photo_pack import photographs
from common.data.scale import LECTURE
from common.data.super_resolution_sets import super_resolution_set_or_none


@pytest.fixture(scope="module")
def picture():
    return cropped(photographs().train[0].image, 4)


def test_the_kernel_is_keys_s_and_interpolates():
    assert kernel(np.array([0.0, 1.0, -1.0, 2.0, 2.5])).tolist() == [1, 0, 0, 0, 0]
    assert kernel(np.array([0.5, -1.5])).tolist() == [0.5625, -0.0625]  # with a = −0.75 it would be −0.09375


@pytest.mark.parametrize(("old", "new"), [(7, 14), (7, 28), (28, 7), (9, 5), (5, 9), (1, 4), (4, 1), (2, 1)])
def test_rows_sum_to_one_and_mirrored_rows_give_mirrored_ones(old, new):
    assert np.allclose(weights(old, new).toarray().sum(axis=1), 1)
    assert np.allclose(weights(old, new).toarray(), weights(old, new).toarray()[::-1, ::-1])


def test_parabolas_are_exact_away_from_the_border():
    x = np.arange(20.0)
    places = (np.arange(40) + 0.5) / 2 - 0.5
    found = weights(20, 40) @ (3 + x - 0.2 * x**2)
    assert np.allclose(found[4:-4], (3 + places - 0.2 * places**2)[4:-4])


@pytest.mark.parametrize("factor", [2, 4])
def test_reduced_as_pillow_reduces(picture, factor):
    size = picture.shape[1] // factor, picture.shape[0] // factor
    theirs = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)).astype(int)
    difference = np.abs(reduce(picture, factor).astype(int) - theirs)[3:-3, 3:-3]  # borders are another rule's
    assert (difference > 1).mean() < 1e-3  # it clips and rounds after the columns, not after the rows
    exact = np.asarray(  # in floats nothing is rounded between the axes
        Image.fromarray(picture[..., 0].astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    )
    ours = resize(picture[..., 0], size[::-1])
    assert np.abs(ours - exact)[3:-3, 3:-3].max() < 1e-3


@pytest.mark.parametrize("factor", [2, 4])
def test_enlarged_as_torch_enlarges_where_its_a_is_the_same(picture, factor):
    small = picture[::3, ::3, 0].astype(float)
    given = torch.from_numpy(small)[None, None]
    same, other = (
        interpolate(given, scale_factor=factor, mode="bicubic", antialias=antialias)[0, 0].numpy()
        for antialias in (True, False)
    )
    inside = np.s_[2 * factor : -2 * factor, 2 * factor : -2 * factor]
    assert np.allclose(enlarge(small, factor)[inside], same[inside], atol=1e-3)
    assert np.abs(enlarge(small, factor)[inside] - other[inside]).max() > 1  # a = −0.75
    assert np.allclose(enlarge_maps(given, factor)[0, 0].numpy(), enlarge(small, factor))


def test_enlarged_within_a_network_in_single_precision_whatever_the_rest():
    maps = torch.rand((2, 1, 9, 12), generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found = enlarge_maps(maps, 4)
    assert found.dtype == torch.float32
    assert np.allclose(found[1, 0].numpy(), enlarge(maps[1, 0].numpy(), 4), atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4])
def test_reduced_as_matlab_reduces(factor):
    """Set5's low resolution is MATLAB's. Without the data folder there is nothing to compare with."""
    kept = super_resolution_set_or_none(LECTURE, pytest.skip)
    for pair in kept.pairs[factor]:
        difference = np.abs(reduce(pair.high, factor).astype(int) - pair.low)
        assert (difference > 1).mean() < 0.02
        assert (difference > 0).mean() < 0.03  # rounded after the columns first, 15 % would differ


def test_a_border_is_mirrored():
    """A ramp's first pixel is enlarged as if the ramp came back from the border: 1 0 0 1 2."""
    line = np.array([0.0, 8, 16, 24, 32, 40])
    found, mirrored = (weights(n, 2 * n) @ each for n, each in ((6, line), (18, np.r_[line[::-1], line, line[::-1]])))
    assert np.allclose(found, mirrored[12:24])


def test_high_frequencies_do_not_fold_back():
    """Stripes of a pixel, reduced by 4, are grey; every fourth pixel alone would be black or white."""
    stripes = np.tile(np.array([0, 255], np.uint8), (32, 16))
    assert np.abs(reduce(stripes, 4)[2:-2, 2:-2].astype(int) - 128).max() <= 1


def test_a_very_long_picture_takes_no_more_memory_than_its_pixels():
    """A matrix with all its zeros would have 400 gigabytes."""
    assert resize(np.full((9, 300_000), 7, np.uint8), (8, 180_000)).shape == (8, 180_000)


@pytest.mark.parametrize("value", [0, 1, 200, 255])
def test_one_colour_stays_it(value):
    flat = np.full((12, 8, 3), value, np.uint8)
    assert (reduce(flat, 4) == value).all()
    assert np.allclose(enlarge(flat, 4), value)


def test_grey_and_colour_are_enlarged_alike():
    colour = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    assert np.allclose(enlarge(colour, 2)[..., 1], enlarge(colour[..., 1], 2))
    assert enlarge(colour, 4).shape == (20, 28, 3)
    assert (reduce(rounded(enlarge(colour, 4)), 4).shape) == colour.shape


@pytest.mark.parametrize("factor", [0, 1, 3, 8, -2])
def test_other_factors_are_named(factor):
    with pytest.raises(ValueError, match="the factor is 2 or 4"):
        enlarge(np.zeros((4, 4), np.uint8), factor)
    with pytest.raises(ValueError, match="the factor is 2 or 4"):
        reduce(np.zeros((24, 24), np.uint8), factor)


def test_sides_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="10 × 8 pixels are no multiples of 4"):
        reduce(np.zeros((10, 8), np.uint8), 4)
    with pytest.raises(ValueError, match="3 × 9 pixels cannot be reduced by 4"):
        cropped(np.zeros((3, 9, 3), np.uint8), 4)
    assert cropped(np.zeros((11, 9, 3), np.uint8), 4).shape == (8, 8, 3)
    with pytest.raises(ValueError, match="a row of 0 pixels"):
        weights(0, 4)

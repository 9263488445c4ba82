"""Augmented images are SciPy's and torch's, within their bounds, and decided by the generator alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import ndimage
from torch.nn import functional

from common import augment
from common.augment import Crops, Cutout, InTurn, Poses, in_other_light, uniform
from common.data import mnist

ALL = [
    Poses(shift=2, angle=15, scale=0.1, shear=10),
    Crops(2),
    Crops(3, mirror=False),
    Cutout(4),
    InTurn((Poses(angle=15), Cutout(4))),
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int = 4, channels: int = 2, height: int = 12, width: int = 12) -> torch.Tensor:
    return torch.randn((n, channels, height, width), generator=seeded(n))


def digits(n: int = 5) -> torch.Tensor:
    return torch.tensor(mnist().train.images[:n, None] / 255, dtype=torch.float32)


def always(monkeypatch, *values: float) -> None:
    """What Poses draws, in its order: angle, shear (shares of their limits), sizes, right, down."""
    shares = iter(values)
    monkeypatch.setattr(augment, "uniform", lambda limit, shape, generator: limit * next(shares) * torch.ones(shape))


# --- Any augmentation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ALL, ids=str)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_the_generator_decides_and_the_input_stays(change, order):
    images = noise().contiguous(memory_format=order)
    before = images.clone()
    first, again, other = (change(images, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)
    assert (first.shape, first.dtype) == (images.shape, images.dtype)
    first.zero_()
    assert torch.equal(images, before)  # no view of them either


@pytest.mark.parametrize("change", ALL, ids=str)
def test_no_global_random_number_is_drawn(change):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    change(noise(), seeded())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("change", ALL, ids=str)
def test_every_image_of_a_batch_is_changed_in_its_own_way(change):
    same = noise(1).expand(40, -1, -1, -1)
    assert len({image.numpy().tobytes() for image in change(same, seeded())}) > 10


@pytest.mark.parametrize("nothing", [Poses(), Crops(0, mirror=False), InTurn(())], ids=str)
def test_nothing_changes_nothing(nothing):
    images = noise()
    assert_allclose(nothing(images, seeded()), images, atol=1e-5)


def test_in_turn_is_one_after_the_other_with_one_generator():
    images, generator = noise(), seeded(7)
    expected = Cutout(3)(Crops(2)(images, generator), generator)
    assert torch.equal(InTurn((Crops(2), Cutout(3)))(images, seeded(7)), expected)


@settings(max_examples=50, deadline=None)
@given(limit=st.floats(1e-3, 1e3), seed=st.integers(0, 2**31))
def test_uniform_is_within_its_limits_and_fills_them(limit, seed):
    numbers = uniform(limit, (2000,), seeded(seed))
    assert numbers.abs().max() <= limit * (1 + 1e-6)
    assert_allclose([numbers.min(), numbers.mean(), numbers.max()], [-limit, 0, limit], atol=0.1 * limit)


def test_other_light_changes_whole_colours_within_its_limit_and_differs_between_images():
    images = torch.randn((200, 3, 4, 5), generator=seeded(0))
    lit = in_other_light(images, 0.2, seeded(1))
    x, y = images.flatten(2), lit.flatten(2)
    x_mean, y_mean = x.mean(2, keepdim=True), y.mean(2, keepdim=True)
    gain = ((x - x_mean) * (y - y_mean)).sum(2, keepdim=True) / (x - x_mean).square().sum(2, keepdim=True)
    shift = y_mean - gain * x_mean
    assert torch.allclose(gain * x + shift, y, atol=1e-4)
    for found in (gain - 1, shift):
        assert found.abs().max() <= 0.2 + 1e-4
        assert found.std(dim=(0, 1)) > 0.1  # uniform in ± 0.2: 0.115
        assert abs(np.corrcoef(found[:, 0, 0], found[:, 1, 0])[0, 1]) < 0.3  # each colour has its own
    assert torch.equal(in_other_light(images, 0.0, seeded(1)), images)


# --- Poses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 2), (-3, 1), (3, -3)])
def test_a_shift_by_whole_pixels_is_a_roll_inside_and_the_border_repeated_outside(monkeypatch, right, down):
    images = noise(3, height=10, width=14)
    always(monkeypatch, 0, 0, 0, right / 3, down / 3)
    moved = Poses(shift=3)(images, seeded())
    # The place that is looked at moves to the right, so the picture moves to the left.
    padded = functional.pad(images, (3, 3, 3, 3), mode="replicate")
    expected = padded[:, :, 3 + down : 13 + down, 3 + right : 17 + right]
    assert_allclose(moved, expected, atol=1e-4)
    inside = (..., slice(3, 7), slice(3, 11))
    assert_allclose(moved[inside], torch.roll(images, (-down, -right), (2, 3))[inside], atol=1e-4)


@pytest.mark.parametrize("share", [-1, -0.4, 0.3, 1])
@pytest.mark.parametrize(("height", "width"), [(28, 28), (20, 28), (28, 17)])
def test_a_turn_is_scipys(monkeypatch, share, height, width):
    images = digits()[:, :, :height, :width]
    always(monkeypatch, share, 0, 0, 0, 0)
    turned = Poses(angle=40)(images, seeded())
    degrees = 40 * share
    expected = ndimage.rotate(images.numpy(), degrees, axes=(3, 2), reshape=False, order=1, mode="nearest")
    assert_allclose(turned, expected, atol=2e-4)
    assert (turned - images).abs().max() > 0.1


@settings(max_examples=20, deadline=None)
@given(
    shares=st.lists(st.floats(-1, 1), min_size=5, max_size=5), sides=st.tuples(st.integers(9, 28), st.integers(9, 28))
)
def test_any_pose_is_scipys_affine_transform(shares, sides):
    images = digits(2)[:, :, : sides[0], : sides[1]]
    pose = Poses(shift=4, angle=30, scale=0.3, shear=20)
    with pytest.MonkeyPatch.context() as patch:
        always(patch, *shares)
        moved = pose(images, seeded())
    turn, slant = (math.radians(limit) * share for limit, share in zip((30, 20), shares, strict=False))
    size = 1.3 ** shares[2]
    cos, sin, tan = math.cos(turn), math.sin(turn), math.tan(slant)
    matrix = size * np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, tan], [0, 1]])  # of (x, y)
    matrix, shift = matrix[::-1, ::-1], 4 * np.array([shares[4], shares[3]])  # of (row, column)
    middle = (np.array(sides) - 1) / 2
    offset = middle + shift - matrix @ middle
    for image, result in zip(images[:, 0].numpy(), moved[:, 0], strict=True):
        expected = ndimage.affine_transform(image, matrix, offset, order=1, mode="nearest")
        assert_allclose(result, expected, atol=5e-4)


def test_poses_stay_within_their_bounds_and_reach_them():
    spot = torch.zeros(600, 1, 41, 41)
    spot[:, :, 20, 20] = 1
    place = torch.arange(41.0) - 20
    moved = Poses(shift=5)(spot, seeded())
    for axis in (2, 3):
        centre = (moved.sum(5 - axis)[:, 0] * place).sum(1)
        assert centre.abs().max() <= 5.001
        assert centre.min() < -4.9
        assert centre.max() > 4.9
    square = torch.zeros(600, 1, 41, 41)
    square[:, :, 10:31, 10:31] = 1
    sides = Poses(scale=0.25)(square, seeded()).sum((1, 2, 3)).sqrt()
    assert_allclose([sides.min(), sides.max()], [21 / 1.25, 21 * 1.25], rtol=0.03)


def test_a_pose_leaves_the_order_that_convolutions_like():
    assert Poses(angle=5)(noise(), seeded()).is_contiguous(memory_format=torch.channels_last)


# --- Crops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirror", [False, True])
def test_crops_are_windows_of_the_reflected_image(mirror):
    image, shift = noise(1, 3, 6, 7), 2
    padded = np.pad(image[0].numpy(), ((0, 0), (shift, shift), (shift, shift)), mode="reflect")
    windows = [padded[:, r : r + 6, c : c + 7] for r in range(5) for c in range(5)]
    windows += [window[:, :, ::-1] for window in windows] if mirror else []
    known = {np.ascontiguousarray(window).tobytes(): number for number, window in enumerate(windows)}
    seen = [
        known[crop.contiguous().numpy().tobytes()]
        for crop in Crops(shift, mirror)(image.expand(1500, -1, -1, -1), seeded())
    ]
    assert sorted(set(seen)) == list(range(len(windows)))  # nothing else, and all of them,
    counts = np.bincount(seen)
    assert counts.min() > 0.4 * counts.mean()  # about equally often
    assert counts.max() < 1.8 * counts.mean()


def test_crops_of_different_images_are_not_mixed_up():
    images = torch.arange(9.0)[:, None, None, None].expand(9, 1, 5, 5)
    assert torch.equal(Crops(2)(images, seeded()), images)


# --- Cutout -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_cutout_hides_a_square_and_nothing_else(side):
    images = torch.rand((800, 2, 12, 15), generator=seeded()) + 1
    cut = Cutout(side)(images, seeded())
    hidden = cut == 0
    assert torch.equal(cut[~hidden], images[~hidden])
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    rows, columns = hidden[:, 0].any(2), hidden[:, 0].any(1)
    assert torch.equal(hidden[:, 0], rows[:, :, None] & columns[:, None, :])
    for line in (rows, columns):
        length, first = line.sum(1), line.int().argmax(1)
        last = line.shape[1] - 1 - line.flip(1).int().argmax(1)
        assert torch.equal(length, last - first + 1)  # one piece
        inside = (first > 0) & (last < line.shape[1] - 1)
        assert (length[inside] == side).all()
        assert length.max() == side
        assert length.min() >= (side + 1) // 2  # the middle lies in the image
        assert line.any(0).all()  # it can be anywhere
    whole = (rows.sum(1) == side) & (columns.sum(1) == side)
    assert (hidden[whole, 0].sum((1, 2)) == side**2).all()
    assert whole.float().mean() > 0.1

"""Patches: every target belongs to its low resolution, whatever the place and the turn."""

import numpy as np
import pytest
import torch

from ch07_applications.super_resolution import patches
from ch07_applications.super_resolution.bicubic import resize
from ch07_applications.super_resolution.patches import Patches, turned
from ch07_applications.tests.super_resolution.small_runs import picture


def batch(data, seed=0, size=16):
    return data.batch(torch.arange(size), torch.Generator().manual_seed(seed))


def located(data, patch):
    """The place of a patch in the pictures' low resolution, and its rotation."""
    for number, (low, *_) in enumerate(data._scales):
        windows = low.unfold(0, data.side, 1).unfold(1, data.side, 1)
        for turn in range(8):
            same = (windows == turned_back(patch, turn)).all(dim=(2, 3)).nonzero()
            if len(same):
                return number, tuple(same[0].tolist()), turn
    return None


def turned_back(patch, turn):
    return torch.rot90(patch.flip(1) if turn >= 4 else patch, -(turn % 4))


def noise(size):
    return np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.mark.parametrize("levels", [(2, 4), (4,), (2,)])
def test_targets_show_what_the_low_resolution_shows(levels):
    data = Patches.of([noise((64, 80)), noise((48, 52))], 8, 32, levels)
    low, *targets = batch(data)
    assert [tuple(each.shape) for each in (low, *targets)] == [(16, 1, 8 * k, 8 * k) for k in (1, *levels)]
    turns = set()
    for k in range(16):
        number, (top, left), turn = located(data, (low[k, 0] * 255).round())
        turns.add(turn)
        for target, factor in zip(targets, levels, strict=True):
            whole = data.pictures[number]
            last = max(levels)
            whole = resize(whole, tuple(n * factor // last for n in whole.shape)) if factor != last else whole
            side = 8 * factor
            own = torch.from_numpy(np.array(whole[factor * top :, factor * left :][:side, :side], np.float32))
            assert torch.allclose(turned(own, turn), target[k, 0] * 255, atol=1e-3)
    assert len(turns) > 4


def test_the_low_resolution_is_whole_grey_levels_of_the_whole_photograph():
    data = Patches.of([noise((64, 80))], 8, 32)
    for whole, (low, *_) in zip(data.pictures, data._scales, strict=True):
        assert np.array_equal(low.numpy(), np.rint(resize(whole, tuple(n // 4 for n in whole.shape))))


def test_a_generator_decides_the_patches():
    data = Patches.of([noise((64, 80))], 8, 32)
    assert torch.equal(batch(data)[0], batch(data)[0])
    assert not torch.equal(batch(data)[0], batch(data, seed=1)[0])
    assert len(data) == 32


def test_small_sizes_are_left_out_and_too_small_pictures_named():
    data = Patches.of([picture(0, (64, 80))], 12, 8)
    assert [min(each.shape) for each in data.pictures] == [64, 48]  # at 0.6 it has 36 rows, less than 48
    assert patches.SHARES == (1.0, 0.8, 0.6)
    with pytest.raises(ValueError, match="no picture has a patch of 48 × 48 pixels"):
        Patches.of([picture(0, (40, 80))], 12, 8)


def test_a_picture_of_one_colour_gives_flat_patches():
    low, *targets = batch(Patches.of([np.full((64, 64, 3), 50, np.uint8)], 8, 4), size=2)
    assert all(float(each.std()) < 1e-3 for each in (low, *targets))

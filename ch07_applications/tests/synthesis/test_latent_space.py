"""Walks and arithmetic, with a generator whose images are linear in their noise; sleeves, on real images."""

import numpy as np
import pytest
import torch

from ch07_applications.synthesis.latent_space import (
    DRESS,
    PULLOVER,
    STEPS,
    T_SHIRT,
    dresses_with_sleeves,
    middles,
    sleeves,
    walks,
)
from common import data
from common.data import Scale


class Linear:
    """Noise n gives an image of the grey level 127.5 + 100 n₀ on the left half and 127.5 + 100 n₁ on the right."""

    latent = 2

    def draw(self, noise):
        levels = (127.5 + 100 * noise).round().numpy().clip(0, 255).astype(np.uint8)
        return np.repeat(levels[:, None, :], 28, axis=1).repeat(14, axis=2)


class ByLevel:
    """Recognises pullovers by a bright left half, T-shirts by a dark one, dresses by what lies between."""

    def predict(self, images):
        left = images[:, 0, 0]
        return np.where(left > 190, PULLOVER, np.where(left < 65, T_SHIRT, DRESS))


def test_of_a_linear_generator_walks_middles_are_cross_fades():
    between, faded = middles(Linear(), 30, seed=0)
    assert between.shape == (30, 28, 28)
    assert np.abs(between.astype(int) - faded).max() <= 1
    assert between.std() > 10


def test_a_walk_goes_evenly_from_one_end_to_the_other():
    rows = walks(Linear(), 3, seed=1).reshape(3, STEPS, 28, 28)[:, :, 0, 0].astype(int)
    steps = np.diff(rows, axis=1)
    assert np.ptp(steps, axis=1).max() <= 2
    ends = torch.Generator().manual_seed(1)
    noise = (2 * torch.rand(6, 2, generator=ends) - 1).reshape(2, 3, 2)
    np.testing.assert_array_equal(rows[:, 0], Linear().draw(noise[0])[:, 0, 0])
    np.testing.assert_array_equal(rows[:, -1], Linear().draw(noise[1])[:, 0, 0])


def test_arithmetic_adds_the_difference_of_two_classes_to_the_third():
    found = dresses_with_sleeves(Linear(), ByLevel(), 600, seed=0)
    pullover, t_shirt, dress, total = found.means[:, 0, 0].astype(int)
    assert pullover > 190
    assert t_shirt < 65
    assert total == pytest.approx(min(255, pullover - t_shirt + dress), abs=2)
    assert (found.after[:, 0, 0] >= found.before[:, 0, 0]).all()
    np.testing.assert_array_equal(found.taken, ByLevel().predict(found.after))


def test_arithmetic_needs_some_samples_of_each_class():
    assert dresses_with_sleeves(Linear(), ByLevel(), 4, seed=0) is None


def test_real_pullovers_have_ink_where_sleeves_are_measured():
    images = data.fashion_mnist(Scale("smoke")).train
    level = {label: sleeves(images.images[images.labels == label]).mean() for label in (T_SHIRT, PULLOVER, DRESS)}
    assert level[PULLOVER] > 3 * max(level[T_SHIRT], level[DRESS])

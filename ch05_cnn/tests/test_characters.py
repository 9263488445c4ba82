"""Equal numbers of parameters, shifts by SciPy, and a permutation that leaves distances unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from ch05_cnn import characters
from ch05_cnn.characters import (
    CONVOLUTIONAL,
    DENSE,
    DIRECTIONS,
    NEAREST,
    SHIFTS,
    build_dense,
    make_classifier,
    permute,
    shift,
)
from ch05_cnn.drawings.characters import draw_structure
from ch05_cnn.models.networks import LeNet5
from common.console import Console
from common.data import Scale, mnist
from common.image_classifier import Pixels, outputs
from common.model_size import model_size
from common.record import LessonRecord
from common.run import Run

DIGITS = mnist(Scale("smoke"))


def make_run(folder: Path) -> Run:
    return Run("characters", 0, Scale("smoke"), LessonRecord("", ""), folder, Console())


def test_both_networks_have_as_many_parameters_within_two_percent():
    assert model_size(build_dense(1, 28)) == 785 * 78 + 79 * 10 == 62_020
    assert model_size(LeNet5()) == 61_706
    assert abs(62_020 / 61_706 - 1) < 0.02


@settings(max_examples=40, deadline=None)
@given(moves=st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), min_size=1, max_size=5))
def test_shifted_is_scipys_shift(moves):
    images, moves = DIGITS.test.images[: len(moves)], np.array(moves)
    expected = [ndimage.shift(image, move, order=0) for image, move in zip(images, moves, strict=True)]
    assert_array_equal(shift(images, moves), expected)


def test_shifts_go_down_up_right_and_left_and_lose_little_ink():
    corner = np.zeros((4, 9, 9), np.uint8)
    corner[:, 4, 4] = 1
    places = np.argwhere(shift(corner, 3 * DIRECTIONS))[:, 1:]
    assert places.tolist() == [[7, 4], [1, 4], [4, 7], [4, 1]]
    images = DIGITS.test.images
    moved = shift(images, max(SHIFTS) * DIRECTIONS[np.arange(len(images)) % 4])
    assert moved.sum(dtype=float) > 0.98 * images.sum(dtype=float)


def test_a_permutation_moves_pixels_and_loses_none():
    order = np.random.default_rng(0).permutation(784)
    mixed = permute(DIGITS.test, order)
    assert_array_equal(mixed.images.reshape(-1, 784)[:, np.argsort(order)], DIGITS.test.images.reshape(-1, 784))
    assert_array_equal(mixed.labels, DIGITS.test.labels)
    assert_array_equal(mixed.ids, DIGITS.test.ids)


def test_neighbours_do_not_see_a_permutation():
    order = np.random.default_rng(1).permutation(784)
    plain = make_classifier(NEAREST, 0).fit(DIGITS.train.images, DIGITS.train.labels).predict(DIGITS.test.images)
    mixed = permute(DIGITS.train, order), permute(DIGITS.test, order)
    assert_array_equal(
        make_classifier(NEAREST, 0).fit(mixed[0].images, mixed[0].labels).predict(mixed[1].images), plain
    )


def test_the_dense_network_can_undo_a_permutation_and_the_convolutional_one_cannot():
    """If the columns of its first layer are permuted in the same way, its outputs are equal: it can fit any order."""
    order, pixels = np.random.default_rng(2).permutation(784), Pixels.of(DIGITS.train.images)
    network, test = build_dense(1, 28), DIGITS.test
    plain = outputs(network, pixels(test.images))
    with torch.no_grad():
        network[1].weight.copy_(network[1].weight[:, torch.tensor(order)])
    assert_allclose(outputs(network, pixels(permute(test, order).images)), plain, atol=1e-4)


@pytest.mark.parametrize("name", [DENSE, CONVOLUTIONAL])
def test_the_seed_decides(name):
    few = DIGITS.train.take(slice(100))
    first, again, other = (
        make_classifier(name, seed, epochs=1).fit(few.images, few.labels).decision_function(few.images)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_every_method_sees_the_same_shifts_and_the_same_order(tmp_path, monkeypatch):
    fitted, asked = [], []

    class Spy:
        def fit(self, images, labels):
            fitted.append(images)
            return self

        def predict(self, images):
            asked.append(images)
            return np.zeros(len(images), np.int64)

    monkeypatch.setattr(characters, "make_classifier", lambda *arguments: Spy())
    monkeypatch.setattr(characters, "model_size", lambda model: 1)
    characters.lesson(make_run(tmp_path))
    assert len(fitted) == 6
    assert len(asked) == 3 * (len(SHIFTS) + 1)
    for method in range(3):
        assert_array_equal(fitted[method], DIGITS.train.images)
        assert_array_equal(fitted[3 + method], fitted[3])
        assert_array_equal(asked[5 * method], DIGITS.test.images)
        for pixels in range(5):
            assert_array_equal(asked[5 * method + pixels], asked[pixels])
        assert_array_equal(asked[15 + method], asked[15])
    order = make_run(tmp_path).rng.permutation(784)
    assert_array_equal(fitted[3], permute(DIGITS.train, order).images)
    assert_array_equal(asked[15], permute(DIGITS.test, order).images)
    for pixels in SHIFTS:
        somewhere = [shift(DIGITS.test.images, np.tile(pixels * one, (300, 1))) for one in DIRECTIONS]
        assert np.any([(asked[pixels] == images).all((1, 2)) for images in somewhere], axis=0).all()
    assert all((asked[4] != images).any() for images in somewhere)  # not all in one direction


def test_the_figure_shows_what_was_measured():
    by_shift = {name: [100.0 - 10 * i for i in range(5)] for name in (DENSE, CONVOLUTIONAL, NEAREST)}
    errors = {DENSE: (4.0, 4.5), CONVOLUTIONAL: (1.5, 7.0), NEAREST: (5.0, 5.0)}
    curve, bars = draw_structure(SHIFTS, by_shift, errors).axes
    assert [list(line.get_ydata()) for line in curve.lines] == list(by_shift.values())
    assert [bar.get_height() for bar in bars.patches] == [4.0, 4.5, 1.5, 7.0, 5.0, 5.0]

"""Binarised digits: drawn with the grey values as probabilities, held-out ones once, and nothing else is let in."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from ch07_applications.reconstruction import binarised_digits
from ch07_applications.reconstruction.binarised_digits import (
    BinarisedDigits,
    FreshDigits,
    digit_sets,
    draw,
    entropy,
    halve,
)
from common import data
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run


def run(tmp_path, seed=0):
    return Run("reconstruction/pixel_rnn", seed, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(quiet=True))


def test_a_pixel_is_1_as_often_as_its_grey_value_says():
    greys = np.tile(np.array([[0.0, 0.25], [0.75, 1.0]], np.float32), (20_000, 1, 1))
    found = draw(greys, np.random.default_rng(0))
    assert set(np.unique(found)) == {0, 1}
    assert np.abs(found.mean(axis=0) - greys[0]).max() < 0.01
    assert_array_equal(found.mean(axis=0)[[0, 1], [0, 1]], [0, 1])


@pytest.mark.parametrize("wrong", [-0.1, 1.01, 255.0, np.nan])
def test_greys_that_are_no_probabilities_are_refused(wrong):
    with pytest.raises(ValueError, match="0 … 1"):
        draw(np.full((1, 2, 2), wrong, np.float32), np.random.default_rng(0))


def test_grey_pixels_are_no_binary_ones():
    ids = np.arange(1)
    with pytest.raises(ValueError, match="binarise"):
        BinarisedDigits(np.full((1, 2, 2), 128, np.uint8), ids, ids)
    part = BinarisedDigits(np.eye(2, dtype=np.uint8)[None].repeat(3, 0), np.arange(3), np.arange(3) + 7)
    assert_array_equal(part.take(slice(1, None)).ids, [8, 9])


def test_halving_takes_means_before_anything_is_drawn():
    greys = np.arange(16, dtype=np.float32).reshape(1, 4, 4) / 15
    assert np.allclose(halve(greys)[0] * 15, [[2.5, 4.5], [10.5, 12.5]])
    for size in ((3, 4), (4, 3)):
        with pytest.raises(ValueError, match="squares"):
            halve(np.zeros((1, *size), np.float32))


def test_the_entropy_is_that_of_independent_coins():
    assert entropy(np.array([[[0.5, 0.0], [1.0, 0.5]]], np.float32)) == pytest.approx(2 * np.log(2))
    p = 0.2
    expected = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert entropy(np.full((3, 1, 1), p, np.float32)) == pytest.approx(expected, rel=1e-6)


def test_the_published_entropy_of_the_test_digits():
    greys = data.mnist(Scale("lecture")).test.images.astype(np.float32) / 255
    assert entropy(greys) == pytest.approx(45.3, abs=0.05)
    assert entropy(halve(greys)) == pytest.approx(20.9, abs=0.05)


def test_held_out_digits_are_the_same_for_every_seed_and_no_training_digits(tmp_path):
    first, second = digit_sets(run(tmp_path, 0)), digit_sets(run(tmp_path, 5))
    assert_array_equal(first.validation.inputs, second.validation.inputs)
    assert_array_equal(first.test.inputs, second.test.inputs)
    whole = data.mnist(Scale("smoke"))
    assert len(first.train) + len(first.validation) == len(whole.train)
    assert_array_equal(first.validation.ids, whole.train.ids[len(first.train) :])
    drawn = first.validation.inputs
    greys = whole.train.images[len(first.train) :]
    assert not drawn[greys == 0].any()
    assert drawn[greys == 255].all()
    assert 0.3 < drawn[(greys > 100) & (greys < 150)].mean() < 0.7, "a threshold, or none"
    few = digit_sets(run(tmp_path), test=5)
    assert_array_equal(few.test.inputs, first.test.inputs[:5])
    assert few.test_entropy == pytest.approx(entropy(whole.test.images[:5].astype(np.float32) / 255))
    assert digit_sets(run(tmp_path), small=True).test.inputs.shape[1:] == (14, 14)


def test_validation_digits_do_not_depend_on_how_many_test_digits_there_are(tmp_path, monkeypatch):
    before = digit_sets(run(tmp_path)).validation.inputs
    mnist = data.mnist(Scale("smoke"))
    fewer = type(mnist)(mnist.name, mnist.train, mnist.test.take(slice(7)), mnist.classes, mnist.target, mnist.source)
    monkeypatch.setattr(binarised_digits.data, "mnist", lambda scale: fewer)
    assert_array_equal(digit_sets(run(tmp_path)).validation.inputs, before)


def test_training_digits_are_drawn_anew_and_each_has_its_turn():
    greys = torch.arange(6.0).view(6, 1, 1).expand(6, 40, 40) / 6 + 1 / 12
    digits, generator = FreshDigits(greys.contiguous(), rounds=2), torch.Generator().manual_seed(0)
    assert len(digits) == 3
    index, seen = torch.arange(3), []
    for _ in range(20):
        images, targets = digits.batch(index, generator)
        assert torch.equal(images, targets)
        seen.append((images.mean(dim=(1, 2, 3)) * 6 - 0.5).round())
    seen = torch.stack(seen)
    assert [sorted(set(column.tolist())) for column in seen.T] == [[0, 3], [1, 4], [2, 5]]
    assert not torch.equal(digits.batch(index, generator)[0], images)

"""The choices of lessons and their use: the reduction of digits, the reference of a step, the shift."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ch05_cnn import characters, deconvnet, lenet1989, modernised, occlusion
from ch05_cnn.modernised import Variant
from ch05_cnn.seeing import invariance
from common import data
from common.ablation import BASE
from tests.recorded_lesson import recorded

SMOKE = data.Scale("smoke")


def test_lenet_reads_digits_reduced_in_the_way_that_is_best_on_validation_digits(monkeypatch):
    asked = []
    judge = lenet1989.error_rate

    def noted(network, x, labels):
        asked.append((x, labels, judge(network, x, labels)))
        return asked[-1][2]

    monkeypatch.setattr(lenet1989, "error_rate", noted)
    found = recorded(lenet1989, monkeypatch)
    (choice,) = found.choices
    digits = data.mnist(SMOKE)
    _, validation = digits.split(0.2, 0)
    assert choice.options == list(lenet1989.REDUCTIONS)
    for (name, reduce), (x, labels, value), score in zip(
        lenet1989.REDUCTIONS.items(), asked, choice.scores, strict=False
    ):
        assert_array_equal(x, reduce(validation.images))
        assert_array_equal(labels, validation.labels)
        assert score == value == found.facts[next(fact for fact in found.facts if f", {name} reduced" in fact)]
    assert not choice.highest  # errors
    best = choice.options[int(np.argmin(choice.scores))]
    reduced = lenet1989.REDUCTIONS[best](digits.train.images)
    for name in ("LeNet 1989", "dense network"):
        x = next(arg for arg in found.timed[name][0].args if isinstance(arg, np.ndarray) and arg.ndim == 3)
        assert_array_equal(x, reduced)


@pytest.mark.parametrize("best", list(lenet1989.REDUCTIONS))
def test_lenet_takes_the_reduction_with_the_fewest_errors(best, monkeypatch):
    """Planted: one way makes no errors."""
    monkeypatch.setattr(
        lenet1989, "reduction_errors", lambda *_: {name: float(name != best) for name in lenet1989.REDUCTIONS}
    )
    found = recorded(lenet1989, monkeypatch)
    x = next(arg for arg in found.timed["LeNet 1989"][0].args if isinstance(arg, np.ndarray) and arg.ndim == 3)
    assert_array_equal(x, lenet1989.REDUCTIONS[best](data.mnist(SMOKE).train.images))


def test_lenets_rivals_are_tuned_on_training_digits_held_out(monkeypatch):
    found = recorded(lenet1989, monkeypatch)
    for name in ("nearest neighbours", "RBF-SVM"):
        search = found.run.methods[name].model[-1]
        assert search.scoring == "accuracy"
        ((fitted, held_out),) = search.cv.split(np.zeros(1000))
        assert not set(fitted) & set(held_out)
        assert len(held_out) == 200


def test_training_and_test_pixels_are_permuted_alike(monkeypatch):
    found = recorded(characters, monkeypatch)
    digits = data.mnist(SMOKE)
    train, test = (part.images.reshape(len(part), -1) for part in (digits.train, digits.test))
    for name in characters.KINDS:
        learned = found.fitted[f"{name}, permuted"][0].args[1].images.reshape(1000, -1)
        judged = found.scored[f"{name}, permuted"][0].args[0].images.reshape(300, -1)
        both, permuted = np.concatenate([train, test]), np.concatenate([learned, judged])
        columns = [{pixels.tobytes() for pixels in array.T} for array in (both, permuted)]
        assert columns[0] == columns[1]  # the same columns, each of training and test digits together
        assert (learned != train).any()
        assert_array_equal(found.fitted[name][0].args[1].images.reshape(1000, -1), train)


def test_the_shift_that_is_scored_is_the_one_named(monkeypatch):
    found = recorded(characters, monkeypatch)
    named = int(re.search(r"shifted by (\d+) pixels", characters.SHIFTED)[1])
    _, by_shift, _ = found.figures["structure"]
    for name in characters.KINDS:
        row = found.value(name, characters.SHIFTED)
        assert_allclose(row, by_shift[name][characters.SHIFTS.index(named)])
        assert_allclose(found.value(name, "accuracy"), by_shift[name][0])
    assert any(by_shift[name][1] != by_shift[name][2] != by_shift[name][3] for name in characters.KINDS)


def test_the_distance_reported_is_that_after_two_pixels(monkeypatch):
    given = {}
    measure = invariance.measure_invariance

    def noted(features, images):
        given["by_shift"], given["by_angle"] = measure(features, images)
        return given["by_shift"], given["by_angle"]

    monkeypatch.setattr(invariance, "measure_invariance", noted)
    found = recorded(deconvnet, monkeypatch)
    for name, distances in given["by_shift"].items():
        assert (
            found.facts[f"distance after a shift by 2 pixels, {name}"]
            == dict(zip(invariance.SHIFTS, distances, strict=True))[2]
        )


def test_each_rung_adds_one_step_to_the_rung_below(monkeypatch):
    found = recorded(modernised, monkeypatch)
    base = found.timed[BASE][0].args[1]
    variants = {name: calls[0].args[1] for name, calls in found.timed.items()}
    assert all(isinstance(variant, Variant) for variant in variants.values())
    names = list(modernised.ladder(modernised.STEPS))
    below = base
    for name, change in zip(names, modernised.STEPS.values(), strict=True):
        differing = {key for key, value in vars(variants[name]).items() if value != getattr(below, key)}
        assert differing == set(change)
        below = variants[name]
    assert modernised.TOP in names
    for name in modernised.BESIDE:
        assert (name, modernised.TOP, "accuracy") in found.run.pairs
    for name, under in zip(names, [BASE, *names], strict=False):
        assert (name, under, "accuracy") in found.run.pairs


def test_a_digit_stands_where_no_square_turns_it(monkeypatch):
    given = []
    make = occlusion.margin_maps
    monkeypatch.setattr(occlusion, "margin_maps", lambda *args: given.append((args[-1], make(*args))) or given[-1][1])
    found = recorded(occlusion, monkeypatch)
    for k, name in enumerate(("LeNet-5", "HOG + linear SVM")):
        for colour, (grey, maps) in zip(("black", "grey"), given[2 * k : 2 * k + 2], strict=True):
            assert (grey == 0) == (colour == "black")
            stands = 100 * np.mean([(digit > 0).all() for digit in maps])
            assert_allclose(found.value(name, f"correct under every {colour} square"), stands)

    part, (black, hog) = found.scored["LeNet-5"][0].args[0], (given[0][1], given[2][1])  # both under black squares
    images = part.inputs[: len(black)].astype(float)
    masks = occlusion.make_masks(28, occlusion.DIGIT_SQUARE, occlusion.DIGIT_STEP).reshape(-1, 28, 28)
    ink = np.array([[image[~mask].sum() for mask in masks] for image in images])  # what is not covered
    pairs = np.array([np.corrcoef([a.ravel(), b.ravel(), c]) for a, b, c in zip(black, hog, ink, strict=True)])
    both, lenet, svm = pairs[:, 0, 1], pairs[:, 0, 2], pairs[:, 1, 2]
    assert_allclose(found.facts["correlation with the covered ink, HOG + linear SVM"], svm.mean())
    partial = (both - lenet * svm) / np.sqrt((1 - lenet**2) * (1 - svm**2))
    name = "partial correlation of LeNet-5's and HOG + linear SVM's maps, given the covered ink"
    assert_allclose(found.facts[name], partial.mean())

"""Intervals of detection's metrics: images that depend on each other, and sets in which few images have objects."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from common.metrics.detection import Evaluation
from common.metrics.image_groups import Groups
from tests.metrics.made_detections import CLASSES, NOTHING, made

EMPTY = {key: NOTHING[key] for key in ("boxes", "labels")}
OBJECT = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
FOUND = {**OBJECT, "scores": torch.tensor([0.9])}
FALSE = {"boxes": torch.tensor([[20.0, 0, 30, 10]]), "labels": torch.tensor([1]), "scores": torch.tensor([0.95])}


# --- all objects in one image -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [0, 1, 2, 30])
def test_all_objects_in_one_image_have_numbers_throughout(others):
    evaluation = Evaluation([FOUND] + [NOTHING] * others, [OBJECT] + [EMPTY] * others, 1)
    assert evaluation.mean_average_precision(0.5) == 1
    assert_array_equal(evaluation.by_image(0.5), np.ones(1 + others))
    assert_array_equal(evaluation.bootstrap(0.5), 1)


def test_false_positives_elsewhere_still_count_where_one_image_has_all_objects():
    """Of three images the first has the object, the last a false positive of higher score. AP is precision here."""
    evaluation = Evaluation([FOUND, NOTHING, FALSE], [OBJECT, EMPTY, EMPTY], 1, points=None)
    assert evaluation.mean_average_precision() == pytest.approx(0.5)
    draws = evaluation.bootstrap(resamples=4000)
    # Of 27 draws 8 lack the first image. Of the 19 others 7 lack the last one, and 3 have it twice.
    assert np.isclose(draws, 1).mean() == pytest.approx(7 / 19, abs=0.03)
    assert np.isclose(draws, 1 / 3).mean() == pytest.approx(3 / 19, abs=0.03)
    values = evaluation.by_image()
    assert values.mean() == pytest.approx(0.5)
    assert values[2] < 0.5 < values[1] + 1e-12  # leaving out the false positive would help
    assert np.isfinite(values).all()


def test_a_single_image_is_its_own_mean():
    evaluation = Evaluation([{**FALSE, "scores": torch.tensor([0.1])}], [OBJECT], 1)
    assert_array_equal(evaluation.by_image(), [0])
    assert_array_equal(evaluation.bootstrap(resamples=5), 0)


def test_without_any_object_there_is_no_number():
    evaluation = Evaluation([FOUND, FALSE], [EMPTY, EMPTY], 1)
    assert np.isnan(evaluation.by_image()).all()
    assert np.isnan(evaluation.bootstrap(resamples=5)).all()


def test_few_images_with_objects_are_drawn_alike_for_every_detector():
    targets = [OBJECT] + [EMPTY] * 4
    good, bad = (Evaluation([FOUND] + [other] * 4, targets, 1, points=None) for other in (NOTHING, FALSE))
    weights = good.grouping.draw(50, seed=3, needed=good.has_objects())
    assert_array_equal(weights, bad.grouping.draw(50, seed=3, needed=bad.has_objects()))
    assert_allclose(bad.bootstrap(resamples=50, seed=3), weights[:, 0] / weights.sum(axis=1))


# --- groups -----------------------------------------------------------------------------------------------------------


def test_copies_of_an_image_in_a_group_change_no_interval():
    """Each image five times, grouped: exactly the draws, and the jackknife's spread, of the images taken once."""
    detections, targets = made(4, images=60, levels=0)
    once = Evaluation(detections, targets, CLASSES)
    groups = np.repeat(np.arange(60), 5)
    copies = [[one for one in ones for _ in range(5)] for ones in (detections, targets)]
    grouped = Evaluation(*copies, CLASSES, groups=groups)
    alone = Evaluation(*copies, CLASSES)
    assert_allclose(grouped.bootstrap(0.5), once.bootstrap(0.5), atol=0.005)  # copies have equal scores: other ties
    assert_allclose(grouped.by_image(0.5)[::5], once.by_image(0.5), atol=0.05)
    assert alone.bootstrap(0.5).std() < 0.6 * grouped.bootstrap(0.5).std()


def test_the_numbers_of_images_vary_between_groups_as_the_bootstrap_does():
    """What score_items does with by_image: the mean over images of resampled groups, here of unequal size."""
    detections, targets = made(5, images=300, levels=0)
    groups = np.sort(np.random.default_rng(0).integers(0, 60, 300)) * 7 - 3
    evaluation = Evaluation(detections, targets, CLASSES, groups=groups)
    values = evaluation.by_image(0.5)
    assert values.mean() == pytest.approx(evaluation.mean_average_precision(0.5))
    weights = evaluation.grouping.draw(2000, seed=1)
    means = weights @ values / weights.sum(axis=1)
    assert means.std() == pytest.approx(evaluation.bootstrap(0.5).std(), rel=0.25)
    left = groups == groups[0]
    kept = [[one for one, out in zip(ones, left, strict=True) if not out] for ones in (detections, targets)]
    without = Evaluation(*kept, CLASSES).mean_average_precision(0.5)
    number = len(evaluation.grouping)
    everywhere = evaluation.weighted(evaluation.grouping.each_left_out(), 0.5)
    expected = (number - 1) * (everywhere.mean() - without) * 300 / (number * left.sum())
    assert values[0] - evaluation.mean_average_precision(0.5) == pytest.approx(expected)


def test_groups_are_drawn_whole_and_as_often_as_there_are_groups():
    groups = Groups(np.array([5, 5, -1, 5, 9, 9]), 6)
    weights = groups.draw(500)
    assert len(groups) == 3
    assert_array_equal(weights[:, [0, 0, 4]], weights[:, [1, 3, 5]])
    assert_array_equal(weights[:, [0, 2, 4]].sum(axis=1), 3)
    assert weights[:, 2].mean() == pytest.approx(1, abs=0.15)
    assert_array_equal(
        groups.each_left_out(), 1 - np.array([[0, 0, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0], [0, 0, 0, 0, 1, 1]])
    )


def test_as_many_numbers_of_groups_as_images():
    with pytest.raises(ValueError, match="2 images but 3 numbers of groups"):
        Evaluation([FOUND, FALSE], [OBJECT, EMPTY], 1, groups=np.arange(3))


def test_groups_stay_with_objects_of_a_size():
    detections, targets = made(6, images=30)
    evaluation = Evaluation(detections, targets, CLASSES, groups=np.arange(30) // 3)
    assert len(evaluation.of_size(0, math.inf).grouping) == 10
    assert_array_equal(evaluation.of_size(0, math.inf).bootstrap(resamples=20), evaluation.bootstrap(resamples=20))


def test_the_interval_is_of_the_bootstrap_or_of_the_groups():
    detections, targets = made(6, images=80)
    alone = Evaluation(detections, targets, CLASSES)
    grouped = Evaluation(detections, targets, CLASSES, groups=np.arange(80) // 8)
    assert alone.interval(0.5).value == pytest.approx(alone.mean_average_precision(0.5))
    low, high = np.quantile(alone.bootstrap(0.5, 2000), [0.025, 0.975])
    assert alone.interval(0.5).ends[1:] == pytest.approx((low, high))
    without = grouped.weighted(grouped.grouping.each_left_out(), 0.5)
    assert grouped.interval(0.5).half_width == pytest.approx(2.262 * math.sqrt(9 * without.var()), rel=1e-3)
    assert grouped.interval(0.5).value == pytest.approx(alone.interval(0.5).value)

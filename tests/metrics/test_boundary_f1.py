"""Boundary F1 against a plainly written loop, and squares that are shifted by a known distance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from common.metrics.boundary_f1 import boundary_f1, mean_boundary_f1

IGNORE = 255


def plainly(truth: np.ndarray, prediction: np.ndarray, label: int, reach: float, ignore: int | None) -> float:
    """Pixel by pixel, and every boundary pixel with every other."""
    height, width = truth.shape

    def edge(labels: np.ndarray) -> list[tuple[int, int]]:
        found = []
        for y in range(height):
            for x in range(width):
                if labels[y, x] != label or truth[y, x] == ignore:
                    continue
                for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                    if 0 <= v < height and 0 <= u < width and labels[v, u] != label and truth[v, u] != ignore:
                        found.append((y, x))
                        break
        return found

    true, predicted = edge(truth), edge(prediction)
    if not true and not predicted:
        return math.nan

    def share(ones: list, others: list) -> float:
        near = [any(math.dist(a, b) <= reach for b in others) for a in ones]
        return sum(near) / len(near) if near else 0.0

    precision, recall = share(predicted, true), share(true, predicted)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("tolerance", [0.0, 0.04, 0.1])
@pytest.mark.parametrize("ignore", [None, IGNORE])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_loop(seed, tolerance, ignore):
    """Blocks of labels, some pixels ignored; class 3 only predicted, class 4 nowhere."""
    rng = np.random.default_rng(seed)
    truth = np.kron(rng.integers(0, 3, (4, 5)), np.ones((5, 5), int)).astype(np.uint8)
    prediction = np.roll(truth, rng.integers(-2, 3, 2), axis=(0, 1))
    prediction[rng.random(truth.shape) < 0.03] = 3
    if ignore is not None:
        truth[rng.random(truth.shape) < 0.1] = ignore
    found = boundary_f1(truth, prediction, 5, tolerance, ignore)
    reach = tolerance * math.hypot(*truth.shape)
    assert_allclose(found, [plainly(truth, prediction, label, reach, ignore) for label in range(5)])
    assert 0 < mean_boundary_f1(found) < 1


def square(top: int, left: int, side: int = 20) -> np.ndarray:
    labels = np.zeros((100, 100), int)
    labels[top : top + side, left : left + side] = 1
    return labels


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (2, 1.0), (3, 1.0), (4, 0.0)])
def test_a_shift_within_the_tolerance_costs_nothing(shift, expected):
    """Of a long edge from top to bottom, shifted sideways: within 3.2 pixels all of it matches, beyond nothing."""
    edge = np.zeros((100, 100), int)
    edge[:, 50:] = 1
    moved = np.zeros((100, 100), int)
    moved[:, 50 + shift :] = 1
    assert_allclose(boundary_f1(edge, moved, 2, 3.2 / math.hypot(100, 100)), [expected, expected])


def test_a_square_shifted_beyond_the_tolerance_keeps_the_edges_along_the_shift():
    """Sides of 20, moved 6 to the right, 3 pixels of tolerance. Of the 76 boundary pixels of the moved square match: 17
    each of its top and bottom edge, up to 3 beyond the corners of the other, and of its left edge 3 more at each end.
    """
    found = boundary_f1(square(30, 30), square(30, 36), 2, 3 / math.hypot(100, 100))
    assert found[1] == pytest.approx((17 + 17 + 3 + 3) / 76)
    assert boundary_f1(square(30, 30), square(31, 32), 2, 3 / math.hypot(100, 100))[1] == 1


def test_the_tolerance_grows_with_the_image():
    small, large = square(30, 30), np.kron(square(30, 30), np.ones((3, 3), int))
    moved = np.roll(small, 2, axis=1), np.roll(large, 6, axis=1)
    assert boundary_f1(small, moved[0], 2, 0.02)[1] == 1
    assert boundary_f1(large, moved[1], 2, 0.02)[1] == 1


def test_an_object_at_the_border_has_no_boundary_there():
    truth = np.zeros((50, 50), int)
    truth[:, :10] = 1
    prediction = truth.copy()
    prediction[0, :10] = 0  # 10 boundary pixels along the row, one of them the corner of the old boundary
    assert boundary_f1(truth, truth, 2, 0.0)[1] == 1
    assert boundary_f1(truth, prediction, 2, 0.0)[1] == pytest.approx(2 * (49 / 58) * (49 / 50) / (49 / 58 + 49 / 50))


def test_nothing_there_and_nothing_predicted_is_right_and_one_of_both_is_wrong():
    plain = np.zeros((30, 30), int)
    assert np.isnan(boundary_f1(plain, plain, 2)).all()
    assert mean_boundary_f1(boundary_f1(plain, plain, 2)) == 1
    some = plain.copy()
    some[10:20, 10:20] = 1
    assert_allclose(boundary_f1(some, plain, 3), [0, 0, math.nan])
    assert_allclose(boundary_f1(plain, some, 3), [0, 0, math.nan])
    assert_allclose(mean_boundary_f1(np.array([[0, 0, math.nan], [math.nan] * 3, [0.5, 1, 0.9]])), [0, 1, 0.8])


def test_no_boundary_runs_along_ignored_pixels():
    truth = square(30, 30)
    ring = square(28, 28, 24).astype(bool) & ~truth.astype(bool)
    truth[ring] = IGNORE
    assert np.isnan(boundary_f1(truth, square(30, 30), 2, ignore=IGNORE)).all()
    assert np.isfinite(boundary_f1(truth, square(33, 31), 2, ignore=IGNORE)[1])


@pytest.mark.parametrize(
    ("prediction", "tolerance", "message"),
    [
        (np.zeros((3, 4), int), 0.1, r"the truth is \(4, 4\) pixels, but the prediction \(3, 4\)"),
        (np.full((4, 4), 7), 0.1, "the prediction has label 7, which is none of 0 … 1"),
        (np.full((4, 4), -1), 0.1, "the prediction has label -1"),
        (np.full((4, 4), 0.9), 0.1, "the prediction is float64; labels are integers"),
        (np.zeros((4, 4), int), -0.1, "the tolerance is -0.1, but must be 0 or more"),
        (np.zeros((4, 4), int), math.nan, "the tolerance is nan"),
    ],
)
def test_what_cannot_be_compared_is_named(prediction, tolerance, message):
    with pytest.raises(ValueError, match=message):
        boundary_f1(np.zeros((4, 4), int), prediction, 2, tolerance)

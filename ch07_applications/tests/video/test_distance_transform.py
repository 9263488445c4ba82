"""The generalised distance transform against a direct search over all pairs of places, and against SciPy."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from ch07_applications.video.distance_transform import distance_transform, lower_envelope, transformed_lines


def searched(costs, widths, shifts):
    """The definition: for every place, the minimum over every other."""
    rows, columns = costs.shape[1:]
    y, x = np.mgrid[:rows, :columns].reshape(2, -1)
    away_x, away_y = x[None] - x[:, None], y[None] - y[:, None]  # from place p (row) to place q (column)
    values, where = np.empty(costs.shape), np.empty((*costs.shape, 2), int)
    for k, (cost, (a, b), (s, t)) in enumerate(zip(costs, widths, shifts, strict=True)):
        total = cost.ravel() + a * (away_x - s) ** 2 + b * (away_y - t) ** 2
        best = total.argmin(axis=1)
        values[k] = total.min(axis=1).reshape(rows, columns)
        where[k] = np.stack([x[best], y[best]], axis=-1).reshape(rows, columns, 2)
    return values, where


@pytest.mark.parametrize("shape", [(9, 13), (1, 7), (6, 1), (1, 1), (16, 16)])
@pytest.mark.parametrize("rough", [0.1, 3.0, 100.0])
def test_it_is_the_minimum_over_all_places(shape, rough):
    rng = np.random.default_rng(1)
    costs = rough * rng.normal(size=(5, *shape))
    widths, shifts = rng.uniform(0.01, 3, (5, 2)), rng.uniform(-6, 6, (5, 2))
    found, wanted = distance_transform(costs, widths, shifts), searched(costs, widths, shifts)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-9)
    np.testing.assert_array_equal(found[1], wanted[1])


def test_more_lines_than_are_at_work_at_a_time(monkeypatch):
    rng = np.random.default_rng(2)
    heights, widths, shifts = rng.normal(size=(7, 40)), rng.uniform(0.1, 1, 40), rng.uniform(-2, 2, 40)
    whole = transformed_lines(heights, widths, shifts)
    monkeypatch.setattr("ch07_applications.video.distance_transform.CHUNK", 9)
    for one, other in zip(whole, transformed_lines(heights, widths, shifts), strict=True):
        np.testing.assert_array_equal(one, other)


def test_of_a_few_points_it_is_the_euclidean_distance_squared():
    """Costs of 0 at points and large ones elsewhere give SciPy's distance to the nearest point."""
    rng = np.random.default_rng(3)
    costs = np.where(rng.random((1, 20, 30)) < 0.03, 0.0, 1e6)
    assert (costs == 0).sum() > 3
    found, _ = distance_transform(costs, np.ones((1, 2)), np.zeros((1, 2)))
    np.testing.assert_allclose(found[0], distance_transform_edt(costs[0]) ** 2, atol=1e-9)


def test_a_shift_says_where_the_part_rests():
    """One cheap place q: every p finds it, and pays nothing where p + shift = q."""
    costs = np.full((1, 11, 11), 50.0)
    costs[0, 6, 8] = 0
    found, where = distance_transform(costs, np.ones((1, 2)), np.array([[3.0, -1.0]]))
    assert np.argwhere(found[0] == 0).tolist() == [[7, 5]]
    assert where[0, 7, 5].tolist() == [8, 6]


def test_the_envelope_keeps_only_parabolas_that_are_lowest_somewhere():
    heights = np.array([[0.0, 9.0, 0.0, 0.0, 9.0]]).T
    roots, starts = lower_envelope(heights, np.ones(1))
    assert roots[:4, 0].tolist() == [0, 2, 3, 4]
    np.testing.assert_allclose(starts[:, 0], [-np.inf, 1.0, 2.5, 8.0, np.inf])  # the last is the lowest off the grid


@pytest.mark.parametrize(("cost", "width"), [(np.inf, 1.0), (np.nan, 1.0), (0.0, 0.0), (0.0, -1.0)])
def test_what_has_no_envelope(cost, width):
    with pytest.raises(ValueError, match="finite"):
        distance_transform(np.full((1, 3, 3), cost), np.full((1, 2), width), np.zeros((1, 2)))

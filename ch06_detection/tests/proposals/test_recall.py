"""Recall against plain loops, intervals against known cases; where windows and random boxes lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torchvision.ops import box_iou

from ch06_detection.drawings.selective_search import draw_levels
from ch06_detection.proposals.recall import best_overlaps_so_far, boxes_needed, overlaps_by_count, recall, recall_band
from ch06_detection.proposals.rivals import measure_shapes, random_boxes, window_grid
from ch06_detection.selective_search import group, mean_colours
from common.proposals.grouping import FAST
from common.proposals.hierarchy import grow, reduced
from common.proposals.segments import colour_bins, cut_up, in_space, measured
from common.results import bootstrap_interval


def some(seed: int, n: int, side: float = 40.0) -> torch.Tensor:
    """n random boxes in a square."""
    corners = torch.rand(n, 2, 2, generator=torch.Generator().manual_seed(seed)).sort(dim=1).values
    return (corners * torch.tensor([side, side])).reshape(n, 4)


# --- recall -------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), n=st.integers(1, 25), objects=st.integers(0, 4), most=st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_overlaps_and_recall_are_those_of_plain_loops(seed, n, objects, most):
    boxes, truth = some(seed, n), some(seed + 1, objects)
    best = best_overlaps_so_far(boxes, truth, most).numpy()
    table = box_iou(truth, boxes).numpy()
    for item in range(objects):
        for count in range(1, most + 1):
            assert best[item, count - 1] == pytest.approx(table[item, :count].max(), abs=1e-6)
    for threshold in (0.1, 0.5) if objects else ():
        curve = recall(best, threshold)
        for count in range(1, most + 1):
            found = sum(any(value >= threshold for value in table[item, :count]) for item in range(objects))
            assert curve[count - 1] == pytest.approx(found / objects)


def test_without_a_box_nothing_is_found():
    best = best_overlaps_so_far(torch.zeros(0, 4), some(0, 3), 5)
    assert_array_equal(best, np.zeros((3, 5)))


def test_objects_of_all_pictures_stand_one_below_the_other():
    proposals = [some(0, 9), some(1, 4)]
    targets = [{"boxes": some(seed, n), "labels": torch.ones(n, dtype=torch.int64)} for seed, n in ((2, 2), (3, 3))]
    best = overlaps_by_count(proposals, targets, 6)
    assert_allclose(best[:2], best_overlaps_so_far(proposals[0], targets[0]["boxes"], 6))
    assert_allclose(best[2:], best_overlaps_so_far(proposals[1], targets[1]["boxes"], 6))


def test_how_many_boxes_it_takes():
    best = np.array([[0.6, 0.6, 0.6, 0.6], [0, 0.5, 0.5, 0.5], [0, 0, 0, 0.8], [0, 0, 0.1, 0.4]])
    assert boxes_needed(best, 0.5, 0.25) == 1
    assert boxes_needed(best, 0.5, 0.5) == 2
    assert boxes_needed(best, 0.5, 0.6) == 4
    assert boxes_needed(best, 0.5, 0.76) is None
    assert boxes_needed(best, 0.3, 1.0) == 4


def test_bands_hold_the_curve_and_are_the_plain_bootstrap_s_where_pictures_have_an_object_each():
    best = np.random.default_rng(0).random((150, 3))
    low, high = recall_band(best, np.arange(150), 0.4)
    share = recall(best, 0.4)
    assert (low < share).all()
    assert (share < high).all()
    plain = [bootstrap_interval(np.mean, (column >= 0.4).astype(float)) for column in best.T]
    assert_allclose(low, [interval.low for interval in plain], atol=0.025)
    assert_allclose(high, [interval.high for interval in plain], atol=0.025)


def test_bands_are_wider_where_objects_of_a_picture_stand_and_fall_together():
    best = np.repeat(np.random.default_rng(0).random((50, 1)), 6, axis=0)
    together, apart = recall_band(best, np.repeat(np.arange(50), 6), 0.5), recall_band(best, np.arange(300), 0.5)
    assert np.ptp(together) > 1.8 * np.ptp(apart)  # √6 of it, and little chance


# --- the rivals ---------------------------------------------------------------------------------------------------


@pytest.fixture
def shapes() -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return 20 + 40 * torch.rand(300, 2, generator=rng)


@pytest.mark.parametrize("stride", [1, 0.5, 0.2])
def test_windows_cover_the_picture_in_steps_that_are_not_too_wide(shapes, stride):
    height, width = 90, 120
    boxes = window_grid(shapes, stride, (height, width))
    sides = boxes[:, 2:] - boxes[:, :2]
    assert boxes.min() >= -1e-4
    assert (boxes[:, 2] <= width + 1e-3).all()
    assert (boxes[:, 3] <= height + 1e-3).all()
    kinds = torch.unique((sides * 10).round(), dim=0) / 10
    near = (sides[:, None] - kinds).abs().amax(dim=2) < 0.06
    apart = [near[:, 0]] + [near[:, k] & ~near[:, :k].any(dim=1) for k in range(1, len(kinds))]
    apart = [those for those in apart if those.any()]
    assert len(apart) == 15
    for those in apart:
        kind, those = sides[those][0], boxes[those]
        for axis, length in ((0, width), (1, height)):
            starts = torch.unique((those[:, axis] * 100).round()) / 100
            assert starts[0] == 0
            assert float(starts[-1]) == pytest.approx(float(length - kind[axis]), abs=0.05)
            assert starts.diff().max() <= stride * kind[axis] + 0.05


def test_more_windows_find_more(shapes):
    truth, found = some(5, 60, 90.0), []
    for stride in (1, 0.5, 0.25):
        grid = window_grid(shapes, stride, (90, 90))
        found.append(best_overlaps_so_far(grid, truth, len(grid))[:, -1].mean())
    assert found[0] < found[1] < found[2]


def test_random_boxes_have_the_shapes_of_objects_and_lie_in_the_picture(shapes):
    boxes = random_boxes(shapes, 500, (90, 120), np.random.default_rng(0))
    assert boxes.min() >= 0
    assert (boxes[:, 2] <= 120).all()
    assert (boxes[:, 3] <= 90).all()
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides[:, None] - shapes).abs().amax(dim=2).min(dim=1).values.max() < 1e-3
    assert float(boxes[:, 0].mean()) == pytest.approx(float(120 - shapes[:, 0].mean()) / 2, rel=0.1)


def test_shapes_are_widths_and_heights():
    targets = [{"boxes": torch.tensor([[1.0, 2, 4, 9]])}, {"boxes": torch.tensor([[0.0, 0, 5, 1], [2, 2, 3, 4]])}]
    assert measure_shapes(targets).tolist() == [[3, 7], [5, 1], [1, 2]]


# --- the picture --------------------------------------------------------------------------------------------------


def test_a_region_is_drawn_in_its_mean_colour():
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    regions = np.random.default_rng(1).choice([3, 7, 12], (6, 8))
    drawn = mean_colours(image, regions)
    for number in (3, 7, 12):
        expected = image[regions == number].mean(axis=0)
        assert np.abs(drawn[regions == number] - expected).max() <= 1


def test_levels_are_those_of_one_hierarchy():
    from common.data import photo

    image = np.ascontiguousarray(photo("astronaut")[60:124, 200:264])
    picture = in_space(reduced(image, FAST.step), "HSV")
    tree = grow(measured(cut_up(picture, 25, 0.4, 5), {"c": colour_bins(picture)}), "csf")
    figure = draw_levels(image, group(image), some(0, 9, 64.0), some(1, 2, 64.0))
    titles = [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes[:5]]
    assert titles == [f"{left} regions" for left in (54, 54, 20, 6)] + ["the scene"]
    assert tree.segments == 54  # fewer than the 60 that are to be left next
    drawn = [sum(len(boxes.get_paths()) for boxes in axis.collections) for axis in figure.axes]
    assert (drawn[6], drawn[8], drawn[9]) == (54, 6, 4)

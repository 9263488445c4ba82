"""RoI pooling against torchvision's, and against its own sentence bin by bin: equal to the bit, gradients too."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import ops

from ch06_detection.roi_pooling import CHANNELS, largest_change, number_boxes, roi_pool, roi_pool_one_by_one


def case(seed, n=12, channels=3, size=(7, 11), reach=110.0, steps=None):
    """Maps of three images with many equal values, and windows that may lie anywhere, turned inside out as well."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(3, channels, *size, generator=generator).mul(2).round() / 2
    boxes = torch.rand(n, 4, generator=generator) * 1.5 * reach - reach / 4
    boxes = boxes if steps is None else (boxes / steps).round() * steps
    return maps, torch.cat([torch.randint(3, (n, 1), generator=generator).float(), boxes], dim=1)


def both(maps, boxes, size, scale):
    """Values and gradients, ours and theirs."""
    results = []
    for pool in (roi_pool, ops.roi_pool):
        own = maps.clone().requires_grad_()
        pooled = pool(own, boxes, size, scale)
        weights = torch.arange(1.0, pooled.numel() + 1).reshape(pooled.shape)
        (gradient,) = torch.autograd.grad((pooled * weights).sum(), own)
        results.append((pooled.detach(), gradient))
    return results


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**20), st.integers(1, 7), st.integers(1, 7), st.sampled_from([1.0, 0.5, 1 / 8, 1 / 16]),
    st.sampled_from([None, 4.0]),
)  # fmt: skip
def test_values_and_gradients_are_torchvision_s(seed, rows, columns, scale, steps):
    maps, boxes = case(seed, steps=steps)  # steps of 4 at 1/8: halves, which have to be rounded the same way
    (ours, gradient), (theirs, their_gradient) = both(maps, boxes, (rows, columns), scale)
    assert torch.equal(ours, theirs)
    assert torch.equal(gradient, their_gradient)


def test_without_gradients_the_values_are_the_same():
    maps, boxes = case(5)
    with torch.no_grad():
        assert torch.equal(roi_pool(maps, boxes, (3, 4), 0.1), ops.roi_pool(maps, boxes, (3, 4), 0.1))


def test_bin_by_bin_says_the_same():
    maps, boxes = case(1, n=6)
    assert torch.equal(roi_pool_one_by_one(maps, boxes, (3, 2), 1 / 8), roi_pool(maps, boxes, (3, 2), 1 / 8))


def test_more_channels_than_are_pooled_at_once():
    maps, boxes = case(2, n=4, channels=CHANNELS + 3, size=(4, 4), reach=32)
    (ours, gradient), (theirs, their_gradient) = both(maps, boxes, (2, 2), 1 / 8)
    assert torch.equal(ours, theirs)
    assert torch.equal(gradient, their_gradient)


def test_of_equal_values_the_first_one_gets_the_gradient():
    maps = torch.zeros(1, 1, 4, 4, requires_grad=True)
    roi_pool(maps, torch.tensor([[0.0, 0, 0, 3, 3]]), (1, 1), 1.0).sum().backward()
    assert maps.grad.flatten().tolist() == [1.0] + 15 * [0.0]


def test_a_window_outside_the_map_says_0():
    maps = -torch.ones(1, 2, 4, 4)
    assert torch.equal(roi_pool(maps, torch.tensor([[0.0, 90, 90, 99, 99]]), (2, 2), 1.0), torch.zeros(1, 2, 2, 2))


def test_a_window_without_width_has_one_cell():
    maps = torch.arange(16.0).view(1, 1, 4, 4)
    assert roi_pool(maps, torch.tensor([[0.0, 2, 1, 2, 1]]), (1, 1), 1.0).item() == 6


def test_a_list_of_boxes_is_numbered_and_images_may_have_none():
    maps, boxes = case(3, n=5)
    lists = [boxes[:2, 1:], torch.zeros(0, 4), boxes[2:, 1:]]
    assert number_boxes(lists)[:, 0].tolist() == [0, 0, 2, 2, 2]
    assert torch.equal(roi_pool(maps, lists, (2, 2), 0.1), ops.roi_pool(maps, lists, (2, 2), 0.1))


def test_no_windows_at_all():
    maps = torch.randn(2, 3, 4, 4, requires_grad=True)
    pooled = roi_pool(maps, [torch.zeros(0, 4)] * 2, (5, 5), 1.0)
    assert pooled.shape == (0, 3, 5, 5)
    pooled.sum().backward()
    assert not maps.grad.any()


def test_half_precision_keeps_its_values():
    maps, boxes = case(4)
    half = maps.bfloat16()
    assert torch.equal(roi_pool(half, boxes, (3, 3), 0.1).float(), ops.roi_pool(half.float(), boxes, (3, 3), 0.1))


def test_double_precision_is_refused():
    with pytest.raises(ValueError, match="single"):
        roi_pool(torch.zeros(1, 1, 2, 2, dtype=torch.float64), torch.zeros(1, 5), (1, 1), 1.0)


def test_a_change_is_measured_even_where_the_distance_from_the_start_stays_the_same():
    pooled = torch.tensor([[2.0, 0.0], [5.0, 4.0], [5.0, -4.0]])  # distances from the first: 0, 5, 5
    assert largest_change(pooled) == pytest.approx(8 / 2)

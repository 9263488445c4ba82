"""Boxes against torchvision's operators, and what happens where boxes have no area, or there are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from torchvision import ops
from torchvision.models.detection._utils import BoxCoder

from ch06_detection import boxes as ours
from ch06_detection.boxes import adjacent_crowd, count_errors


def some_boxes(n: int, seed: int, side: float = 100.0) -> torch.Tensor:
    """Boxes of many sizes and shapes."""
    rng = torch.Generator().manual_seed(seed)
    corner = side * torch.rand(n, 2, generator=rng)
    return torch.cat([corner, corner + 1 + 0.6 * side * torch.rand(n, 2, generator=rng)], dim=1)


def some_scores(n: int, seed: int, levels: int | None = None) -> torch.Tensor:
    """Scores that all differ, or that have few levels."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(levels, (n,), generator=rng) / levels if levels else torch.randperm(n, generator=rng) / n


# --- IoU --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(30, 40), (1, 7), (0, 5), (5, 0), (0, 0)])
def test_iou_is_torchvision_s(n, m):
    a, b = some_boxes(n, 0), some_boxes(m, 1)
    assert_close(ours.iou(a, b), ops.box_iou(a, b), rtol=1e-6, atol=0)
    assert ours.iou(a, b).shape == (n, m)


@given(st.lists(st.tuples(*[st.integers(-4, 4)] * 2, *[st.integers(0, 4)] * 2), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_iou_of_boxes_without_an_area_is_0(drawn):
    """torchvision divides 0 by 0 where both boxes have no area; everywhere else the two agree."""
    boxes = torch.tensor([(x, y, x + w, y + h) for x, y, w, h in drawn]).float()
    assert_close(ours.iou(boxes, boxes), ops.box_iou(boxes, boxes).nan_to_num(0), rtol=1e-6, atol=0)


def test_iou_of_very_small_boxes_is_still_a_quotient():
    boxes = 1e-12 * some_boxes(9, 3)
    assert_close(ours.iou(boxes, boxes), ops.box_iou(1e12 * boxes, 1e12 * boxes), rtol=1e-4, atol=1e-5)


def test_iou_changes_neither_box_and_has_torchvision_s_gradient():
    a, b = some_boxes(5, 0).double(), some_boxes(6, 1).double()
    kept = a.clone(), b.clone()
    slopes = []
    for way in (ours.iou, ops.box_iou):
        x = a.clone().requires_grad_()
        slopes.append(torch.autograd.grad(way(x, b).square().sum(), x)[0])
    assert_close(*slopes)
    assert_close((a, b), kept)


def test_a_corner_that_is_no_number_stays_one():
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, float("nan"), 1, 1]])
    assert ours.iou(boxes, boxes).isnan().tolist() == [[False, True], [True, True]]


def test_iou_of_pairs_is_the_diagonal_of_all():
    a, b = some_boxes(12, 0), some_boxes(12, 1)
    assert_close(ours.iou_of_pairs(a, b), ours.iou(a, b).diagonal())


# --- forms and offsets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 50])
def test_centres_corners_and_areas_are_torchvision_s(n):
    boxes = some_boxes(n, 0)
    assert_close(ours.centre_form(boxes), ops.box_convert(boxes, "xyxy", "cxcywh"))
    assert_close(ours.corner_form(ours.centre_form(boxes)), boxes)
    assert_close(ours.area(boxes), ops.box_area(boxes))


def test_offsets_are_those_of_torchvision_s_coder():
    boxes, defaults = some_boxes(40, 0), some_boxes(40, 1)
    coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
    offsets = ours.encode(boxes, defaults)
    assert_close(offsets, coder.encode_single(boxes, defaults), rtol=1e-4, atol=1e-4)
    assert_close(ours.decode(offsets, defaults), coder.decode_single(offsets, defaults), rtol=1e-4, atol=1e-3)


@given(st.integers(0, 1000), st.sampled_from([(0.1, 0.2), (1.0, 1.0), (0.05, 0.3)]))
@settings(max_examples=30, deadline=None)
def test_decoding_undoes_encoding(seed, variances):
    boxes, defaults = some_boxes(20, seed).double(), some_boxes(20, seed + 1).double()
    assert_close(ours.decode(ours.encode(boxes, defaults, variances), defaults, variances), boxes)


def test_one_set_of_default_boxes_serves_a_batch():
    offsets, defaults = torch.randn(3, 20, 4), some_boxes(20, 1)
    assert_close(ours.decode(offsets, defaults)[2], ours.decode(offsets[2], defaults))


def test_clipping_is_torchvision_s():
    boxes = some_boxes(60, 0) - 30
    assert_close(ours.clip(boxes, 50, 70), ops.clip_boxes_to_image(boxes, (50, 70)))


# --- suppression ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [ours.nms, ours.nms_one_by_one])
@pytest.mark.parametrize("n", [0, 1, 2, 127, 128, 129, 700])
@pytest.mark.parametrize(("threshold", "levels"), [(0.5, None), (0.25, 5), (0.0, None), (1.0, 3)])
def test_suppression_is_torchvision_s(way, n, threshold, levels):
    boxes, scores = some_boxes(n, n), some_scores(n, n + 1, levels)
    assert_close(way(boxes, scores, threshold), ops.nms(boxes, scores, threshold))


@given(
    st.lists(st.tuples(*[st.integers(0, 5)] * 2, *[st.integers(0, 4)] * 3), max_size=40),
    st.sampled_from([0.0, 0.25, 0.5, 0.75]),
)
@settings(max_examples=80, deadline=None)
def test_suppression_of_equal_flat_and_repeated_boxes_is_torchvision_s(drawn, threshold):
    boxes = torch.tensor([(x, y, x + w, y + h) for x, y, w, h, _ in drawn]).float().reshape(-1, 4)
    scores = torch.tensor([float(score) for *_, score in drawn])
    expected = ops.nms(boxes, scores, threshold)
    assert_close(ours.nms(boxes, scores, threshold), expected)
    assert_close(ours.nms_one_by_one(boxes, scores, threshold), expected)


def test_a_long_chain_is_settled_link_by_link():
    """Each box overlaps the next only: every second one stays, whatever the block."""
    left = torch.arange(300.0)
    chain = torch.stack([left, 0 * left, left + 1.5, 0 * left + 1], dim=1)
    assert ours.nms(chain, -left, 0.1).tolist() == list(range(0, 300, 2))


@pytest.mark.parametrize("n", [0, 1, 300, 4500])
def test_suppression_by_class_is_torchvision_s(n):
    boxes, scores = some_boxes(n, n) - 40, some_scores(n, n + 1)
    labels = torch.randint(1, 11, (n,), generator=torch.Generator().manual_seed(n))
    assert_close(
        ours.nms_by_class(boxes, scores, labels, 0.45),
        ops.batched_nms(boxes - boxes.min() if n else boxes, scores, labels, 0.45),
    )


@pytest.mark.parametrize("n", [200, 900])
def test_equal_scores_of_several_classes_keep_their_order(n):
    boxes, scores, labels = some_boxes(n, n), some_scores(n, 1, levels=4), torch.arange(n) % 3
    apart = boxes.double() + 1000.0 * labels[:, None]
    assert_close(ours.nms_by_class(boxes, scores, labels, 0.5), ops.nms(apart, scores.double(), 0.5))


@pytest.mark.parametrize("pairs", [300, 1000])
def test_of_many_classes_none_touches_another(pairs):
    """Hundreds of labels: single precision would be too coarse so far out."""
    boxes = torch.tensor([[0.0, 0, 0.01, 0.01], [0, 0, 0.01, 0.0052]]).repeat(pairs, 1)
    labels = torch.arange(1, pairs + 1).repeat_interleave(2)
    scores = some_scores(2 * pairs, 0)
    assert len(ours.nms_by_class(boxes, scores, labels, 0.519)) == pairs
    assert len(ours.nms_by_class(boxes, scores, labels, 0.521)) == 2 * pairs


# --- what the lesson tries out ----------------------------------------------------------------------------------------


def test_neighbours_have_the_overlap_that_was_asked_for():
    rng = np.random.default_rng(0)
    said = adjacent_crowd(0.5, 3, rng)
    assert set(said.objects.tolist()) <= set(range(6))
    means = torch.stack([said.boxes[said.objects == k].mean(dim=0) for k in range(2)])
    assert (means[1, 0] - means[0, 0]).item() == pytest.approx(1 / 3, abs=0.12)  # aside by (1 − q) / (1 + q)


def test_errors_count_objects_without_a_box_and_boxes_beyond_the_first():
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 0.9], [5, 5, 6, 6], [0, 0, 1, 0.2]])
    said = ours.Crowd(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.tensor([0, 1, 2, 2]))
    assert count_errors(said, 0.5) == pytest.approx((100 / 3, 100 / 3))
    assert count_errors(said, 0.95) == pytest.approx((0, 100 / 3))

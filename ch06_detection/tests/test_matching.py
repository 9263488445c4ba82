"""Matching agrees with torchvision's where the two rules do, and with a greedy loop where they do not."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.ops import box_iou

from ch06_detection.boxes import decode
from ch06_detection.default_boxes import GRIDS, RATIOS, SIZE, SIZES, default_boxes
from ch06_detection.multibox import is_first, match_batch, match_boxes, own_boxes

NONE = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}


@pytest.fixture(scope="module")
def defaults():
    return default_boxes((SIZE, SIZE), GRIDS, SIZES, RATIOS)


def random_target(n, seed, smallest=10.0):
    generator = torch.Generator().manual_seed(seed)
    corner, size = torch.rand((2, n, 2), generator=generator)
    size = smallest + size * 60
    corner = corner * (SIZE - size)
    labels = torch.randint(1, 11, (n,), generator=generator)
    return {"boxes": torch.cat([corner, corner + size], dim=1), "labels": labels}


def greedy(overlaps, images):
    """The rule, literally: repeatedly take the remaining pair with the highest IoU."""
    overlaps, own, taken = overlaps.clone(), np.full(len(overlaps), -1), set()
    for flat in overlaps.flatten().argsort(descending=True, stable=True).tolist():
        row, column = divmod(flat, overlaps.shape[1])
        if overlaps[row, column] > 0 and own[row] < 0 and (int(images[row]), column) not in taken:
            own[row] = column
            taken.add((int(images[row]), column))
    return own.tolist()


def torchvision_s(target, defaults, threshold=0.5):
    matched = SSDMatcher(threshold)(box_iou(target["boxes"], defaults))
    labels = torch.where(matched >= 0, target["labels"][matched.clamp(min=0)], 0)
    return labels, matched


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_matches_are_torchvision_s_where_no_two_objects_want_the_same_box(defaults, threshold):
    compared = 0
    for seed in range(40):
        target = random_target(1 + seed % 6, seed)
        best = box_iou(target["boxes"], defaults).argmax(dim=1)
        if len(best.unique()) == len(best):
            said, which = match_boxes(target["boxes"], target["labels"], defaults, threshold)
            labels, matched = torchvision_s(target, defaults, threshold)
            assert_close(said, labels)
            assert_close(which[said > 0], matched[matched >= 0])
            compared += 1
    assert compared > 20


def test_two_objects_that_want_the_same_box_both_get_one(defaults):
    box = defaults[700]
    target = {"boxes": torch.stack([box + 0.5, box, box - 1]), "labels": torch.tensor([1, 2, 3])}
    said, which = match_boxes(target["boxes"], target["labels"], defaults, threshold=0.999)
    assert sorted(said[said > 0].tolist()) == [1, 2, 3]
    assert said[700] == 2  # which overlaps it most
    assert which[700] == 1
    assert len(torchvision_s(target, defaults, 0.999)[0].unique()) == 2  # background and one: two have lost theirs


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 10), st.integers(1, 3), st.integers(0, 10_000))
def test_own_boxes_are_those_of_the_greedy_loop(objects, boxes, images, seed):
    rng = np.random.default_rng(seed)
    overlaps = rng.permutation(objects * boxes).reshape(objects, boxes) - 0.3 * objects * boxes
    overlaps = torch.tensor(overlaps.clip(0) / (objects * boxes), dtype=torch.float32)
    of = torch.tensor(np.sort(rng.integers(0, images, objects)))
    assert own_boxes(overlaps.clone(), of).tolist() == greedy(overlaps, of)


def test_first_to_ask():
    asked = is_first(torch.tensor([5, 3, 5, 9, 3, 5]))
    assert asked.tolist() == [True, True, False, True, False, False]
    assert is_first(torch.zeros(0, dtype=torch.long)).shape == (0,)


def test_the_threshold_itself_matches_and_the_better_object_has_the_box():
    defaults = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]])
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 4]])
    said, which = match_boxes(boxes, torch.tensor([4, 7]), defaults, 0.5)
    assert said.tolist() == [4, 7, 0]  # the second box: IoU 0.5 with the first object, 0.8 with the second
    assert which.tolist() == [0, 1, 0]
    said, _ = match_boxes(boxes[:1], torch.tensor([4]), defaults, 0.5)
    assert said.tolist() == [4, 4, 0]


def test_an_image_without_objects_is_background(defaults):
    said, which = match_boxes(NONE["boxes"], NONE["labels"], defaults)
    assert said.shape == which.shape == (len(defaults),)
    assert not said.any()
    for targets in ([NONE], [NONE, NONE, NONE]):
        said, offsets = match_batch(targets, defaults)
        assert said.shape == (len(targets), len(defaults))
        assert not said.any()
        assert not offsets.any()


def test_more_objects_than_boxes_and_objects_that_touch_none():
    defaults = torch.tensor([[0.0, 0, 10, 10], [10, 0, 20, 10]])
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 8, 8], [1, 1, 9, 9], [50, 50, 60, 60], [3, 3, 3, 3]])
    said, offsets = match_batch([{"boxes": boxes, "labels": torch.arange(1, 6)}], defaults)
    assert said.tolist() == [[1, 0]]
    assert offsets.isfinite().all()


def test_a_batch_is_its_images_one_by_one(defaults):
    targets = [random_target(3, 0), NONE, random_target(6, 1), random_target(1, 2), NONE]
    said, offsets = match_batch(targets, defaults)
    for target, labels, found in zip(targets, said, offsets, strict=True):
        expected, which = match_boxes(target["boxes"], target["labels"], defaults)
        assert_close(labels, expected)
        positive = labels > 0
        assert not found[~positive].any()
        if positive.any():
            theirs = BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(
                target["boxes"][which[positive]], defaults[positive]
            )
            assert_close(found[positive], theirs, rtol=1e-5, atol=1e-5)
            back = decode(found[positive], defaults[positive])
            assert_close(back, target["boxes"][which[positive]], rtol=0, atol=1e-3)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 8), st.integers(0, 10_000))
def test_every_object_has_a_box(n, seed):
    defaults = default_boxes((SIZE, SIZE), GRIDS, SIZES, RATIOS)
    target = random_target(n, seed, smallest=2.0)
    said, which = match_boxes(target["boxes"], target["labels"], defaults)
    assert set(which[said > 0].tolist()) == set(range(n))
    assert_close(said[said > 0], target["labels"][which[said > 0]])

"""IoU of masks against pycocotools, and which predicted instance matches which object."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pycocotools import mask as mask_codec

from common.metrics.detection import Evaluation
from common.metrics.masks import areas, mask_iou, match_masks
from tests.metrics.made_detections import made, with_masks


def cocos(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """pycocotools' IoU; it answers [] where there is nothing to compare."""
    packed = [mask_codec.encode(np.asfortranarray(m.transpose(1, 2, 0).astype(np.uint8))) for m in (a, b)]
    return np.reshape(mask_codec.iou(*packed, [0] * len(b)), (len(a), len(b)))


@given(
    st.tuples(st.integers(0, 7), st.integers(0, 7)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_iou_is_pycocotools(numbers, size, density, seed):
    """Any size, multiples of 64 pixels or not; empty, sparse and full masks."""
    rng = np.random.default_rng(seed)
    a, b = (rng.random((n, *size)) < density * rng.random((n, 1, 1)) ** 0.2 for n in numbers)
    assert_array_equal(mask_iou(a, b), cocos(a, b))


def test_iou_of_large_blobs_is_pycocotools_and_one_with_itself():
    y, x = np.mgrid[:200, :310]
    rng = np.random.default_rng(0)
    centre, radius = rng.uniform(0, 200, (2, 40, 1, 1)), rng.uniform(5, 90, (2, 40, 1, 1))
    blobs = ((y - centre[0]) / radius[0]) ** 2 + ((x - centre[1]) / radius[1]) ** 2 < 1
    values = mask_iou(blobs[:15], blobs)
    assert_array_equal(values, cocos(blobs[:15], blobs))
    assert_array_equal(values[:, :15].diagonal(), 1)
    assert_array_equal(areas(blobs), blobs.sum(axis=(1, 2)))


def test_empty_masks_and_no_masks_have_no_overlap():
    empty = np.zeros((2, 9, 9), bool)
    assert_array_equal(mask_iou(empty, empty), np.zeros((2, 2)))
    assert mask_iou(empty[:0], empty).shape == (0, 2)
    assert mask_iou(empty, empty[:0]).shape == (2, 0)
    assert_array_equal(mask_iou(np.zeros((1, 0, 5), bool), np.zeros((1, 0, 5), bool)), [[0]])


def strips(*ranges: tuple[int, int]) -> np.ndarray:
    """Masks of 4 × 20 pixels, each from one column to another."""
    columns = np.arange(20)
    return np.array([np.tile((columns >= a) & (columns < b), (4, 1)) for a, b in ranges])


def test_the_higher_score_takes_the_object_and_the_next_one_takes_what_is_left():
    objects = strips((0, 10), (2, 12))
    masks = strips((1, 11), (0, 10), (0, 10), (15, 20))
    matched, overlap = match_masks(masks, np.array([0.6, 0.7, 0.9, 0.8]), objects)
    assert matched.tolist() == [-1, 1, 0, -1]  # the first fits object 1 better than the second does, but comes later
    assert_allclose(overlap, [0, 8 / 12, 1, 0])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
def test_matches_are_those_of_the_evaluation(seed, threshold):
    """Which pycocotools' average precision holds; with equal scores and equal overlaps."""
    detections, targets = made(seed, whole=seed % 2 == 0, levels=5, images=10)
    with_masks(detections, targets)
    for one in (*detections, *targets):
        one["labels"] = torch.ones_like(one["labels"])
    matches = Evaluation(detections, targets, 1, (threshold,), iou_of="masks").matches
    for image, (found, there) in enumerate(zip(detections, targets, strict=True)):
        objects, scores = there["masks"].numpy(), found["scores"].numpy()
        matched, overlap = match_masks(found["masks"].numpy(), scores, objects, threshold)
        own = np.flatnonzero(matches.detections.images == image)
        items = matches.detections.items[own]
        truth = matches.truth[0, own]
        assert_array_equal(
            np.where(truth >= 0, matches.truths.items[truth], -1) if len(objects) else truth, matched[items]
        )
        assert_array_equal(matches.iou[0, own], overlap[items])


def test_of_equal_scores_the_first_and_of_equal_overlaps_the_last():
    objects = strips((0, 10), (4, 14))
    assert match_masks(strips((2, 12)), np.array([0.5]), objects)[0].tolist() == [1]
    assert match_masks(strips((0, 10), (0, 10)), np.array([0.5, 0.5]), objects[:1])[0].tolist() == [0, -1]


def test_a_threshold_is_reached_and_one_of_1_asks_for_the_same_pixels():
    objects = strips((0, 10))
    assert match_masks(strips((0, 5)), np.array([0.5]), objects, 0.5)[0].tolist() == [0]
    assert match_masks(strips((0, 5)), np.array([0.5]), objects, 0.51)[0].tolist() == [-1]
    assert match_masks(strips((0, 10)), np.array([0.5]), objects, 1.0)[0].tolist() == [0]


def test_nothing_predicted_or_nothing_there_matches_nothing():
    assert match_masks(strips((0, 3)), np.array([0.5]), strips((0, 3))[:0])[0].tolist() == [-1]
    assert match_masks(strips((0, 3))[:0], np.zeros(0), strips((0, 3)))[0].tolist() == []


@pytest.mark.parametrize(
    ("masks", "scores", "message"),
    [
        (np.zeros((1, 4, 20), bool), [0.5, 0.4], "1 masks but 2 scores"),
        (np.zeros((2, 4, 20), bool), [0.5, np.nan], "the score of mask 1 is not a number"),
        (np.zeros((1, 4, 10), bool), [0.5], r"masks of \(4, 10\) pixels and of \(4, 20\) pixels"),
    ],
)
def test_what_cannot_be_matched_is_named(masks, scores, message):
    with pytest.raises(ValueError, match=message):
        match_masks(masks, np.array(scores), strips((0, 3)))

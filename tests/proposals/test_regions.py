"""Regions of selective search: masks against the hierarchy's boxes, unions, the order, what has no region."""

from dataclasses import replace

import numpy as np
import pytest

from common import pools
from common.data import Scale
from common.data.scenes import scenes
from common.errors import Problem
from common.proposals.hierarchy import FAST, grouped_maps, proposals
from common.proposals.regions import LARGEST_SHARE, members_of, propose_all_regions, propose_regions

EVERY = replace(FAST, most=10_000)


@pytest.fixture(scope="module")
def image():
    return scenes(Scale("smoke")).validation.images[0]


@pytest.fixture(scope="module")
def found(image):
    return propose_regions(image, EVERY)


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_each_mask_fills_the_box_that_the_hierarchy_has_for_it(found):
    masks = found.masks()
    assert masks.shape == (len(found), 128, 128)
    assert [box_of(mask) for mask in masks] == found.boxes.astype(int).tolist()


def test_the_boxes_are_those_that_selective_search_proposes(image, found):
    boxes = {tuple(box) for box in proposals(image, EVERY, 0)}
    own = {tuple(box) for box in found.boxes}
    assert own <= boxes
    assert len(own) > 0.9 * len(boxes)  # all but those that cover nearly everything


def test_a_union_has_the_pixels_of_its_two_parts_and_no_others(image):
    for labels, tree in grouped_maps(image, FAST):
        masks = members_of(tree)[:, labels]
        assert np.array_equal(masks[: tree.segments].sum(axis=0), np.ones(labels.shape))  # segments share no pixel
        for union, (a, b) in enumerate(tree.parts):
            assert not (masks[a] & masks[b]).any()
            assert np.array_equal(masks[tree.segments + union], masks[a] | masks[b])
        assert masks[-1].all()


def test_masks_differ_and_none_is_nearly_the_whole_picture(found):
    masks = found.masks()
    assert len(np.unique(masks.reshape(len(masks), -1), axis=0)) == len(masks)
    assert masks.mean(axis=(1, 2)).max() <= LARGEST_SHARE


def test_regions_are_sets_of_their_hierarchy_s_segments(found):
    for region in range(0, len(found), 17):
        mask, segments = found.masks()[region], found.segments(region)
        for number in np.unique(segments[mask]):
            assert mask[segments == number].all()


def test_a_row_and_a_column_that_the_reduction_cuts_off_belong_to_no_region(image):
    regions = propose_regions(np.ascontiguousarray(image[:71, :61]))
    masks = regions.masks()
    assert masks.shape[1:] == (71, 61)
    assert not masks[:, 70].any()
    assert not masks[:, :, 60].any()
    assert (regions.segments(0)[70] == -1).all()
    assert masks[:, 69].any()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_of_one_colour_has_no_region(value):
    regions = propose_regions(np.full((64, 64, 3), value, np.uint8))
    assert len(regions) == 0
    assert regions.masks().shape == (0, 64, 64)


def test_a_picture_that_is_too_small_is_a_problem():
    with pytest.raises(Problem, match="pixels"):
        propose_regions(np.zeros((3, 3, 3), np.uint8))


def test_most_and_the_order_hold_for_many_pictures_as_for_one(image, monkeypatch):
    pictures = np.stack([image, image[::-1], image[:, ::-1]])
    alone = [propose_regions(each) for each in pictures]
    monkeypatch.setattr(pools, "CHUNK", 2)
    together = propose_all_regions(pictures)
    for a, b in zip(alone, together, strict=True):
        assert len(a) <= FAST.most
        assert np.array_equal(a.masks(), b.masks())
        assert np.array_equal(a.take(slice(5)).boxes, b.boxes[:5])

"""GrabCut against OpenCV's, the minimum cut against all cuts of small graphs, and boxes that leave no choice."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.optimize import linprog

from ch07_applications.segmentation import grabcut as module
from ch07_applications.segmentation.grabcut import MARGIN, Contrast, grabcut, minimum_cut
from common.data import Scale
from common.data.scenes import scenes


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def disc(colour, background, size=48, radius=12, noise=4.0):
    """A disc in noise, its mask and its box."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - size // 2
    mask = y**2 + x**2 < radius**2
    picture = np.where(mask[..., None], colour, background) + noise * rng.normal(size=(size, size, 3))
    low, high = size // 2 - radius + 1, size // 2 + radius
    return picture.clip(0, 255).astype(np.uint8), mask, (low, low, high, high)


# --- The energy -------------------------------------------------------------------------------------------------------


def test_each_pair_of_neighbours_costs_what_the_paper_says():
    """The costs equal those of loops: γ exp(−‖z_m − z_n‖² / (2 ⟨‖z_m − z_n‖²⟩)) / distance, over all pairs among eight
    neighbours.
    """
    picture = np.random.default_rng(0).uniform(0, 255, (4, 5, 3))
    pairs = {}
    for y, x, dy, dx in product(range(4), range(5), (-1, 0, 1), (-1, 0, 1)):
        if (dy, dx) != (0, 0) and 0 <= y + dy < 4 and 0 <= x + dx < 5:
            squared = ((picture[y, x] - picture[y + dy, x + dx]) ** 2).sum()
            pairs[frozenset((5 * y + x, 5 * (y + dy) + x + dx))] = squared, np.hypot(dy, dx)
    beta = 1 / (2 * np.mean([squared for squared, _ in pairs.values()]))
    contrast = Contrast(picture)
    found = {frozenset(pair): cost for *pair, cost in zip(contrast.first, contrast.second, contrast.cost, strict=True)}
    assert found.keys() == pairs.keys()
    for pair, (squared, distance) in pairs.items():
        assert found[pair] == pytest.approx(50 * np.exp(-beta * squared) / distance)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_no_cut_is_cheaper(seed, n):
    """All 2ⁿ labellings: the source's side of an edge pays the sink's cost, and the other way round."""
    rng = np.random.default_rng(seed)
    source, sink = rng.integers(0, 20, (2, n)).astype(float)
    first, second = np.triu_indices(n, 1)
    cost = rng.integers(0, 9, len(first)).astype(float)

    def energy(alpha):
        return (source * ~alpha + sink * alpha).sum() + (cost * (alpha[first] != alpha[second])).sum()

    cut = minimum_cut(source, sink, first, second, cost)
    assert energy(cut) == min(energy(np.array(some)) for some in product((False, True), repeat=n))


def test_a_minimum_cut_is_a_linear_program_s():
    """The relaxation to [0, 1] has the same minimum: 12 × 12 pixels with random costs."""
    rng = np.random.default_rng(1)
    contrast = Contrast(rng.uniform(0, 255, (6, 6, 3)), gamma=5)
    source, sink = rng.integers(0, 20, (2, 36)).astype(float)
    cost = np.rint(100 * contrast.cost) / 100
    cut = minimum_cut(source, sink, contrast.first, contrast.second, cost)
    pairs = len(cost)
    rows = np.zeros((2 * pairs, 36 + pairs))  # z ≥ x_m − x_n and z ≥ x_n − x_m
    k = np.arange(pairs)
    rows[k, contrast.first], rows[k, contrast.second], rows[k, 36 + k] = 1, -1, -1
    rows[pairs + k, contrast.first], rows[pairs + k, contrast.second], rows[pairs + k, 36 + k] = -1, 1, -1
    lowest = linprog(np.r_[sink - source, cost], rows, np.zeros(2 * pairs), bounds=[(0, 1)] * (36 + pairs)).fun
    energy = ((sink - source) * cut).sum() + (cost * (cut[contrast.first] != cut[contrast.second])).sum()
    assert energy == pytest.approx(lowest, abs=1e-6)


# --- Against OpenCV ---------------------------------------------------------------------------------------------------


def opencv_s(image, box):
    """cv2.grabCut on the same surroundings of the box, as many iterations."""
    x1, y1, x2, y2 = map(int, box)
    around = slice(max(0, y1 - MARGIN), y2 + MARGIN), slice(max(0, x1 - MARGIN), x2 + MARGIN)
    marks = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    marks[y1:y2, x1:x2] = cv2.GC_PR_FGD
    crop, found = np.ascontiguousarray(image[around]), np.ascontiguousarray(marks[around])
    cv2.setRNGSeed(0)
    cv2.grabCut(crop, found, None, np.zeros((1, 65)), np.zeros((1, 65)), module.ITERATIONS, cv2.GC_INIT_WITH_MASK)
    mask = np.zeros(image.shape[:2], bool)
    mask[around] = found == cv2.GC_PR_FGD
    return mask if mask.any() else marks == cv2.GC_PR_FGD


def test_it_cuts_out_what_opencv_cuts_out():
    part = scenes(Scale("smoke")).validation
    boxes = [
        (image, box, mask)
        for image, target, masks in zip(part.images, part.targets, part.masks, strict=True)
        for box, mask in zip(target["boxes"].tolist(), masks, strict=True)
    ]
    ours, theirs = ([cut(image, box) for image, box, _ in boxes] for cut in (grabcut, opencv_s))
    agreement = [iou(a, b) for a, b in zip(ours, theirs, strict=True)]
    assert len(boxes) > 40
    assert np.mean(np.array(agreement) > 0.9) > 0.85  # where a mixture starts elsewhere, a cut may go another way
    assert np.median(agreement) > 0.99
    truth = [np.mean([iou(a, mask) for a, (*_, mask) in zip(some, boxes, strict=True)]) for some in (ours, theirs)]
    assert abs(truth[0] - truth[1]) < 0.03
    assert truth[0] > 0.8


# --- Properties -------------------------------------------------------------------------------------------------------


def test_a_disc_is_found_to_the_pixel():
    image, mask, box = disc((200, 60, 40), (40, 90, 160))
    assert iou(grabcut(image, box), mask) > 0.98


def test_nothing_outside_the_box_is_the_object_s():
    image, _, _ = disc((200, 60, 40), (40, 90, 160))
    cut = grabcut(image, (20, 14, 40, 30))
    outside = np.ones_like(cut)
    outside[14:30, 20:40] = False
    assert cut.any()
    assert not cut[outside].any()


def test_the_same_again_gives_the_same():
    image, _, box = disc((120, 100, 90), (90, 100, 120), noise=25)
    assert_array_equal(grabcut(image, box), grabcut(image, box))


def test_pixels_far_from_the_box_do_not_matter():
    image, _, box = disc((200, 60, 40), (40, 90, 160), size=96)
    other = image.copy()
    other[:20], other[:, -20:] = 255, 7
    assert_array_equal(grabcut(image, box), grabcut(other, box))


def full(shape, box):
    mask = np.zeros(shape, bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


@pytest.mark.parametrize(
    ("image", "box"),
    [
        (np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8), (0, 0, 30, 20)),  # no background left
        (np.full((40, 40, 3), 90, np.uint8), (10, 10, 30, 30)),  # one colour: no object in the cut
        (np.full((40, 40, 3), 0, np.uint8), (39, 39, 40, 40)),  # one pixel
        (np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8), (5, 5, 6, 6)),
        (np.full((1, 2, 3), 5, np.uint8), (0, 0, 1, 1)),
    ],
)
def test_where_the_cut_leaves_nothing_the_box_remains(image, box):
    cut = grabcut(image, box)
    assert cut.any()
    whole = full(image.shape[:2], box)
    assert_array_equal(cut, whole)


def test_a_box_that_reaches_beyond_the_image_is_cut_off():
    image, _, _ = disc((200, 60, 40), (40, 90, 160))
    assert_array_equal(grabcut(image, (-20.0, -3.0, 30.0, 30.0)), grabcut(image, (0, 0, 30, 30)))
    assert_array_equal(grabcut(image, (10.4, 9.6, 29.5, 30.4)), grabcut(image, (10, 10, 30, 30)))


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (60, 0, 70, 10), (-9, -9, -1, -1), (9, 9, 5, 5), (np.nan, 0, 5, 5)])
def test_a_box_without_a_pixel_is_refused(box):
    with pytest.raises(ValueError, match="box"):
        grabcut(np.zeros((48, 48, 3), np.uint8), box)

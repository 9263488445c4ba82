"""Segments and hierarchies against scikit-image, plain loops, and a greedy grouping that starts anew at every step."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import convolve
from skimage.color import rgb2lab
from skimage.measure import regionprops
from skimage.transform import downscale_local_mean

from common import data, pools
from common.errors import Problem
from common.proposals.grouping import FAST, QUALITY, Settings, propose, propose_all
from common.proposals.hierarchy import grouped_maps, grow, likeness, ranked, reduced
from common.proposals.segments import (
    BINS,
    DIRECTIONS,
    colour_bins,
    cut_up,
    extents,
    histograms,
    in_space,
    measured,
    texture_bins,
    touching,
)

SETS = ("ctsf", "csf", "tsf", "sf", "c", "t", "f")
LARGE = Settings(most=10_000)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A part of a photo, small and not square."""
    return np.ascontiguousarray(data.photo("astronaut")[60:108, 200:261])


@pytest.fixture(scope="module")
def parts(photo) -> tuple:
    """Its segments in HSV, and the bins of its pixels."""
    picture = in_space(photo, "HSV")
    return cut_up(picture, 50, 0.5, 10), {"c": colour_bins(picture), "t": texture_bins(picture)}


def kinds(bins: dict, which: str) -> dict:
    return {kind: bins[kind] for kind in bins if kind in which}


def scribble(seed: int, height: int = 9, width: int = 11, segments: int = 6) -> np.ndarray:
    """Labels of any shape, with holes and islands; every number is there."""
    labels = np.random.default_rng(seed).integers(0, segments, (height, width))
    labels.flat[:segments] = np.arange(segments)
    return labels


# --- what is measured on segments ---------------------------------------------------------------------------------


def test_colour_spaces(photo):
    rgb = photo / 255
    pixels = [(0, 0), (10, 20), (47, 60)]
    for y, x in pixels:
        assert_allclose(in_space(photo, "HSV")[y, x], colorsys.rgb_to_hsv(*rgb[y, x]), atol=1e-5)
        assert_allclose(in_space(photo, "rgI")[y, x], [*(rgb[y, x] / rgb[y, x].sum())[:2], rgb[y, x].mean()], atol=1e-5)
    assert_allclose(in_space(photo, "Lab") * (100, 255, 255) - (0, 128, 128), rgb2lab(photo), atol=1e-2)
    assert_allclose(in_space(photo, "RGB"), rgb, atol=1e-6)
    assert_allclose(in_space(photo, "I")[..., 0], rgb.mean(axis=2), atol=1e-6)


@pytest.mark.parametrize("space", ["RGB", "I", "HSV", "Lab", "rgI"])
def test_channels_are_from_0_to_1_whatever_the_colour(space):
    corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255]), np.uint8).reshape(3, 2, 4).transpose(1, 2, 0)
    picture = in_space(np.ascontiguousarray(corners), space)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert colour_bins(picture).max() == BINS["c"] - 1


def test_a_colour_space_that_is_not_here(photo):
    with pytest.raises(ValueError, match=r"space must be one of RGB, .*'CMYK'"):
        in_space(photo, "CMYK")


def test_histograms_are_numpy_s(parts):
    labels, bins = parts
    for kind, count in BINS.items():
        ours = histograms(labels, bins[kind], count)
        assert_allclose(ours.sum(axis=1), 1)
        for segment in range(labels.max() + 1):
            pixels = bins[kind][labels == segment]
            theirs = [np.histogram(channel, np.arange(count + 1) - 0.5)[0] for channel in pixels.T]
            assert_allclose(ours[segment], np.concatenate(theirs) / pixels.size)


def test_texture_is_a_derivative_in_each_direction(photo):
    """Against a convolution with the derivative of a Gaussian, drawn out for each direction."""
    picture = in_space(photo, "I")
    y, x = np.mgrid[-4:5, -4:5]
    gauss = np.exp(-(x**2 + y**2) / 2)
    slopes = []
    for turn in range(DIRECTIONS):
        angle = 2 * np.pi * turn / DIRECTIONS
        kernel = gauss * (np.cos(angle) * x + np.sin(angle) * y) / gauss.sum()
        slopes.append(convolve(picture[..., 0].astype(float), kernel[::-1, ::-1], mode="reflect"))
    slopes = np.stack(slopes, axis=2)
    theirs = np.clip(BINS["t"] * slopes / slopes.max(), 0, BINS["t"] - 1).astype(int)
    ours = texture_bins(picture)
    assert ours.shape == theirs.shape
    assert ours.max() == BINS["t"] - 1
    assert np.mean(ours == theirs) > 0.99
    assert np.abs(ours - theirs).max() <= 1


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_extents_are_scikit_image_s(seed):
    labels = scribble(seed)
    boxes = [(-x1, -y1, x2, y2) for y1, x1, y2, x2 in (region.bbox for region in regionprops(labels + 1))]
    assert_array_equal(extents(labels), boxes)


@given(seed=st.integers(0, 2**32 - 1), segments=st.integers(1, 30))
@settings(max_examples=20, deadline=None)
def test_who_touches_whom(seed, segments):
    labels = scribble(seed, segments=segments)
    pairs = set()
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            for other in (labels[y : y + 2, x][-1], labels[y, x : x + 2][-1]):
                if other != labels[y, x]:
                    pairs.add((min(labels[y, x], other), max(labels[y, x], other)))
    assert {tuple(pair) for pair in touching(labels).tolist()} == pairs
    assert len(touching(labels)) == len(pairs)


# --- likeness and growth ------------------------------------------------------------------------------------------


def plain_likeness(a: np.ndarray, b: np.ndarray, bins: dict, which: str) -> float:
    """Two masks' likeness, from their pixels."""
    total = 0.0
    for kind in kinds(bins, which):
        counts = []
        for mask in (a, b):
            pixels = bins[kind][mask]
            counts.append([np.bincount(channel, minlength=BINS[kind]) / pixels.size for channel in pixels.T])
        total += np.minimum(*counts).sum()
    if "s" in which:
        total += 1 - (a.sum() + b.sum()) / a.size
    if "f" in which:
        y, x = np.nonzero(a | b)
        box = (np.ptp(y) + 1) * (np.ptp(x) + 1)
        total += 1 - (box - a.sum() - b.sum()) / a.size
    return total


def plain_grouping(labels: np.ndarray, bins: dict, which: str) -> tuple[list, list]:
    """Algorithm 1, everything from pixels at every step: (parts of the unions, boxes of all regions)."""
    masks = {number: labels == number for number in range(labels.max() + 1)}
    beside = {frozenset(pair) for pair in touching(labels).tolist()}
    merged, memory = [], {}
    everything = list(masks.values())
    while len(masks) > 1:
        for pair in beside - set(memory):
            memory[pair] = plain_likeness(*(masks[number] for number in pair), bins, which)
        pair = max(beside, key=memory.get)
        union = len(everything)
        mask = np.logical_or(*(masks.pop(number) for number in pair))
        everything.append(mask)
        masks[union] = mask
        merged.append(set(pair))
        beside = {frozenset(union if n in pair else n for n in other) for other in beside if other != pair}
    boxes = []
    for mask in everything:
        y, x = np.nonzero(mask)
        boxes.append((x.min(), y.min(), x.max() + 1, y.max() + 1))
    return merged, boxes


@pytest.mark.parametrize("which", SETS)
def test_likeness_is_that_of_the_pixels_and_symmetric(parts, which):
    labels, bins = parts
    these = measured(labels, kinds(bins, which))
    i, j = these.pairs.T
    ours = likeness(these, i, j, which)
    assert_allclose(ours, likeness(these, j, i, which))
    theirs = [plain_likeness(labels == a, labels == b, bins, which) for a, b in these.pairs]
    assert_allclose(ours, theirs, atol=1e-12)
    assert ours.min() >= 0
    assert ours.max() <= len(which) + 1e-9


def test_size_and_fill_together_are_the_box_of_both(parts):
    """The sizes cancel: 2 − (area of the joint box) / (area of the picture)."""
    labels, _ = parts
    these = measured(labels, {})
    i, j = these.pairs.T
    left, top, right, bottom = np.maximum(these.extents[i], these.extents[j]).T
    assert_allclose(likeness(these, i, j, "sf"), 2 - (left + right) * (top + bottom) / labels.size)


@pytest.mark.parametrize("which", [*SETS[:-1], "cf"])  # fill alone leaves pairs that are alike to the last digit
def test_growth_is_the_plain_one_s(parts, which):
    """Histograms, sizes and boxes of unions never saw a pixel; were one wrong, another pair would be next."""
    labels, bins = parts
    labels = labels[:30, :30]
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    bins = {kind: each[:30, :30] for kind, each in bins.items()}
    tree = grow(measured(labels, kinds(bins, which)), which)
    merged, boxes = plain_grouping(labels, bins, which)
    assert tree.segments == labels.max() + 1 > 10
    assert [set(pair) for pair in tree.parts.tolist()] == merged
    assert_array_equal(tree.boxes, boxes)


def test_growing_leaves_what_was_measured(parts):
    labels, bins = parts
    these, again = measured(labels, bins), measured(labels, bins)
    grow(these, "ctsf")
    assert_array_equal(these.histograms, again.histograms)
    assert_array_equal(these.extents, again.extents)
    assert_array_equal(these.sizes, again.sizes)


def test_every_region_s_box_holds_its_pixels_and_no_more(parts):
    labels, bins = parts
    tree = grow(measured(labels, bins), "ctsf")
    for left in range(1, tree.segments + 1):
        regions = tree.regions_of(left)
        assert len(np.unique(regions)) == left
        for number in np.unique(regions):
            y, x = np.nonzero(regions[labels] == number)
            assert_array_equal(tree.boxes[number], (x.min(), y.min(), x.max() + 1, y.max() + 1))
    assert_array_equal(tree.boxes[-1], (0, 0, labels.shape[1], labels.shape[0]))


# --- proposals ----------------------------------------------------------------------------------------------------


def test_a_smaller_picture_is_scikit_image_s(photo):
    theirs = downscale_local_mean(photo, (3, 3, 1))[:16, :20]
    assert_allclose(reduced(photo, 3), theirs, atol=0.501)
    assert reduced(photo, 1) is photo


def test_there_is_a_hierarchy_for_every_choice(photo):
    asked = Settings(("HSV", "I"), ks=(20.0, 60.0, 90.0), similarities=("ctsf", "sf"))
    assert len(list(grouped_maps(photo, asked))) == 2 * 3 * 2


class Ones(np.random.Generator):
    """A generator whose random numbers are all 1."""

    def random(self, n: int) -> np.ndarray:
        return np.ones(n)


def test_ranks_go_from_the_top_down_and_a_box_comes_once():
    first = np.array([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 9, 9]], float)  # the whole is the last
    second = np.array([[5, 5, 6, 6], [0, 0, 1, 1], [0, 0, 9, 9]], float)
    boxes = ranked([first, second], Ones(np.random.PCG64()))
    assert boxes.tolist() == [[0, 0, 9, 9], [0, 0, 2, 2], [0, 0, 1, 1], [5, 5, 6, 6]]


def test_random_numbers_move_boxes_no_further_than_their_level_lets_them():
    """The top has a rank below 1: it comes before every box whose rank is above."""
    boxes = np.array([[0, 0, n, n] for n in range(1, 401)], float)
    places = [ranked([boxes], np.random.default_rng(seed)).tolist().index([0, 0, 400, 400]) for seed in range(50)]
    bottom = [ranked([boxes], np.random.default_rng(seed)).tolist().index([0, 0, 1, 1]) for seed in range(50)]
    assert np.mean(places) < 10
    assert np.mean(bottom) > 100
    assert len(set(bottom)) > 25


@pytest.mark.parametrize("settings", [FAST, QUALITY], ids=["fast", "quality"])
def test_proposals_lie_in_the_picture_and_differ(photo, settings):
    boxes = propose(photo, settings)
    assert boxes.dtype == torch.float32
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= photo.shape[1]).all()
    assert (boxes[:, 3] <= photo.shape[0]).all()
    assert (boxes[:, 2:] - boxes[:, :2]).min() >= settings.smallest
    assert len(torch.unique(boxes, dim=0)) == len(boxes) > 20
    assert len(boxes) <= settings.most


def test_proposals_have_the_sizes_that_are_wanted_or_any_where_none_has(photo):
    sides = [box[2:] - box[:2] for box in propose(photo, replace(LARGE, smallest=9, largest=30))]
    assert min(float(side.min()) for side in sides) >= 9
    assert max(float(side.max()) for side in sides) <= 30
    assert torch.equal(propose(photo, replace(LARGE, largest=1)), propose(photo, replace(LARGE, smallest=0)))


def test_the_seed_decides_the_order_and_nothing_else(photo):
    boxes, again, other = (propose(photo, LARGE, seed) for seed in (0, 0, 1))
    assert torch.equal(boxes, again)
    assert not torch.equal(boxes, other)
    assert torch.equal(torch.unique(boxes, dim=0), torch.unique(other, dim=0))
    assert torch.equal(propose(photo, Settings(most=7)), boxes[:7])


@pytest.mark.parametrize("settings", [FAST, QUALITY], ids=["fast", "quality"])
@pytest.mark.parametrize("shape", [(40, 64), (9, 8), (11, 33)])
def test_one_colour_gives_one_box(shape, settings):
    boxes = propose(np.full((*shape, 3), 77, np.uint8), settings)
    height, width = (length // settings.step * settings.step for length in shape)
    assert boxes.tolist() == [[0, 0, width, height]]


def test_a_square_on_a_plain_ground_is_found():
    image = np.full((64, 64, 3), 40, np.uint8)
    image[20:44, 10:30] = (200, 60, 60)
    assert [10, 20, 30, 44] in propose(image).tolist()


def test_a_grey_picture_has_proposals(photo):
    grey = np.repeat(photo.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    assert len(propose(grey)) > 10


@pytest.mark.parametrize("shape", [(3, 40), (7, 1), (1, 1)])
def test_a_picture_that_is_too_small(shape):
    with pytest.raises(Problem, match="selective search needs"):
        propose(np.zeros((*shape, 3), np.uint8))


# --- many pictures ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    whole = data.photo("coffee")
    return np.stack([whole[y : y + 32, 100:132] for y in range(0, 20 * 8, 8)])


def test_many_pictures_are_each_proposed_alike_in_one_process_and_in_two(many, monkeypatch):
    each = [propose(image, seed=3) for image in many]
    alone = propose_all(many, workers=1, seed=3)
    monkeypatch.setattr(pools, "FEW", 2)
    for found in (alone, propose_all(many, workers=2, seed=3)):
        assert all(torch.equal(a, b) for a, b in zip(each, found, strict=True))


def test_no_picture_at_all():
    assert propose_all(np.zeros((0, 32, 32, 3), np.uint8)) == []


def test_one_picture_of_many_that_is_too_small(monkeypatch):
    monkeypatch.setattr(pools, "FEW", 2)
    with pytest.raises(Problem, match="selective search needs"):
        propose_all(np.zeros((5, 3, 3, 3), np.uint8))

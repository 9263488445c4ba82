"""Regions on the way to features: their order, the two crops, the coarse grid and its inverse, training examples."""

import numpy as np
import pytest
import torch

from ch07_applications.segmentation.mask_pasting import paste
from ch07_applications.segmentation.ranked_regions import (
    ALIKE,
    RankedRegions,
    contour_features,
    recall_of_regions,
    suppress,
)
from ch07_applications.segmentation.region_crops import (
    GRID,
    MARGIN,
    SIDE,
    TrunkFeatures,
    cut_out,
    describe_masks,
    describe_regions,
    hand_made_features,
    on_mean,
    project,
    with_margin,
)
from ch07_applications.segmentation.region_examples import OTHERS, PER_OBJECT, POSITIVE, boxes_of, gather
from common.data import Scale
from common.data.boxed import BoxedImages, Masks
from common.data.scenes import scenes
from common.data.weights import imagenet_grey
from common.metrics.masks import mask_iou
from common.proposals.regions import propose_regions


@pytest.fixture(scope="module")
def part():
    return scenes(Scale("smoke"), train_masks=True).train.take(slice(8))


@pytest.fixture(scope="module")
def ranked(part):
    return RankedRegions().fit(part)


@pytest.fixture(scope="module")
def found(ranked, part):
    return ranked.propose(part.images)


def small_crops(crops, inside):
    """Features that cost nothing: crops of 4 × 4."""
    return torch.nn.functional.adaptive_avg_pool2d(crops, 4).flatten(1)


def disc(size, x, y, radius):
    down, across = np.mgrid[:size, :size]
    return torch.from_numpy((across - x) ** 2 + (down - y) ** 2 <= radius**2)[None].float()


# Order


def test_the_ranking_puts_objects_first_and_lets_few_copies_pass(ranked, part, found):
    plain = RankedRegions().propose(part.images)
    ours, random = (recall_of_regions(own, part, (0.5,), [10])[0, 0] for own in (found, plain))
    assert ours > random + 0.1
    for regions in found:
        overlaps = mask_iou(regions.masks(), regions.masks())
        assert len(regions) <= ranked.most
        assert (overlaps - np.eye(len(overlaps))).max() <= ALIKE


def test_recall_counts_objects_that_a_region_covers_not_boxes(part):
    regions = [propose_regions(image) for image in part.images]
    best = np.concatenate(
        [mask_iou(part.masks[k], own.masks()).max(axis=1, initial=0) for k, own in enumerate(regions)]
    )
    recall = recall_of_regions(regions, part, (0.5, 0.7), [1, 300, 10_000])
    assert recall[:, -1].tolist() == [(best >= 0.5).mean(), (best >= 0.7).mean()]
    assert (np.diff(recall, axis=1) >= 0).all()
    none = [own.take(slice(0)) for own in regions]
    assert recall_of_regions(none, part, (0.5,), [1, 5]).tolist() == [[0, 0]]


def test_suppression_is_on_the_overlap_of_regions_not_of_boxes():
    cross = torch.zeros(2, 20, 20, dtype=torch.bool)
    cross[0, :10], cross[1] = True, True
    cross[1, 2:, 2:18] = False  # the same box, hardly a common pixel
    overlaps = mask_iou(cross.numpy(), cross.numpy())
    assert suppress(overlaps, np.array([0.2, 0.9]), 0.5).tolist() == [1, 0]
    same = np.ones((3, 3))
    assert suppress(same, np.array([0.2, 0.9, 0.9]), 0.5).tolist() == [1]
    assert suppress(np.zeros((3, 3)), np.array([1, 3, 2]), 0.5, most=2).tolist() == [1, 2]
    assert suppress(np.zeros((0, 0)), np.zeros(0), 0.5).tolist() == []


def test_contours_are_strong_where_the_picture_changes():
    image = np.full((40, 40, 3), 60, np.uint8)
    image[10:30, 10:30] = 200
    masks = np.zeros((2, 40, 40), bool)
    masks[0, 10:30, 10:30] = masks[1, 14:34, 14:34] = True
    features = contour_features(image, masks)
    assert features[0, 11] > 2 * features[1, 11]  # mean change along the contour
    assert features[:, :3].tolist() == [[400, 20, 20]] * 2


# The two crops


def test_what_lies_outside_the_region_is_the_mean_not_black():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    masks = disc(64, 30, 32, 12)
    boxes = with_margin(boxes_of(masks > 0))
    crops, inside = cut_out(image, masks, boxes)
    own = on_mean(crops, inside)
    outside = (inside == 0).expand_as(own[0])
    assert outside.any()
    assert (own[0][outside] == 0).all()  # the mean of standardised inputs
    grey = np.tile(imagenet_grey(), (64, 64, 1))
    mean_crop = on_mean(cut_out(grey, masks, boxes)[0], torch.ones_like(inside))
    assert mean_crop.abs().max() < 0.01  # a picture of the mean colour looks like what lies outside
    black, _ = cut_out(np.zeros_like(image), masks, boxes)
    assert black.max() < -1.5
    assert torch.equal(own[0][:, inside[0] == 1], crops[0][:, inside[0] == 1])
    assert (crops[0][outside] != 0).float().mean() > 0.9  # the box's crop keeps its surroundings


def test_a_crop_beyond_the_picture_is_filled_with_the_mean():
    image = np.full((64, 64, 3), 255, np.uint8)
    crops, inside = cut_out(image, torch.ones(1, 64, 64), torch.tensor([[-64.0, 0, 64, 64]]))
    assert (crops[0, :, :, : SIDE // 2 - 2] == 0).all()
    assert (inside[0, :, : SIDE // 2 - 2] == 0).all()
    assert crops[0, :, :, SIDE // 2 + 2 :].min() > 2


def test_both_crops_of_every_region_are_described_in_order():
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    masks = torch.cat([disc(64, 20, 20, 9), disc(64, 40, 36, 14)])
    both = describe_masks(small_crops, image, masks, boxes_of(masks > 0))
    for k in range(2):
        alone = describe_masks(small_crops, image, masks[[k]], boxes_of(masks[[k]] > 0))
        for own, whole in zip(alone, both, strict=True):
            assert torch.allclose(own[0], whole[k], atol=1e-6)
    crops, inside = cut_out(image, masks, both.boxes)
    assert torch.allclose(both.box, small_crops(crops, inside))
    assert torch.allclose(both.region, small_crops(on_mean(crops, inside), inside))
    assert torch.equal(both.features(("box", "region")), torch.cat([both.box, both.region], dim=1))


@pytest.mark.parametrize("describe", [small_crops, hand_made_features])
def test_an_image_without_regions_has_features_of_no_region(describe):
    grey = np.full((1, 64, 64, 3), 90, np.uint8)
    (described,) = describe_regions(describe, grey, RankedRegions().propose(grey))
    assert len(described.box) == len(described.boxes) == 0
    assert described.features(("box", "region")).shape[1] > 0


def test_features_of_a_grey_crop_are_numbers():
    features = hand_made_features(torch.zeros(2, 3, SIDE, SIDE), torch.zeros(2, SIDE, SIDE))
    assert features.isfinite().all()


def test_the_trunk_keeps_places_and_neither_trains_nor_mixes_crops():
    from torchvision.models import mobilenet_v2

    torch.manual_seed(0)
    describe = TrunkFeatures(mobilenet_v2().train())
    crops = torch.randn(3, 3, SIDE, SIDE)
    features = describe(crops, torch.ones(3, SIDE, SIDE))
    assert features.shape == (3, 96 * 4 * 4)
    assert torch.allclose(features[[1]], describe(crops[[1]], torch.ones(1, SIDE, SIDE)), atol=1e-5)
    assert not features.requires_grad


# The coarse grid


def test_a_cell_holds_the_share_that_the_mask_covers():
    masks = torch.zeros(1, 40, 40)
    masks[0, 10:20, 10:25] = 1
    grid = project(masks, torch.tensor([[10.0, 10, 30, 30]]))[0]  # cells of 2 × 2 pixels
    assert torch.allclose(grid[:4, :7], torch.ones(4, 7))
    assert grid[6:].max() == grid[:, 9:].max() == 0
    assert grid[2, 7] == pytest.approx(0.5)
    assert grid.sum() * 4 == pytest.approx(150)


def test_nothing_beyond_the_picture_is_covered():
    grid = project(torch.ones(1, 20, 20), torch.tensor([[-10.0, 0, 10, 20]]))[0]
    assert torch.allclose(grid[:, :5], torch.zeros(10, 5))
    assert torch.allclose(grid[:, 5:], torch.ones(10, 5))


def test_a_mask_that_moves_moves_its_grid_s_pasted_mask():
    """The grid stays the same, and the pasted mask moves by the same pixels, to the place of the mask."""
    masks, moved = disc(64, 24, 26, 11), disc(64, 31, 29, 11)
    boxes = with_margin(boxes_of(masks > 0))
    grid, other = project(masks, boxes), project(moved, boxes + torch.tensor([7.0, 3, 7, 3]))
    assert torch.allclose(grid, other, atol=1e-5)
    back, there = paste(grid, boxes, (64, 64)), paste(other, boxes + torch.tensor([7.0, 3, 7, 3]), (64, 64))
    assert torch.allclose(back.roll((3, 7), (1, 2)), there, atol=1e-5)
    assert mask_iou(back.numpy() >= 0.5, masks.numpy() > 0)[0, 0] > 0.93
    for shift in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        assert mask_iou(back.roll(shift, (1, 2)).numpy() >= 0.5, masks.numpy() > 0)[0, 0] < 0.93


def test_boxes_grow_by_a_margin_on_each_side():
    grown = with_margin(np.array([[8.0, 16, 24, 48]]))
    assert grown.tolist() == [[8 - 16 * MARGIN, 16 - 32 * MARGIN, 24 + 16 * MARGIN, 48 + 32 * MARGIN]]


# Examples


def test_examples_stand_for_the_object_that_they_overlap(part, found):
    examples = gather(small_crops, part, found, seed=0)
    masks = torch.cat([torch.from_numpy(part.masks[k]) for k in range(len(part))])
    assert len(masks) == len(examples.truth_labels) == len(examples.truths.box)
    positive = np.flatnonzero(examples.overlaps >= POSITIVE)
    assert len(positive) == len(examples.masks) == len(examples.segments) == len(examples.wanted)
    assert torch.equal(examples.wanted, masks[examples.owner[positive]])
    own = [
        mask_iou(a[None], b[None])[0, 0] for a, b in zip(examples.masks.numpy(), examples.wanted.numpy(), strict=True)
    ]
    assert np.allclose(own, examples.overlaps[positive])
    labels = examples.truth_labels[examples.owner[positive]]
    assert np.allclose(examples.of_class[positive, labels - 1], examples.overlaps[positive])
    assert torch.allclose(project(examples.masks.float(), examples.regions.boxes[positive]).flatten(1),
                          examples.regions.grid[positive], atol=1e-5)  # fmt: skip
    assert np.bincount(examples.owner[positive]).max() <= PER_OBJECT
    assert (examples.overlaps < POSITIVE).sum() <= OTHERS * len(part)


def test_a_scene_without_objects_gives_background_and_one_without_regions_its_objects(part, found):
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    numbers = list(part.masks.numbers)
    numbers[0] = numbers[0][:0]
    changed = BoxedImages(
        part.images, (empty, *part.targets[1:]), part.classes, Masks(part.masks.owners, tuple(numbers))
    )
    regions = [*found[:3], found[3].take(slice(0)), *found[4:]]
    examples = gather(small_crops, changed, regions, seed=0)
    n = min(OTHERS, len(found[0]))
    assert (examples.owner[:n] == -1).all()
    assert (examples.of_class[:n] == 0).all()
    assert len(examples.truth_labels) == sum(len(target["labels"]) for target in changed.targets)
    with pytest.raises(ValueError, match="no scene to learn from"):
        gather(small_crops, changed.take([0]), regions[:1], seed=0)
    assert RankedRegions().fit(changed.take([0])).model_ is None
    assert examples.regions.grid.shape[1] == GRID**2

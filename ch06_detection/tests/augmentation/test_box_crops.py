"""Boxes follow their pixels through crops, zooms and mirrors; parts are as in the paper."""

import pytest
import torch
from torch.testing import assert_close
from torchvision.ops import box_iou

from ch06_detection.augmentation.box_crops import (
    NARROWEST,
    WHOLE,
    BoxCrops,
    Colours,
    centres_within,
    random_parts,
    sample_windows,
)

NONE = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}
HEIGHT, WIDTH = 96, 128


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def painted(boxes):
    """Black images, each with one white box."""
    images = torch.zeros(len(boxes), 3, HEIGHT, WIDTH)
    for image, (x1, y1, x2, y2) in zip(images, boxes, strict=True):
        image[:, y1:y2, x1:x2] = 1
    return images, [{"boxes": torch.tensor([box], dtype=torch.float32), "labels": torch.tensor([3])} for box in boxes]


def boxes_at_random(n, seed=0):
    corner, size = torch.rand((2, n, 2), generator=generator(seed))
    size = (20 + size * 40).long()
    corner = (corner * (torch.tensor([WIDTH, HEIGHT]) - size)).long()
    return torch.cat([corner, corner + size], dim=1).tolist()


@pytest.mark.parametrize("zoom_out", [1.0, 2.0])
def test_boxes_follow_the_pixels(zoom_out):
    images, targets = painted(boxes_at_random(60))
    crops = BoxCrops(zoom_out=zoom_out, colours=None)
    changed, found = crops(images, targets, generator())
    assert changed.shape == images.shape
    assert sum(len(target["boxes"]) for target in found) > 50
    for image, target in zip(changed, found, strict=True):
        for box in target["boxes"]:
            bright = image[0] > 0.5
            y, x = (bright.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
            seen = torch.tensor([x[0], y[0], x[-1] + 1, y[-1] + 1]).float()
            assert_close(seen, box, rtol=0, atol=1.01)


def test_a_box_keeps_its_label():
    """Labels encode the size of a box: after the crop, larger labels still belong to larger boxes of the same image."""
    boxes = torch.tensor([[10.0, 10, 30, 30], [60, 40, 120, 90]])
    targets = [{"boxes": boxes, "labels": torch.tensor([1, 2])} for _ in range(80)]
    _, found = BoxCrops(smallest=0.8, colours=None)(torch.zeros(80, 3, HEIGHT, WIDTH), targets, generator())
    both = [target for target in found if len(target["boxes"]) == 2]
    assert len(both) > 20
    for target in both:
        width = target["boxes"][:, 2] - target["boxes"][:, 0]
        assert (width[0] < width[1]) == (target["labels"][0] < target["labels"][1])


def test_what_is_left_lies_within_the_image_and_has_a_size():
    images, targets = painted(boxes_at_random(100))
    _, found = BoxCrops()(images, targets, generator())
    boxes = torch.cat([target["boxes"] for target in found])
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= NARROWEST).all()
    assert all(len(target["boxes"]) == len(target["labels"]) for target in found)


def test_a_box_too_narrow_to_see_is_dropped():
    targets = [{"boxes": torch.tensor([[60.0, 40, 61, 80], [20, 20, 60, 60]]), "labels": torch.tensor([1, 2])}]
    crops = BoxCrops(demands=(WHOLE,), zoom_out=1.0, mirror=False, colours=None)
    _, found = crops(torch.zeros(1, 3, HEIGHT, WIDTH), targets, generator())
    assert found[0]["labels"].tolist() == [2]


@pytest.mark.parametrize("targets", [[NONE], [NONE] * 3])
def test_no_objects(targets):
    images = torch.rand(len(targets), 3, HEIGHT, WIDTH, generator=generator())
    changed, found = BoxCrops()(images, targets, generator())
    assert changed.isfinite().all()
    assert [target["boxes"].shape for target in found] == [(0, 4)] * len(targets)
    assert [target["labels"].shape for target in found] == [(0,)] * len(targets)


def test_some_images_without_objects():
    images, targets = painted(boxes_at_random(3))
    _, found = BoxCrops(demands=(WHOLE,), colours=None)(images, [targets[0], NONE, targets[2]], generator())
    assert [len(target["boxes"]) for target in found] == [1, 0, 1]


def test_the_whole_image_stays_as_it_is():
    images, targets = painted(boxes_at_random(5))
    crops = BoxCrops(demands=(WHOLE,), zoom_out=1.0, mirror=False, colours=None)
    changed, found = crops(images, targets, generator())
    assert_close(changed, images, rtol=0, atol=1e-4)
    for before, after in zip(targets, found, strict=True):
        assert_close(before["boxes"], after["boxes"])


def test_mirrored_or_not():
    images, targets = painted(boxes_at_random(40))
    crops = BoxCrops(demands=(WHOLE,), zoom_out=1.0, colours=None)
    changed, found = crops(images, targets, generator())
    turned = torch.tensor([not torch.equal(a["boxes"], b["boxes"]) for a, b in zip(targets, found, strict=True)])
    assert 8 < turned.sum() < 32
    assert_close(changed[turned], images[turned].flip(3), rtol=0, atol=1e-4)
    assert_close(changed[~turned], images[~turned], rtol=0, atol=1e-4)


@pytest.mark.parametrize("demand", [0.1, 0.5, 0.9])
def test_a_part_overlaps_an_object_as_demanded_or_is_the_whole(demand):
    boxes = torch.tensor(boxes_at_random(150)).float()[:, None]
    there = torch.ones(150, 1, dtype=torch.bool)
    crops = BoxCrops(demands=(demand,), zoom_out=1.0)
    windows = crops.windows(boxes, there, (HEIGHT, WIDTH), generator())
    whole = (windows == torch.tensor([0.0, 0, WIDTH, HEIGHT])).all(dim=1)
    overlaps = box_iou(windows, boxes[:, 0]).diagonal()
    assert (overlaps[~whole] >= demand - 1e-6).all()
    assert centres_within(boxes, windows[:, None])[~whole].all()
    if demand == 0.1:
        assert whole.float().mean() < 0.2
        assert overlaps[~whole].min() < 0.3


def test_parts_lie_within_their_canvas_and_are_no_narrower_than_1_to_2():
    canvas = torch.tensor([[0.0, 0, 100, 100], [-50, -20, 50, 80]]).repeat(200, 1)
    parts = random_parts(canvas, 9, 0.3, generator())
    assert (parts[..., :2] >= canvas[:, None, :2] - 1e-3).all()
    assert (parts[..., 2:] <= canvas[:, None, 2:] + 1e-3).all()
    width, height = (parts[..., 2:] - parts[..., :2]).unbind(-1)
    assert (width / height).min() >= 0.5 - 1e-3
    assert (width / height).max() <= 2 + 1e-3
    size = (width * height).sqrt() / 100
    assert 0.29 < size.min() < 0.33
    assert size.max() > 0.97
    assert 0.4 < (width > height).float().mean() < 0.6


def test_zoomed_out_the_image_is_small_and_what_is_around_it_is_0():
    images = torch.ones(60, 3, HEIGHT, WIDTH)
    crops = BoxCrops(demands=(WHOLE,), zoom_out=3.0, zoom_chance=1.0, colours=None)
    changed, _ = crops(images, [NONE] * 60, generator())
    share = changed.mean(dim=(1, 2, 3))
    assert share.min() < 0.2
    assert share.min() > 1 / 9 - 0.02
    assert share.max() > 0.7
    assert ((changed > 0.99) | (changed < 0.01)).float().mean() > 0.9


def test_a_window_is_sampled_as_slices_are():
    images = torch.rand(1, 3, HEIGHT, WIDTH, generator=generator())
    half = sample_windows(images, torch.tensor([[32.0, 24, 96, 72]]))
    centre = images[:, :, 24:72, 32:96]
    expected = torch.nn.functional.interpolate(centre, (HEIGHT, WIDTH), mode="bilinear", align_corners=False)
    inner = slice(4, -4)  # at its rim a window looks beyond itself, a slice cannot
    assert_close(half[..., inner, inner], expected[..., inner, inner], rtol=0, atol=1e-4)


def test_the_same_generator_gives_the_same():
    images, targets = painted(boxes_at_random(6))
    first, again, other = (BoxCrops()(images, targets, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert all(torch.equal(a["boxes"], b["boxes"]) for a, b in zip(first[1], again[1], strict=True))
    assert not torch.equal(first[0], other[0])
    assert targets[0]["boxes"].tolist() == painted(boxes_at_random(6))[1][0]["boxes"].tolist()  # the old ones stay


def test_colours_leave_grey_grey_and_some_images_alone():
    images = torch.randn(200, 1, 4, 5, generator=generator()).expand(-1, 3, -1, -1)
    changed = Colours(brightness=0, contrast=0)(images, generator())
    assert_close(changed, images, rtol=0, atol=1e-5)
    coloured = torch.randn(200, 3, 4, 5, generator=generator())
    changed = Colours()(coloured, generator())
    same = (changed - coloured).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert 0 < same.float().mean() < 0.2  # (1/2)⁴ of them


def test_hue_is_turned_about_the_grey_axis():
    images = torch.randn(50, 3, 4, 5, generator=generator())
    changed = Colours(0, 0, 0, hue=90)(images, generator())
    assert_close(changed.mean(dim=1), images.mean(dim=1), rtol=0, atol=1e-5)
    assert_close(changed.norm(dim=1), images.norm(dim=1), rtol=1e-4, atol=1e-5)
    assert (changed - images).abs().max() > 0.5

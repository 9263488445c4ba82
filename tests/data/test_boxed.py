"""Boxed images: what a detector cannot learn from is refused in one line that names the image."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from common.data.boxed import BoxedImages, Masks
from common.errors import Problem

HEIGHT, WIDTH = 20, 30
GOOD = ((1.0, 2.0, 5.0, 6.0), 1)


def target(*objects):
    boxes = torch.tensor([box for box, _ in objects], dtype=torch.float32).reshape(-1, 4)
    return {"boxes": boxes, "labels": torch.tensor([label for _, label in objects], dtype=torch.int64)}


def boxed(*targets, **more):
    images = np.zeros((len(targets), HEIGHT, WIDTH, 3), np.uint8)
    images[:] = np.arange(len(targets))[:, None, None, None]
    return BoxedImages(images, tuple(targets), ("boot", "bag"), **more)


def refused(*targets, **more):
    with pytest.raises(Problem) as caught:
        boxed(*targets, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((5, 2, 5, 6), "the box (5, 2, 5, 6) has no width or no height"),
        ((1, 6, 5, 6), "has no width or no height"),
        ((5, 2, 1, 6), "has no width or no height"),
        ((1, 6, 5, 2), "x1 < x2 and y1 < y2"),
        ((1, float("nan"), 5, 6), "has a corner that is no finite number"),
        ((1, 2, float("inf"), 6), "has a corner that is no finite number"),
        ((30, 2, 35, 6), "the box (30, 2, 35, 6) lies outside the image, 30 × 20 pixels"),
        ((1, 20, 5, 25), "lies outside the image"),
        ((-5, 2, 0, 6), "lies outside the image"),
        ((1, -9, 5, -1), "lies outside the image"),
    ],
)
def test_a_box_that_cannot_be_is_named_with_its_image(box, said):
    heard = refused(target(GOOD), target(), target(GOOD, (box, 2)), target(GOOD))
    assert heard.startswith("image 2: ")
    assert said in heard


@pytest.mark.parametrize("label", [0, -1, 3])
def test_a_label_of_no_class_is_named_with_its_image(label):
    heard = refused(target(GOOD), target((GOOD[0], label)))
    assert heard == f"image 1: label {label} is none of 1 … 2; 0 is the background's"


def test_the_image_is_named_by_its_id():
    assert refused(target(), target((GOOD[0], 9)), ids=np.array([7, 40])).startswith("image 40: ")


@pytest.mark.parametrize(
    ("boxes", "labels", "said"),
    [
        (torch.ones(2, 4), torch.ones(1, dtype=torch.int64), "boxes (2, 4) and labels (1,) are not (n, 4) and (n,)"),
        (torch.ones(4), torch.ones(4, dtype=torch.int64), "boxes (4,) and labels (4,) are not"),
        (torch.ones(1, 5), torch.ones(1, dtype=torch.int64), "boxes (1, 5) and labels (1,) are not"),
        (torch.ones(1, 4), torch.ones(1, 1, dtype=torch.int64), "labels (1, 1) are not"),
        (torch.zeros(0), torch.zeros(0, dtype=torch.int64), "boxes (0,) and labels (0,) are not"),
        (torch.ones(1, 4), torch.ones(1), "labels of torch.float32 are not floating point and torch.int64"),
        (torch.ones(1, 4, dtype=torch.int64), torch.ones(1, dtype=torch.int64), "boxes of torch.int64"),
    ],
)
def test_wrong_shapes_and_types_are_named_with_their_image(boxes, labels, said):
    heard = refused(target(GOOD), {"boxes": boxes, "labels": labels})
    assert heard.startswith("image 1: ")
    assert said in heard


def test_images_without_objects_are_images():
    assert len(boxed(target(), target())) == 2
    assert boxed(target(), target(GOOD)).answers[0]["boxes"].shape == (0, 4)


def test_a_box_may_reach_beyond_its_image():
    boxed(target(((-3, -3, 1, 1), 1), ((29, 19, 40, 40), 2), ((-9, -9, 99, 99), 1)))


def test_numbers_must_match():
    with pytest.raises(ValueError, match="1 images but 2 targets"):
        BoxedImages(np.zeros((1, 8, 8, 3), np.uint8), (target(), target()), ("boot",))
    with pytest.raises(ValueError, match="2 items but 1 ids"):
        boxed(target(), target(), ids=np.array([3]))
    with pytest.raises(ValueError, match="1 targets but 2 masks"):
        boxed(target(GOOD), masks=masks())


def masks():
    """Two images. In the first things 0 and 2 are objects and 1 is not; in the second nothing is."""
    owners = np.full((2, HEIGHT, WIDTH), -1, np.int8)
    owners[0, 2:6, 1:5], owners[0, 8:12, 1:5], owners[0, 8:10, 8:9] = 0, 1, 2
    return Masks(owners, (np.array([0, 2], np.int8), np.array([], np.int8)))


def test_masks_are_made_when_asked_for():
    first, second = masks()[0], masks()[1]
    assert first.shape == (2, HEIGHT, WIDTH)
    assert first.dtype == bool
    assert first.sum(axis=(1, 2)).tolist() == [16, 2]
    assert first[0, 2:6, 1:5].all()
    assert second.shape == (0, HEIGHT, WIDTH)


def test_a_part_of_them_keeps_everything_together():
    part = boxed(target(GOOD, GOOD), target(), masks=masks(), ids=np.array([5, 6]))
    for which in ([1, 0], np.array([1, 0]), slice(None, None, -1)):
        turned = part.take(which)
        assert_array_equal(turned.images[:, 0, 0, 0], [1, 0])
        assert [len(found["labels"]) for found in turned.targets] == [0, 2]
        assert [len(turned.masks[item]) for item in (0, 1)] == [0, 2]
        assert_array_equal(turned.masks[1], part.masks[0])
        assert_array_equal(turned.ids, [6, 5])
    assert_array_equal(part.take(np.array([False, True])).ids, [6])
    assert boxed(target(GOOD)).take([0]).masks == ()


def test_what_is_given_cannot_be_written():
    part = boxed(target(GOOD))
    with pytest.raises(ValueError, match="read-only"):
        part.images[0] = 1
    assert part.inputs is part.images
    assert part.answers is part.targets

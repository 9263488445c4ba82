"""Numbers that would overflow or wrap; pictures, targets, scores and windows that do not fit: one clear line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torchvision import ops

from ch06_detection.augmentation.box_crops import mirror_boxes
from ch06_detection.boxes import (
    area,
    centre_form,
    clip,
    corner_form,
    decode,
    encode,
    iou,
    iou_of_pairs,
    nms,
    nms_by_class,
    nms_one_by_one,
)
from ch06_detection.default_boxes import GRIDS, RATIOS, SIZES, default_boxes
from ch06_detection.fast_rcnn import FastRCNN, multi_task_sum
from ch06_detection.geometry.detections import select_detections
from ch06_detection.geometry.half_size import HalfSize, halve, scale_boxes
from ch06_detection.multibox import match_batch, match_boxes
from ch06_detection.proposals.labelled import LabelledProposals
from ch06_detection.proposals.search import Proposals
from ch06_detection.rcnn import RCNN
from ch06_detection.roi_pooling import number_boxes, roi_pool, roi_pool_one_by_one
from ch06_detection.scoring.overlaps import overlap_by_class
from ch06_detection.ssd import SSD, SSDDetector, detection_loss
from ch06_detection.trunk.crops import cut, with_context
from ch06_detection.trunk.layers import small_trunk
from ch06_detection.trunk.pretraining import TrunkPretraining
from common.errors import Problem
from common.hog_detection.detector import HOGDetector
from common.proposals.grouping import propose, propose_all
from common.train import Training

LOW = [torch.float16, torch.bfloat16, torch.int16, torch.int32, torch.int64]
NARROW = [*LOW, torch.uint8]
LARGE = [[0, 0, 300, 300], [5, 5, 300, 300], [100, 20, 164, 280], [256, 256, 258, 300]]  # exact in bfloat16, too
SMALL = [[0, 0, 250, 250], [5, 5, 250, 250], [100, 20, 164, 240], [200, 200, 208, 252]]


def boxes_of(dtype):
    return torch.tensor(SMALL if dtype is torch.uint8 else LARGE).to(dtype)


# --- Half precision and whole numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", NARROW)
def test_what_is_computed_of_boxes_is_as_in_single_precision(dtype):
    boxes = boxes_of(dtype)
    exact = boxes.double()
    assert boxes.double().tolist() == (SMALL if dtype is torch.uint8 else LARGE)
    assert_close(area(boxes).double(), ops.box_area(exact))
    assert_close(iou(boxes, boxes).double(), ops.box_iou(exact, exact), rtol=1e-6, atol=1e-7)
    assert_close(iou(boxes, exact), ops.box_iou(exact, exact))
    assert_close(iou_of_pairs(boxes, boxes.flip(0)).double(), ops.box_iou(exact, exact.flip(0)).diagonal())
    assert_close(centre_form(boxes).double(), ops.box_convert(exact, "xyxy", "cxcywh"))
    assert_close(corner_form(boxes).double(), ops.box_convert(exact, "cxcywh", "xyxy"))
    assert_close(clip(boxes, 201, 257).double(), ops.clip_boxes_to_image(exact, (201, 257)))
    assert_close(encode(boxes, boxes.flip(0)).double(), encode(exact, exact.flip(0)), rtol=1e-5, atol=1e-5)
    assert_close(mirror_boxes(boxes, 301)[:, [0, 2]].double(), 301 - exact[:, [2, 0]])
    assert_close(with_context(boxes).double(), with_context(exact))
    assert_close(scale_boxes([{"boxes": boxes}], 0.5)[0]["boxes"].double(), exact / 2)


def test_the_overlap_of_300_pixels_in_half_precision():
    boxes = torch.tensor([[0.0, 0, 300, 300], [5, 5, 300, 300]]).half()
    assert_close(iou(boxes, boxes), torch.tensor([[1, 295**2 / 300**2], [295**2 / 300**2, 1]]))
    for work in (nms, nms_one_by_one):
        assert work(boxes, torch.tensor([0.9, 0.8]).half(), 0.5).tolist() == [0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_offsets_in_half_precision_are_decoded_in_single(dtype):
    offsets = torch.tensor([[3.0, -2, 14, 60], [0.5, 1, -3, 0.25]]).to(dtype)
    defaults = torch.tensor([[0, 0, 300, 300], [0, 0, 200, 100]]).to(dtype)
    assert_close(decode(offsets, defaults), decode(offsets.double(), defaults.double()).float())
    assert decode(offsets, defaults).isfinite().all()


def test_single_and_double_precision_stay_what_they_are():
    for dtype in (torch.float32, torch.float64):
        boxes = boxes_of(dtype)
        for found in (iou(boxes, boxes), area(boxes), encode(boxes, boxes), clip(boxes, 9, 9)):
            assert found.dtype == dtype


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("n", [40, 901])  # moved apart, and class by class
def test_suppression_by_class_is_torchvision_s_in_any_precision(dtype, n):
    rng = torch.Generator().manual_seed(n)
    corner = torch.randint(0, 120, (n, 2), generator=rng)
    boxes = torch.cat([corner, corner + torch.randint(4, 130, (n, 2), generator=rng)], dim=1).to(dtype)
    scores, labels = torch.randperm(n, generator=rng) / n, torch.randint(1, 90, (n,), generator=rng)
    expected = ops.batched_nms(boxes.float(), scores, labels, 0.4)
    assert nms_by_class(boxes, scores, labels, 0.4).tolist() == expected.tolist()
    assert nms_by_class(boxes, scores, labels.to(torch.uint8), 0.4).tolist() == expected.tolist()
    assert nms(boxes, scores, 0.4).tolist() == ops.nms(boxes.float(), scores, 0.4).tolist()


@pytest.mark.parametrize("dtype", LOW)
def test_matching_is_that_of_single_precision(dtype):
    defaults = 3 * default_boxes((128, 128), GRIDS, SIZES, RATIOS).round()
    boxes, labels = boxes_of(dtype), torch.tensor([3, 1, 2, 1])
    exact = match_boxes(boxes.float(), labels, defaults)
    for found, expected in zip(match_boxes(boxes, labels, defaults), exact, strict=True):
        assert torch.equal(found, expected)
    said, offsets = match_batch([{"boxes": boxes, "labels": labels}], defaults)
    assert torch.equal(said[0], exact[0])
    assert_close(offsets, match_batch([{"boxes": boxes.float(), "labels": labels}], defaults)[1])
    if dtype.is_floating_point:
        coarse = defaults.to(dtype)
        assert_close(
            match_batch([{"boxes": boxes, "labels": labels}], coarse),
            match_batch([{"boxes": boxes.float(), "labels": labels}], coarse.float()),
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_roi_pooling_of_many_images_counts_them_in_single_precision(dtype):
    maps = torch.arange(2060.0)[:, None, None, None].expand(-1, 1, 2, 2).contiguous()
    boxes = [torch.tensor([[0, 0, 8, 8]]).to(dtype)] * len(maps)  # 2049 is no number in half precision
    assert roi_pool(maps, boxes, (1, 1), 1 / 8).flatten().tolist() == list(range(2060))
    assert torch.equal(roi_pool_one_by_one(maps, number_boxes(boxes), (1, 1), 1 / 8), maps[:, :, :1, :1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_maps_in_half_precision_are_pooled_as_they_are(dtype):
    maps = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    boxes = torch.tensor([[0.0, 3, 7, 41, 55], [0, 1, 1, 63, 20]])
    assert_close(roi_pool(maps, boxes, (2, 2), 1 / 8).float(), ops.roi_pool(maps.float(), boxes, (2, 2), 1 / 8))


@pytest.mark.parametrize("dtype", LOW)
def test_what_is_learned_from_proposals_is_learned_in_single_precision(dtype):
    truth = {"boxes": boxes_of(dtype)[:2], "labels": torch.tensor([2, 1])}
    proposed = boxes_of(torch.float32) + 1
    expected = ops.box_iou(proposed, truth["boxes"].float())
    found = LabelledProposals.of([proposed], [truth], with_truths=False)
    assert_close(found.overlap, expected.max(dim=1).values)
    assert torch.equal(found.truth, truth["boxes"][expected.argmax(dim=1)].float())
    assert_close(overlap_by_class(proposed, truth, 2), expected.flip(1))
    assert_close(
        cut(torch.ones(1, 3, 310, 310), [truth["boxes"]], (4, 4)),
        cut(torch.ones(1, 3, 310, 310), [truth["boxes"].float()], (4, 4)),
    )


def test_detections_in_half_precision():
    boxes, scores = boxes_of(torch.float16), torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.7], [0.5, 0.3]]).half()
    settings = {"least": 0.25, "suppression": 0.5, "keep": 9}
    found, exact = (
        select_detections(boxes, scores, **settings),
        select_detections(boxes.float(), scores.float(), **settings),
    )
    assert found["labels"].tolist() == exact["labels"].tolist() == [1, 2, 1, 2]


# --- As many scores as boxes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "work", [nms, nms_one_by_one, lambda *some: nms_by_class(*some[:2], torch.ones(3).long(), some[2])]
)
@pytest.mark.parametrize("scores", [torch.ones(2), torch.ones(4), torch.ones(0), torch.ones(3, 1)])
def test_suppression_wants_a_score_for_each_box(work, scores):
    with pytest.raises(ValueError, match=rf"3 boxes need scores of shape \(3,\), got \({scores.shape[0]},"):
        work(torch.tensor(LARGE[:3]).float(), scores, 0.5)


def test_suppression_by_class_and_matching_want_a_label_for_each_box():
    boxes = torch.tensor(LARGE[:3]).float()
    few, defaults = torch.ones(2, dtype=torch.long), torch.tensor([[0.0, 0, 9, 9]])
    for work in (
        lambda: nms_by_class(boxes, torch.ones(3), few, 0.5),
        lambda: match_boxes(boxes, few, defaults),
        lambda: match_batch([{"boxes": boxes, "labels": few}], defaults),
    ):
        with pytest.raises(ValueError, match=r"3 boxes need labels of shape \(3,\), got \(2,\)"):
            work()


# --- Windows for RoI pooling ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", [roi_pool, roi_pool_one_by_one])
@pytest.mark.parametrize(
    ("boxes", "what"),
    [
        (torch.zeros(7, 4), r"got \(7, 4\)"),
        (torch.zeros(5), r"got \(5,\)"),
        (torch.tensor([[0.0, 0, 0, 9, 9], [-1, 0, 0, 9, 9]]), "maps of 2 images have no image -1"),
        (torch.tensor([[2.0, 0, 0, 9, 9]]), "maps of 2 images have no image 2"),
        (torch.tensor([[0.5, 0, 0, 9, 9]]), "maps of 2 images have no image 0.5"),
        (torch.tensor([[torch.nan, 0, 0, 9, 9]]), "maps of 2 images have no image nan"),
    ],
)
def test_windows_that_do_not_fit_are_refused(pool, boxes, what):
    with pytest.raises(ValueError, match=what):
        pool(torch.zeros(2, 3, 4, 4), boxes, (2, 2), 1 / 8)


@pytest.mark.parametrize("n", [1, 3])
def test_boxes_by_image_are_as_many_sets_as_maps(n):
    with pytest.raises(ValueError, match=f"maps of 2 images need as many sets of boxes, got {n}"):
        roi_pool(torch.zeros(2, 3, 4, 4), [torch.zeros(2, 4)] * n, (2, 2), 1 / 8)
    with pytest.raises(ValueError, match=r"boxes must be \(n, 4\), got \(2, 5\)"):
        roi_pool(torch.zeros(2, 3, 4, 4), [torch.zeros(2, 5)] * 2, (2, 2), 1 / 8)


# --- Pictures and targets ---------------------------------------------------------------------------------------------


def nothing(images):
    return [torch.zeros(0, 4)] * len(images)


def ssd():
    build = lambda classes: SSD(small_trunk(4), [1, 1, 1], classes)  # noqa: E731
    return SSDDetector(build, Training(1, loss=detection_loss), [torch.tensor([[20.0, 20]])] * 3, 2)


DETECTORS = {
    "HOG": HOGDetector,
    "R-CNN": lambda: RCNN(nothing, Training(1), 2),
    "Fast R-CNN": lambda: FastRCNN(nothing, Training(1, loss=multi_task_sum), 2),
    "SSD": ssd,
    "half the size": lambda: HalfSize(ssd()),
}
COLOUR = np.full((2, 64, 64, 3), 90, np.uint8)
WRONG = {
    "grey": COLOUR[..., 0],
    "grey with a channel": COLOUR[..., :1],
    "RGBA": np.concatenate([COLOUR, COLOUR[..., :1]], axis=3),
    "float": COLOUR / np.float32(255),
    "double": COLOUR / 255.0,
    "int64": COLOUR.astype(np.int64),
    "bool": COLOUR > 0,
    "channels first": COLOUR.transpose(0, 3, 1, 2),
    "one picture": COLOUR[0],
    "no pixels": COLOUR[:, :0],
}
TARGETS = [{"boxes": torch.tensor([[4.0, 4, 30, 30]]), "labels": torch.tensor([1])}] * 2


def one_line(work):
    with pytest.raises(Problem) as caught:
        work()
    assert "picture" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_says_which_pictures_it_wants(name, kind):
    images = WRONG[kind]
    for work in (lambda d: d.fit(images, TARGETS), lambda d: d.predict(images)):
        message = one_line(lambda work=work: work(DETECTORS[name]()))
        assert str(images.dtype) in message
        assert str(images.shape) in message


@pytest.mark.parametrize("kind", WRONG)
def test_so_does_whatever_else_looks_at_pictures(kind):
    images = WRONG[kind]
    trunk = TrunkPretraining(Training(1), 2)
    for work in (propose_all, halve, Proposals(nothing), lambda some: trunk(some, TARGETS)):
        one_line(lambda work=work: work(images))
    if kind != "one picture":
        for work in (propose, HOGDetector().every_window):
            one_line(lambda work=work: work(images[0]))


def test_the_right_kind_passes_and_none_is_none():
    assert propose_all(COLOUR[:0]) == []
    assert len(propose_all(COLOUR[:, :, ::-1])) == 2  # seen from another side
    for name in ("HOG", "SSD", "half the size"):
        assert DETECTORS[name]().predict(COLOUR[:0]) == []


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_targets_as_images(name, count):
    with pytest.raises(ValueError, match=f"2 images need as many targets, got {count}"):
        DETECTORS[name]().fit(COLOUR, (TARGETS * 2)[:count])


@pytest.mark.parametrize("name", DETECTORS)
def test_as_many_labels_as_boxes_and_some_picture(name):
    odd = {"boxes": torch.tensor([[4.0, 4, 30, 30]]), "labels": torch.tensor([1, 2])}
    with pytest.raises(ValueError, match=r"1 boxes need labels of shape \(1,\), got \(2,\)"):
        DETECTORS[name]().fit(COLOUR, [TARGETS[0], odd])
    with pytest.raises(Problem, match="no pictures at all"):
        DETECTORS[name]().fit(COLOUR[:0], [])


def test_a_trunk_wants_as_many_targets_as_images():
    with pytest.raises(ValueError, match="2 images need as many targets, got 1"):
        TrunkPretraining(Training(1), 2)(COLOUR, TARGETS[:1])

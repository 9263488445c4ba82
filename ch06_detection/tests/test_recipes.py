"""The effects of the recipes' constants: boxes, windows and scores on both sides of each, and the results."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn import svm as sklearn_svm
from torchvision.ops import box_iou

from ch06_detection import rcnn
from ch06_detection.augmentation.box_crops import change_light
from ch06_detection.boxes import decode, encode
from ch06_detection.default_boxes import GRIDS, RATIOS, SIZES, default_boxes
from ch06_detection.fast_rcnn import RoiBatches, build_scenes_fast_rcnn
from ch06_detection.geometry.detections import select_detections
from ch06_detection.geometry.half_size import HalfSize
from ch06_detection.multibox import hard_negative_mining, match_boxes
from ch06_detection.pedestrians import build_pedestrians_fast_rcnn, build_pedestrians_rcnn, build_pedestrians_ssd
from ch06_detection.proposals.crop_batches import CropBatches
from ch06_detection.proposals.labelled import LabelledProposals
from ch06_detection.proposals.search import Proposals
from ch06_detection.rcnn import RCNN, SILENT, Features, build_scenes_rcnn, svm_with_hard_negatives, with_one
from ch06_detection.ssd import MILD, SceneSSD, build_scenes_ssd
from ch06_detection.ssd300 import detect
from ch06_detection.still_camera import HEIGHTS, WIDE, build_template
from ch06_detection.trunk.pretraining import augment_crops, cut_out_objects
from common.console import Console
from common.data import Scale
from common.data.scenes import scenes
from common.hog_detection.detector import HOGDetector, beside_objects
from common.hog_detection.recipes import scenes_detector
from common.hog_detection.windows import Found, Window, place_windows
from common.image_classifier import Pixels
from common.record import LessonRecord
from common.run import Run
from common.train import History

SIDE = 100.0


@pytest.fixture
def run(tmp_path):
    return Run("recipes", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())


NOTHING = Proposals(lambda images: [torch.zeros(0, 4)] * len(images))


def shares(*heights: int) -> torch.Tensor:
    """Boxes in the lower left of a square of 100 pixels; their IoU with it is their height, in per cent."""
    return torch.tensor([[0.0, 0.0, SIDE, float(height)] for height in heights])


SQUARE = {"boxes": shares(100), "labels": torch.tensor([1])}
IMAGES = np.zeros((1, 128, 128, 3), np.uint8)


# --- Which proposals are objects, which are background ----------------------------------------------------------------


def test_a_proposal_is_an_object_from_an_iou_of_a_half_on():
    found = LabelledProposals.of([shares(20, 45, 49, 50, 55, 90)], [SQUARE], with_truths=False)
    assert found.labels().tolist() == [0, 0, 0, 1, 1, 1]


@pytest.fixture
def heads(monkeypatch):
    """Training data of SVMs and regression: negatives by class, and the moved proposals. 2 classes, one object.

    A proposal's features are its height and a 1.
    """
    given = SimpleNamespace(negatives=[], moved=[], positives=[])
    heights = (10, 25, 29, 31, 40, 45, 55, 59, 61, 80)

    def compute_features(detector, images, proposals, chunk=1):
        for boxes in proposals:
            maps = torch.stack([boxes[:, 3], torch.ones(len(boxes))], dim=1)
            yield Features(boxes, maps, maps, torch.zeros(len(boxes), 3))

    def svm(positives, negatives, C, seed):
        given.positives.append((positives[:, 0] / positives[:, 1]).round().tolist())
        given.negatives.append((negatives[:, 0] / negatives[:, 1]).round().tolist())
        return torch.zeros(3)

    class Ridge:
        def __init__(self, penalty):
            pass

        def fit(self, features, offsets, labels, classes):
            given.moved = (features[:, 0] / features[:, 1]).round().tolist()
            given.lengths = features.norm(dim=1)
            given.offsets = offsets
            return self

    monkeypatch.setattr(RCNN, "compute_features", compute_features)
    monkeypatch.setattr(rcnn, "svm_with_hard_negatives", svm)
    monkeypatch.setattr(rcnn, "RidgeBoxes", Ridge)
    given.detector = RCNN(lambda images: [shares(*heights)] * len(images), lambda *some: History(), 2, crops=8)
    given.detector.fit(IMAGES, [SQUARE])
    return given


def test_a_negative_of_a_class_overlaps_its_objects_by_less_than_0_3(heads):
    assert heads.negatives[0] == [10, 25, 29]  # no negative: a window with an IoU of 0.31 or 0.4
    assert heads.negatives[1] == [10, 25, 29, 31, 40, 45, 55, 59, 61, 80]  # class 2 has no object
    assert heads.positives == [[100], []]


def test_regression_learns_from_proposals_with_an_iou_of_0_6(heads):
    assert heads.moved == [61, 80]
    assert_allclose(decode(heads.offsets, shares(61, 80), (1.0, 1.0)), SQUARE["boxes"].expand(2, 4), atol=1e-4)


def test_features_have_a_mean_length_of_20(heads):
    assert heads.detector.scale_ * np.hypot(100, 1) == pytest.approx(20)  # of the one object's
    assert_allclose(heads.lengths, 20, rtol=1e-6)


def test_an_svm_begins_with_3000_negatives_and_adds_those_within_its_margin(monkeypatch):
    sizes, real = [], sklearn_svm.LinearSVC.fit
    monkeypatch.setattr(sklearn_svm.LinearSVC, "fit", lambda self, x, y: sizes.append((x, y)) or real(self, x, y))
    generator = torch.Generator().manual_seed(0)
    positives = torch.randn(50, 2, generator=generator) + torch.tensor([3.0, 0])
    negatives = torch.randn(4000, 2, generator=generator)
    svm_with_hard_negatives(positives, negatives, C=1.0)
    assert int((~sizes[0][1]).sum()) == 3000
    first = sklearn_svm.LinearSVC(C=1.0, intercept_scaling=10.0, random_state=0, max_iter=300)
    real(first, *sizes[0])
    within = negatives[first.decision_function(negatives.numpy()) > -1]
    second = {tuple(row) for row in sizes[1][0][~sizes[1][1]].tolist()}
    assert second == {tuple(row) for row in sizes[0][0][~sizes[0][1]].tolist()} | {
        tuple(row) for row in within.tolist()
    }
    assert len(second) > 3000


def test_a_class_that_nothing_is_known_of_is_never_said(run):
    margin = with_one(torch.randn(5, 4)) @ torch.tensor([0, 0, 0, 0, SILENT])
    for detector in (build_scenes_rcnn(run), build_pedestrians_rcnn(run, NOTHING)):
        assert len(of_rcnn(detector, shares(30, 60, 90, 95, 99), margin[:, None])["boxes"]) == 0


def test_a_third_of_the_crops_that_are_kept_are_objects_and_a_quarter_of_a_batch():
    heights = torch.tensor([90] * 300 + [10] * 300)
    boxes = shares(*heights.tolist())
    labelled = LabelledProposals.of([boxes], [SQUARE], with_truths=False)
    data = CropBatches.of(IMAGES, labelled, Pixels.of(IMAGES), side=(4, 4), length=240)
    assert len(data.labels) == 240
    assert int((data.labels > 0).sum()) == 80
    _, labels = data.batch(torch.arange(40), torch.Generator().manual_seed(0))
    assert int((labels > 0).sum()) == 10
    _, labels, _ = RoiBatches(IMAGES, labelled, Pixels.of(IMAGES)).batch(torch.arange(1), torch.Generator())
    assert labels.shape == (1, 64)
    assert int((labels > 0).sum()) == 16


# --- Matching and mining ----------------------------------------------------------------------------------------------


def test_a_default_box_answers_from_an_iou_of_a_half_on():
    said, _ = match_boxes(**SQUARE, defaults=shares(95, 49, 50, 60))
    assert said.tolist() == [1, 0, 1, 1]


def test_three_negatives_are_mined_for_every_positive():
    labels = torch.zeros(2, 40, dtype=torch.long)
    labels[0, :4], labels[1, :1] = 2, 1
    mined = hard_negative_mining(torch.rand(2, 40, generator=torch.Generator().manual_seed(0)), labels)
    assert mined.sum(dim=1).tolist() == [12, 3]


def test_the_scenes_default_boxes_lie_near_their_objects(run):
    """More than 19 in 20 objects have a box with an IoU of 0.5; with sizes half as large again, fewer than 9 in 10."""
    truths = torch.cat([target["boxes"] for target in scenes(run.scale).train.targets])
    detector = SceneSSD().build(run, 0)
    detector.network_ = detector.build(10)
    near = [box_iou(truths, boxes).amax(dim=1) >= 0.5 for boxes in (
        detector.defaults((128, 128)), default_boxes((128, 128), GRIDS, SIZES, RATIOS),
    )]  # fmt: skip
    assert [float(some.float().mean()) > 0.95 for some in near] == [True, True]


def test_pedestrians_default_boxes_are_as_people_are():
    """Frames at half size show people of 28 to 58 pixels; the next size is always near enough to match."""
    heights = [height for some in HEIGHTS for height in some]
    assert heights == sorted(heights)
    assert 0.3 < WIDE < 0.45  # of standing people, as Dollár et al. 2012 (§2.2.2) find it: 0.41
    assert all(low / high > 0.5**0.5 for low, high in pairwise(heights))


# --- The final predictions --------------------------------------------------------------------------------------------


def of_rcnn(detector, boxes, margins):
    """R-CNN's detections for boxes with these margins of its SVMs, none of them moved."""
    n, classes = margins.shape
    detector.scale_ = 1.0
    detector.svms_ = torch.cat([torch.eye(classes), torch.zeros(classes, 1)], dim=1)
    look = Features(boxes, margins, margins, torch.cat([torch.zeros(n, 1), margins], dim=1))
    return detector.detect(look, (600, 600), "svm", regress=False)


def of_softmax(detector, boxes, scores):
    look = Features(boxes, scores, scores, torch.cat([1 - scores, scores], dim=1).log())
    detector.scale_, detector.svms_ = 1.0, torch.zeros(1, 2)
    return detector.detect(look, (600, 600), "softmax", regress=False)


def of_fast_rcnn(detector, boxes, scores):
    return detector.detect(
        boxes, torch.cat([1 - scores, scores], dim=1), torch.zeros(len(boxes), 1, 4), (600, 600), regress=False
    )


def of_ssd(detector, boxes, scores):
    return detector.select(boxes, torch.cat([1 - scores, scores], dim=1))


def of_vgg(detector, boxes, scores):
    return detect(encode(boxes, boxes), torch.cat([1 - scores, scores], dim=1).log(), boxes, (600, 600))


def of_svm(detector, boxes, scores):
    return of_rcnn(detector, boxes, scores.logit())


SAID = {  # a detector, its prediction call, the IoU above which it suppresses, its least score, and how many it keeps
    "R-CNN": (build_scenes_rcnn, of_svm, 0.3, 0.1, 100),
    "R-CNN, softmax": (build_scenes_rcnn, of_softmax, 0.3, 0.01, 100),
    "Fast R-CNN": (build_scenes_fast_rcnn, of_fast_rcnn, 0.3, 0.01, 100),
    "SSD": (build_scenes_ssd, of_ssd, 0.45, 0.01, 100),
    "SSD300": (lambda run: None, of_vgg, 0.45, 0.01, 200),
    "R-CNN, pedestrians": (lambda run: build_pedestrians_rcnn(run, NOTHING), of_svm, 0.4, 0.1, 100),
    "Fast R-CNN, pedestrians": (lambda run: build_pedestrians_fast_rcnn(run, NOTHING), of_fast_rcnn, 0.4, 0.01, 100),
    "SSD, pedestrians": (lambda run: build_pedestrians_ssd(run, pretrained=False), of_ssd, 0.5, 0.01, 100),
}


@pytest.mark.parametrize("name", SAID)
def test_where_a_higher_scoring_box_removes_another_and_which_are_kept_at_all(run, name):
    build, ask, suppression, least, keep = SAID[name]
    detector = build(run)
    detector = detector.detector if isinstance(detector, HalfSize) else detector
    for change, stay in ((-2, 2), (2, 1)):
        boxes = shares(100, round(100 * suppression) + change)
        assert len(ask(detector, boxes, torch.tensor([[0.9], [0.8]]))["boxes"]) == stay
    corners = 20.0 * torch.cartesian_prod(torch.arange(18.0), torch.arange(18.0))
    apart = torch.cat([corners, corners + 9], dim=1)
    said = ask(detector, apart, torch.full((len(apart), 1), 0.5))
    assert len(said["boxes"]) == keep
    both = ask(detector, apart[:2], torch.tensor([[1.1 * least], [0.9 * least]]))
    assert both["boxes"].shape == (1, 4)
    assert_allclose(both["boxes"], apart[:1], atol=1e-4)


def test_of_a_class_400_boxes_are_looked_at():
    corners = 20.0 * torch.cartesian_prod(torch.arange(25.0), torch.arange(25.0))
    scores = torch.full((len(corners), 1), 0.5)
    found = select_detections(torch.cat([corners, corners + 9], dim=1), scores, least=0.1, suppression=0.5, keep=999)
    assert len(found["boxes"]) == 400


# --- The classical detector -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "apart", "suppression"),
    [(lambda run: HOGDetector(), 30, 40), (scenes_detector, 30, 30), (build_template, 40, 40)],
)
def test_hog_s_negatives_and_its_suppression(run, build, apart, suppression):
    detector = build(run)
    boxes = shares(apart - 2, apart + 2)
    zeros = torch.zeros(2).long()
    found = Found(boxes, torch.tensor([0.9, 0.8]), zeros + 1, zeros, zeros, zeros, zeros)
    assert beside_objects(found, [SQUARE], detector.apart).tolist() == [True, False]
    detector.windows_ = {1: None}
    for change, stay in ((-2, 2), (2, 1)):
        both = found._replace(boxes=shares(100, suppression + change))
        assert len(detector.suppressed(both, 1).boxes) == stay


def test_hog_looks_at_60_windows_of_a_class_and_image():
    detector, n = HOGDetector(), 80
    detector.windows_ = {1: None, 2: None}
    left = 20.0 * torch.arange(n)
    boxes = torch.stack([left, 0 * left, left + 9, 0 * left + 9], dim=1).repeat(2, 1)
    zeros = torch.zeros(2 * n).long()
    labels = torch.arange(2).repeat_interleave(n) + 1
    found = Found(boxes, torch.rand(2 * n), labels, zeros, zeros, zeros, zeros)
    assert detector.suppressed(found, 1).labels.bincount().tolist() == [0, 60, 60]


def test_an_object_is_no_positive_where_its_window_fits_by_less_than_0_65():
    detector = HOGDetector()
    window = Window.of_aspect(1.0, detector.cells, detector.window, detector.margin)
    boxes = torch.tensor([[0.0, 0, 40, 40], [0, 0, 60, 40], [0, 0, 64, 36]])  # the middle has their area
    fit = [float(box_iou(box[None], square(box)[None])) for box in boxes]
    assert fit[1] > 0.68
    assert fit[2] < 0.62
    assert place_windows(window, boxes, detector.fits)[1].tolist() == [True, True, False]


def square(box):
    """A box with the same centre and area."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).prod().sqrt() / 2
    return torch.cat([middle - half, middle + half])


@pytest.mark.parametrize(
    ("build", "copies"), [(lambda run: HOGDetector(), 2), (scenes_detector, 1), (build_template, 0)]
)
def test_positives_are_jittered_copies_and_mirrored(run, build, copies):
    detector = build(run)
    images, targets = framed(3)
    assert len(detector.positives(images, targets)[0]) == 3 * (copies + 1) * 2


def test_the_pyramid_ends_where_one_object_in_fifty_is_smaller_or_larger():
    sides = [8] + 4 * [12] + 90 * [20] + 4 * [36] + [48]
    images = np.zeros((100, 64, 64, 3), np.uint8)
    targets = [{"boxes": torch.tensor([[5.0, 5, 5 + s, 5 + s]]), "labels": torch.tensor([1])} for s in sides]
    detector = HOGDetector()
    detector.positives(images, targets)
    window = np.sqrt(detector.window) * detector.cells.pixels
    assert_allclose([detector.scales_[0], detector.scales_[-1]], [window / 12, window / 36], rtol=0.1)


@pytest.mark.parametrize("rounds", [None, 0, 1])
def test_hard_negatives_come_in_two_rounds_unless_told(rounds, monkeypatch):
    asked, real = [], HOGDetector.false_windows

    def false_windows(detector, images, targets):
        asked.append((len(images), bool(detector.coef_)))
        return real(detector, images, targets)

    monkeypatch.setattr(HOGDetector, "false_windows", false_windows)
    settings = {} if rounds is None else {"rounds": rounds}
    HOGDetector(window=36, random=3, mined=2, negatives=20, **settings).fit(*framed(4))
    assert asked == [(3, False)] + [(2, True)] * (2 if rounds is None else rounds)


def test_scores_from_minus_1_on_are_detections():
    images, targets = framed(6)
    detector = HOGDetector(window=36, random=6, mined=6, negatives=60, rounds=0).fit(images, targets)
    scores = torch.cat([detector.every_window(image)["scores"] for image in images])
    assert -1 < scores.min() < -0.9


def framed(n):
    """Grey noise with a white frame of 32 pixels in each picture."""
    rng = np.random.default_rng(0)
    images, targets = rng.integers(80, 120, (n, 96, 96, 3)).astype(np.uint8), []
    for image in images:
        x, y = rng.integers(4, 58, 2)
        image[y : y + 32, x : x + 32] = 255
        image[y + 8 : y + 24, x + 8 : x + 24] = 30
        targets.append({"boxes": torch.tensor([[x, y, x + 32, y + 32]]).float(), "labels": torch.tensor([1])})
    return images, targets


# --- Jitter -----------------------------------------------------------------------------------------------------------


def test_other_light_is_a_gain_and_a_shift_of_a_fifth():
    generator = torch.Generator().manual_seed(0)
    dark, bright = (change_light(torch.full((2000, 3, 1, 1), level), generator) for level in (0.0, 10.0))
    assert 0.19 < dark.abs().max() <= 0.2
    assert 2.1 < (bright - 10).abs().max() <= 2.2


def test_crops_that_are_named_are_shifted_by_two_pixels():
    point = torch.zeros(500, 3, 32, 32)
    point[:, :, 10, 12] = 100.0
    seen = augment_crops(point, torch.Generator().manual_seed(0)).sum(dim=1).flatten(1).argmax(dim=1)
    rows, columns = seen // 32, seen % 32
    assert set(rows.tolist()) == {8, 9, 10, 11, 12}
    assert set(columns.tolist()) == {*range(10, 15), *range(17, 22)}  # mirrored: 31 − 12


def test_an_object_is_cut_out_with_a_margin_to_32_pixels():
    crops, labels = cut_out_objects(IMAGES, [SQUARE], Pixels.of(IMAGES))
    assert crops.shape == (1, 3, 32, 32)
    assert labels.tolist() == [0]


def test_scenes_are_cropped_mildly():
    boxes = torch.tensor([[[4.0, 4, 124, 124]]]).repeat(4000, 1, 1)
    windows = MILD.windows(boxes, torch.ones(4000, 1, dtype=torch.bool), (128, 128), torch.Generator().manual_seed(0))
    assert (windows >= 0).all()  # nothing is zoomed out
    assert (windows <= 128).all()
    part = (windows != torch.tensor([0.0, 0, 128, 128])).any(dim=1)
    assert 0.2 < part.float().mean() < 0.35  # one demand of three, where a part that meets it was found
    overlap = box_iou(windows[part], boxes[0])
    assert 0.9 <= overlap.min() < 0.91
    free = torch.zeros(4000, 1, 4), torch.zeros(4000, 1, dtype=torch.bool)  # without an object, any part will do
    windows = MILD.windows(*free, (128, 128), torch.Generator().manual_seed(0))
    size = (windows[:, 2:] - windows[:, :2]).prod(dim=1).sqrt() / 128
    assert 0.6 <= size.min() < 0.62
    assert 0.3 < (size < 1).float().mean() < 0.37

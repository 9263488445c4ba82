"""Evaluation against pycocotools, a plainly written loop for difficult objects, sets drawn anew, and bad detections."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torchvision.ops import box_iou

from common.errors import Problem
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.metrics.matching import match
from common.metrics.precision_recall import average_precision
from tests.metrics.made_detections import CLASSES, NOTHING, cocos, made, with_masks


def by_threshold(evaluation: Evaluation) -> np.ndarray:
    return np.array([evaluation.average_precision(threshold) for threshold in evaluation.thresholds])


# --- COCO -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_pycocotools(seed, whole):
    detections, targets = made(seed, whole=whole, levels=5 if whole else 20)
    evaluation = Evaluation(detections, targets, CLASSES, COCO_THRESHOLDS)
    expected = cocos(detections, targets, CLASSES)
    assert np.isnan(expected[:, -1]).all()
    assert np.nanmax(expected) > 0.2
    assert_allclose(by_threshold(evaluation), expected, rtol=0, atol=1e-9)
    assert evaluation.mean_average_precision() == pytest.approx(np.nanmean(expected), abs=1e-9)
    assert evaluation.mean_average_precision(0.75) == pytest.approx(np.nanmean(expected[5]), abs=1e-9)


@pytest.mark.parametrize("areas", [(0, 400), (400, 1600), (1600, 1e9)])
@pytest.mark.parametrize("seed", range(3))
def test_objects_of_a_size_are_pycocotools(seed, areas):
    detections, targets = made(seed, whole=seed == 0)
    evaluation = Evaluation(detections, targets, CLASSES, COCO_THRESHOLDS).of_size(*areas)
    assert_allclose(by_threshold(evaluation), cocos(detections, targets, CLASSES, areas=areas), rtol=0, atol=1e-9)


@pytest.mark.parametrize("most", [1, 3, 100])
def test_the_limit_of_detections_is_pycocotools(most):
    detections, targets = made(7, images=8, said=400)
    evaluation = Evaluation(detections, targets, CLASSES, COCO_THRESHOLDS, most=most)
    assert max((d["labels"] == 1).sum() for d in detections) > 100
    assert_allclose(by_threshold(evaluation), cocos(detections, targets, CLASSES, most), rtol=0, atol=1e-9)


def test_a_threshold_of_1_asks_for_the_same_box():
    detections, targets = made(0)
    same = [{**t, "scores": torch.ones(len(t["labels"]))} for t in targets]
    assert_array_equal(Evaluation(same, targets, CLASSES, (1.0,)).average_precision(1.0)[:3], 1)
    assert Evaluation(detections, targets, CLASSES, (1.0,)).mean_average_precision(1.0) == 0


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_of_equal_overlaps_the_last_is_taken_as_pycocotools_does(order):
    """The surer box lies in the middle of two objects, the other one upon the first: is that still free?"""
    boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10]])[order]
    said = {"boxes": torch.tensor([[2.0, 0, 12, 10], [0, 0, 10, 10]]), "scores": torch.tensor([0.9, 0.8])}
    said["labels"] = torch.tensor([1, 1])
    evaluation = Evaluation([said], [{"boxes": boxes, "labels": torch.tensor([1, 1])}], 1, (0.6,))
    assert evaluation.matches.true.all() == (order == [0, 1])
    theirs = cocos([said], [{"boxes": boxes, "labels": torch.tensor([1, 1])}], 1)[2, 0]
    assert evaluation.mean_average_precision() == pytest.approx(theirs)


def test_an_object_that_counts_is_taken_before_one_that_does_not():
    target = {"boxes": torch.tensor([[0.0, 0, 12, 12], [0, 0, 10, 10]]), "labels": torch.tensor([1, 1])}
    said = {"boxes": target["boxes"][:1], "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}
    small = Evaluation([said], [target], 1, areas=(0, 100))
    assert (small.matches.truth.tolist(), small.matches.true.tolist()) == ([[1]], [[True]])
    theirs = cocos([said], [target], 1, areas=(0, 100))[0, 0]
    assert [small.mean_average_precision(), theirs] == pytest.approx([1, 1])
    easy = Evaluation([said], [{**target, "difficult": torch.tensor([True, False])}], 1)
    assert easy.mean_average_precision() == pytest.approx(1)


# --- nothing said, nothing there --------------------------------------------------------------------------------------


def test_nothing_said_is_0_and_nothing_there_is_no_number():
    detections, targets = made(0)
    silent, empty = [NOTHING] * len(targets), [{k: NOTHING[k] for k in ("boxes", "labels")}] * len(targets)
    for evaluation in (Evaluation(silent, targets, CLASSES), Evaluation(silent, targets, CLASSES, points=None)):
        assert_array_equal(evaluation.average_precision(), [0, 0, 0, math.nan])
        assert_array_equal(evaluation.log_average_miss_rate(), [1, 1, 1, math.nan])
        assert_array_equal(evaluation.bootstrap(resamples=4), 0)
    for evaluation in (
        Evaluation(detections, empty, CLASSES),
        Evaluation(silent, empty, CLASSES),
        Evaluation([], [], 3),
    ):
        assert np.isnan(evaluation.average_precision()).all()
        assert np.isnan(evaluation.log_average_miss_rate()).all()
        assert math.isnan(evaluation.mean_average_precision())
    assert np.isnan(Evaluation(detections, empty, CLASSES).bootstrap(resamples=4)).all()


# --- difficult objects ------------------------------------------------------------------------------------------------


def plainly(detections: list, targets: list, label: int, threshold: float) -> tuple[list, int]:
    """Detection by detection: whether it is true or false, the surest first. Of difficult objects neither."""
    said = [
        (-float(score), image, k)
        for image, one in enumerate(detections)
        for k, score in enumerate(one["scores"])
        if one["labels"][k] == label
    ]
    verdicts, taken = [], set()
    for _, image, k in sorted(said):
        best, difficult_best = None, None
        overlaps = box_iou(detections[image]["boxes"][[k]].double(), targets[image]["boxes"].double())[0].tolist()
        for number, overlap in enumerate(overlaps):
            if targets[image]["labels"][number] != label or overlap < threshold:
                continue
            if targets[image]["difficult"][number]:
                difficult_best = number
            elif (image, number) not in taken and (best is None or overlap >= overlaps[best]):
                best = number
        if best is not None:
            taken.add((image, best))
            verdicts.append(True)
        elif difficult_best is None:
            verdicts.append(False)
    there = sum(int(((t["labels"] == label) & ~t["difficult"]).sum()) for t in targets)
    return verdicts, there


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("points", [11, None])
def test_difficult_objects_are_neither_missed_nor_false(seed, points):
    detections, targets = made(seed, levels=0)
    rng = np.random.default_rng(seed)
    for target in targets:
        target["difficult"] = torch.tensor(rng.random(len(target["labels"])) < 0.4)
    evaluation = Evaluation(detections, targets, CLASSES, (0.5, 0.7), points)
    for threshold in (0.5, 0.7):
        for label in range(1, CLASSES):
            verdicts, there = plainly(detections, targets, label, threshold)
            true, said = np.cumsum(verdicts), np.arange(1, len(verdicts) + 1)
            assert_allclose(evaluation.curve(label, threshold).recall, true / there)
            assert_allclose(evaluation.curve(label, threshold).precision, true / said)
            expected = average_precision(true / there, true / said, points)
            assert evaluation.average_precision(threshold)[label - 1] == pytest.approx(expected)


# --- matches ----------------------------------------------------------------------------------------------------------


def test_each_match_says_which_detection_found_which_object():
    detections, targets = made(1)
    matches = match(detections, targets, CLASSES, (0.5, 0.8))
    assert len(matches.scores) == sum(len(d["labels"]) for d in detections)
    for row, threshold in enumerate((0.5, 0.8)):
        found = np.flatnonzero(matches.truth[row] >= 0)
        truth = matches.truth[row, found]
        assert len(set(truth.tolist())) == len(truth) > 5
        assert (matches.iou[row, found] >= threshold).all()
        for k, number in zip(found, truth, strict=True):
            said, there = matches.detections.take(np.array([k])), matches.truths.take(np.array([number]))
            assert (said.images, said.labels) == (there.images, there.labels)
            box = detections[said.images[0]]["boxes"][said.items].double()
            overlap = box_iou(box, targets[there.images[0]]["boxes"][there.items].double()).item()
            assert overlap == pytest.approx(matches.iou[row, k])
        assert (matches.iou[row][matches.truth[row] < 0] == 0).all()
    assert matches.true[1].sum() < matches.true[0].sum()
    assert_array_equal(matches.true ^ matches.false, True)


def test_the_second_box_of_an_object_is_false_and_the_surer_one_true():
    box = torch.tensor([[0.0, 0, 10, 10]])
    one = {"boxes": box, "labels": torch.tensor([1])}
    twice = {"boxes": torch.cat([box + 1, box]), "labels": torch.ones(2, dtype=int), "scores": torch.tensor([0.5, 0.9])}
    evaluation = Evaluation([twice], [one], 1)
    assert evaluation.matches.detections.items.tolist() == [1, 0]
    assert evaluation.matches.true.tolist() == [[True, False]]
    assert evaluation.curve(1).precision.tolist() == [1, 0.5]


# --- sets of images drawn anew ----------------------------------------------------------------------------------------


def test_weights_are_images_that_are_there_so_many_times():
    detections, targets = made(2, levels=0)
    evaluation = Evaluation(detections, targets, CLASSES, COCO_THRESHOLDS)
    weights = np.random.default_rng(0).multinomial(len(targets), np.full(len(targets), 1 / len(targets)), size=3)
    for threshold in (0.5, None):
        ours = evaluation.weighted(weights.astype(float), threshold)
        for draw, value in zip(weights, ours, strict=True):
            order = np.repeat(np.arange(len(targets)), draw)
            again = Evaluation([detections[k] for k in order], [targets[k] for k in order], CLASSES, COCO_THRESHOLDS)
            assert value == pytest.approx(again.mean_average_precision(threshold), abs=1e-12)


def test_miss_rates_of_weights_are_those_of_images_that_are_there_so_many_times():
    detections, targets = made(2, levels=0)
    evaluation = Evaluation(detections, targets, CLASSES)
    weights = np.random.default_rng(1).multinomial(len(targets), np.full(len(targets), 1 / len(targets)), size=4)
    for draw, value in zip(weights, evaluation.weighted_miss_rate(weights.astype(float)), strict=True):
        order = np.repeat(np.arange(len(targets)), draw)
        again = Evaluation([detections[k] for k in order], [targets[k] for k in order], CLASSES)
        assert value == pytest.approx(np.nanmean(again.log_average_miss_rate()), abs=1e-12)


def test_the_values_by_image_of_the_miss_rate_have_its_mean_and_spread():
    detections, targets = made(4, images=200, levels=0)
    evaluation = Evaluation(detections, targets, CLASSES)
    values = evaluation.miss_rate_by_image()
    assert values.mean() == pytest.approx(np.nanmean(evaluation.log_average_miss_rate()), abs=2e-3)
    draws = evaluation.weighted_miss_rate(evaluation.grouping.draw(500))
    assert values.std(ddof=1) / math.sqrt(200) == pytest.approx(draws.std(), rel=0.35)
    assert np.isfinite(Evaluation(detections[:1], targets[:1], CLASSES).miss_rate_by_image()).all()


def test_a_bootstrap_draws_the_same_images_for_every_detector():
    detections, targets = made(3, images=60)
    a = Evaluation(detections, targets, CLASSES)
    fewer = [{key: value[::2] for key, value in one.items()} for one in detections]
    b = Evaluation(fewer, targets, CLASSES)
    assert_array_equal(a.bootstrap(0.5, 50), a.bootstrap(0.5, 50))
    assert not np.array_equal(a.bootstrap(0.5, 50), a.bootstrap(0.5, 50, seed=1))
    paired = (a.bootstrap(0.5) - b.bootstrap(0.5)).std()
    apart = (a.bootstrap(0.5) - b.bootstrap(0.5, seed=1)).std()
    assert paired < 0.9 * apart


def test_the_jackknife_has_the_right_mean_and_about_the_bootstrap_s_spread():
    detections, targets = made(4, images=300, levels=0)
    evaluation = Evaluation(detections, targets, CLASSES)
    values = evaluation.by_image(0.5)
    assert values.mean() == pytest.approx(evaluation.mean_average_precision(0.5))
    spread = values.std(ddof=1) / math.sqrt(len(targets))
    assert spread == pytest.approx(evaluation.bootstrap(0.5).std(), rel=0.35)
    without = Evaluation(detections[1:], targets[1:], CLASSES).mean_average_precision(0.5)
    assert values[0] - values[1:].mean() == pytest.approx(
        -len(targets) * (without - Evaluation(detections, targets, CLASSES).weighted(1 - np.eye(300), 0.5).mean()),
        rel=1e-6,
    )


# --- what cannot be judged --------------------------------------------------------------------------------------------


def spoilt(key: str, value: object) -> list:
    detections, _ = made(5, images=3)
    one = detections[1] = {"boxes": torch.tensor([[0.0, 0, 5, 5], [1, 1, 9, 9]]), "labels": torch.tensor([1, 2])}
    one["scores"] = torch.tensor([0.9, 0.8])
    one[key] = value
    return detections


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("scores", torch.tensor([0.5, math.nan]), "detections of image 1: a score is not a number"),
        ("scores", torch.tensor([0.5]), "detections of image 1: .*do not belong together"),
        ("boxes", torch.tensor([[0.0, 0, 5, math.nan], [1, 1, 9, 9]]), "image 1: box .*no finite number"),
        ("boxes", torch.tensor([[0.0, 0, 5, 5], [1, 1, math.inf, 9]]), "image 1: box .*no finite number"),
        ("boxes", torch.tensor([[0.0, 0, 5, 5], [1, 1, 0, 9]]), "image 1: box .*ends before it begins"),
        ("boxes", torch.zeros(2, 5), "image 1: .*do not belong together"),
        ("labels", torch.tensor([1, 0]), "image 1: label 0 is none of 1 … 4; 0 is the background's"),
        ("labels", torch.tensor([1, 5]), "image 1: label 5 is none of 1 … 4"),
    ],
)
def test_what_cannot_be_judged_is_named(key, value, said):
    _, targets = made(5, images=3)
    with pytest.raises(Problem, match=said):
        Evaluation(spoilt(key, value), targets, CLASSES)


def test_truths_are_checked_too_and_scores_have_to_be_there():
    detections, targets = made(5, images=3)
    with pytest.raises(Problem, match="detections of image 0: there are no scores"):
        Evaluation(targets, targets, CLASSES)
    targets[2] = {"boxes": torch.tensor([[0.0, 0, 5, 5]]), "labels": torch.tensor([9])}
    with pytest.raises(Problem, match="targets of image 2: label 9"):
        Evaluation(detections, targets, CLASSES)


def test_wrong_calls_are_errors():
    detections, targets = made(5, images=3)
    with pytest.raises(ValueError, match="detections of 3 images, but targets of 2"):
        Evaluation(detections, targets[:2], CLASSES)
    with pytest.raises(ValueError, match=r"no matches at a threshold of 0\.6"):
        Evaluation(detections, targets, CLASSES).average_precision(0.6)


def test_a_box_without_an_area_finds_nothing():
    flat = {"boxes": torch.tensor([[3.0, 3, 3, 3]]), "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}
    assert Evaluation([flat], [{k: flat[k] for k in ("boxes", "labels")}], 1).mean_average_precision() == 0


# --- masks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_average_precision_of_masks_is_pycocotools(seed, whole):
    """With equal scores, equal overlaps, empty masks, and images without detections, objects, or both."""
    detections, targets = made(seed, whole=whole, levels=5 if whole else 20)
    with_masks(detections, targets, holes=0.0 if whole else 0.1)
    evaluation = Evaluation(detections, targets, CLASSES, COCO_THRESHOLDS, iou_of="masks")
    expected = cocos(detections, targets, CLASSES, kind="segm")
    assert np.isnan(expected[:, -1]).all()
    assert np.nanmax(expected) > 0.1
    assert any(not one["masks"].any(dim=(1, 2)).all() for one in detections)
    assert_allclose(by_threshold(evaluation), expected, rtol=0, atol=1e-9)
    assert not np.allclose(by_threshold(evaluation), cocos(detections, targets, CLASSES), equal_nan=True)


@pytest.mark.parametrize("areas", [(0, 120), (120, 400), (400, 1e9)])
@pytest.mark.parametrize("seed", range(3))
def test_masks_of_a_size_are_pycocotools(seed, areas):
    detections, targets = made(seed, whole=seed == 0)
    with_masks(detections, targets)
    evaluation = Evaluation(detections, targets, CLASSES, COCO_THRESHOLDS, iou_of="masks").of_size(*areas)
    expected = cocos(detections, targets, CLASSES, areas=areas, kind="segm")
    assert_allclose(by_threshold(evaluation), expected, rtol=0, atol=1e-9)


def test_images_of_different_sizes_and_whole_numbers_as_masks():
    detections, targets = made(1, images=6)
    for k in range(6):
        with_masks(detections[k : k + 1], targets[k : k + 1], size=(30 + k, 50 - 2 * k))
    value = Evaluation(detections, targets, CLASSES, COCO_THRESHOLDS, iou_of="masks").mean_average_precision()
    assert value == pytest.approx(np.nanmean(cocos(detections, targets, CLASSES, kind="segm")))
    for one in detections:
        one["masks"] = one["masks"].to(torch.uint8)
    again = Evaluation(detections, targets, CLASSES, COCO_THRESHOLDS, iou_of="masks")
    assert again.mean_average_precision() == value


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (None, "detections of image 1: there are no masks, only boxes, labels, scores"),
        (torch.zeros(1, 48, 56, dtype=torch.bool), r"detections of image 1: masks \(1, 48, 56\) are not \(2, height"),
        (torch.zeros(2, 1, 48, 56, dtype=torch.bool), r"image 1: masks \(2, 1, 48, 56\) are not \(2, height, width\)"),
        (torch.full((2, 48, 56), 0.5), "image 1: masks of float32 are not true and false, or 0 and 1"),
        (torch.full((2, 48, 56), 255, dtype=torch.uint8), "image 1: masks of uint8 are not true and false, or 0 and 1"),
        (torch.zeros(2, 24, 28, dtype=torch.bool), r"image 1: .*masks are \(24, 28\) pixels, its targets' \(48, 56\)"),
    ],
)
def test_masks_that_cannot_be_judged_are_named(masks, message):
    _, targets = made(5, images=3)
    targets[1] = {"boxes": torch.tensor([[0.0, 0, 9, 9]]), "labels": torch.tensor([1])}
    detections = spoilt("labels", torch.tensor([1, 1]))
    with_masks(detections, targets)
    del detections[1]["masks"]
    if masks is not None:
        detections[1]["masks"] = masks
    with pytest.raises(Problem, match=message):
        Evaluation(detections, targets, CLASSES, iou_of="masks")


def test_another_kind_of_overlap_is_an_error():
    detections, targets = made(5, images=3)
    with pytest.raises(ValueError, match="iou_of is 'segm', but must be one of"):
        Evaluation(detections, targets, CLASSES, iou_of="segm")

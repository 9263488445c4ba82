"""Evaluation against pycocotools, a plainly written loop for difficult objects, sets drawn anew, and bad detections."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ch06_detection.boxes import iou
from ch06_detection.evaluation import COCO_THRESHOLDS, Evaluation
from ch06_detection.matching_detections import match
from ch06_detection.precision_recall import average_precision
from common.errors import Problem

CLASSES = 4
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "scores": torch.zeros(0)}


def made(seed: int, images: int = 25, whole: bool = False, levels: int = 20, said: int = 25) -> tuple[list, list]:
    """Detections and truths: some images have none of one or the other; scores are equal here and there.

    whole: coordinates are whole pixels, so that overlaps are equal, too. levels: of scores; 0: all differ.
    """
    rng = np.random.default_rng(seed)
    detections, targets = [], []
    for _ in range(images):
        n, m = rng.integers(0, 7), rng.integers(0, said) * (rng.random() < 0.9)
        corner, size = rng.uniform(0, 60, (n, 2)), rng.uniform(5, 60, (n, 2))
        boxes, labels = np.hstack([corner, corner + size]), rng.integers(1, CLASSES, n)  # the last class is never there
        which = rng.integers(0, max(n, 1), m)
        near = boxes[which] + rng.normal(0, 4, (m, 4)) if n else np.tile([10.0, 10, 40, 40], (m, 1))
        near[:, 2:] = np.maximum(near[:, :2], near[:, 2:])
        own = labels[which] if n else np.ones(m, int)
        guess = np.where(rng.random(m) < 0.8, own, rng.integers(1, CLASSES + 1, m))
        scores = rng.integers(levels, size=m) / levels if levels else rng.random(m)
        if whole:
            boxes, near = boxes.round(), near.round()
        targets.append({"boxes": torch.tensor(boxes).float().reshape(-1, 4), "labels": torch.tensor(labels)})
        detections.append(
            {
                "boxes": torch.tensor(near).float().reshape(-1, 4),
                "labels": torch.tensor(guess),
                "scores": torch.tensor(np.sort(scores)[::-1].copy()),
            }
        )
    return detections, targets


def cocos(detections: list, targets: list, classes: int, most: int = 100, areas: tuple = (0, 1e9)) -> np.ndarray:
    """pycocotools' average precision by threshold and class, NaN for a class that is not there."""

    def entries(ones: list) -> list[dict]:
        found = []
        for image, one in enumerate(ones):
            for k, (x1, y1, x2, y2) in enumerate(one["boxes"].double().tolist()):
                entry = {"id": len(found) + 1, "image_id": image, "category_id": int(one["labels"][k]), "iscrowd": 0}
                entry |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
                found.append(entry | ({"score": float(one["scores"][k])} if "scores" in one else {}))
        return found

    with contextlib.redirect_stdout(io.StringIO()):
        truth, said = COCO(), COCO()
        for coco, ones in ((truth, targets), (said, detections)):
            categories = [{"id": label} for label in range(1, classes + 1)]
            images = [{"id": image} for image in range(len(targets))]
            coco.dataset = {"images": images, "categories": categories, "annotations": entries(ones)}
            coco.createIndex()
        judge = COCOeval(truth, said, "bbox")
        judge.params.areaRng, judge.params.areaRngLbl, judge.params.maxDets = [list(areas)], ["these"], [most]
        judge.evaluate()
        judge.accumulate()
    values = judge.eval["precision"][..., 0, 0].mean(axis=1)
    return np.where(values < 0, math.nan, values)


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
        overlaps = iou(detections[image]["boxes"][[k]].double(), targets[image]["boxes"].double())[0].tolist()
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
            overlap = iou(box, targets[there.images[0]]["boxes"][there.items].double()).item()
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

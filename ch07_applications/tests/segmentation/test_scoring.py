"""The scores of this task against scikit-learn, and against cases counted by hand; inputs that cannot be scored."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score

from ch07_applications.segmentation import scoring
from ch07_applications.segmentation.labelled_scenes import instances, labelled_scenes
from ch07_applications.segmentation.scoring import AP50, AP75, BOUNDARY, IOU
from common.console import Console
from common.data import Scale
from common.data.segmented import IGNORE, SegmentedImages
from common.errors import Problem
from common.record import LessonRecord
from common.run import Run


@pytest.fixture
def run(tmp_path):
    return Run("segmentation/fcn", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())


@pytest.fixture
def sets(run):
    return labelled_scenes(run)


def values(run):
    return {row.metric: row.value for row in run.record.rows}


def part_of(labels, groups=None):
    labels = np.asarray(labels, np.uint8)
    images = np.zeros((*labels.shape, 3), np.uint8)
    names = tuple(map(str, range(len(labels))))
    return SegmentedImages(images, labels, ("background", "shirt", "bag"), names, groups)


def test_mean_iou_is_of_one_confusion_matrix_for_the_whole_part(run, sets):
    """It equals scikit-learn's over all pixels; the mean of images' mean IoU is another number."""
    labels = np.roll(sets.test.labels, 3, axis=2)
    with run.method("moved by three pixels", kind="reference") as method:
        matrix = scoring.score_semantic(method, sets.test, labels)
    theirs = jaccard_score(sets.test.labels.ravel(), labels.ravel(), average="macro")
    assert values(run)[IOU] == pytest.approx(100 * theirs)
    of_images = [
        jaccard_score(a.ravel(), b.ravel(), average="macro") for a, b in zip(sets.test.labels, labels, strict=True)
    ]
    assert abs(np.mean(of_images) - theirs) > 0.01
    assert matrix.sum() == sets.test.labels.size
    assert matrix[0].sum() == (sets.test.labels == 0).sum()  # rows: what is there


def test_ignored_pixels_do_not_count(run):
    truth = np.zeros((2, 40, 40))
    truth[:, :, 20:] = 1
    labels = truth.astype(np.uint8)
    labels[:, :10] = 2
    truth[:, :10] = IGNORE
    with run.method("wrong where nobody counts", kind="reference") as method:
        scoring.score_semantic(method, part_of(truth), labels)
    assert values(run) == {IOU: 100, BOUNDARY: 100}


def test_boundaries_show_what_mean_iou_hardly_does(run):
    """A border that is off by three pixels: of a diagonal of 181 pixels, 1.4 are allowed."""
    truth, labels = np.zeros((1, 128, 128)), np.zeros((1, 128, 128), np.uint8)
    truth[:, :, 64:] = labels[:, :, 67:] = 1
    with run.method("off", kind="reference") as method:
        scoring.score_semantic(method, part_of(truth), labels)
    assert values(run)[IOU] == pytest.approx(100 * (64 / 67 + 61 / 64) / 2)
    assert values(run)[BOUNDARY] == 0


def test_intervals_resample_groups(run):
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.integers(0, 2, (4, 20, 20)), 3, axis=0)  # each scene three times
    labels = np.where(np.repeat(rng.random((4, 20, 20)) < 0.2, 3, axis=0), 2, truth).astype(np.uint8)
    for name, groups in (("alone", None), ("grouped", np.repeat(np.arange(4), 3))):
        with run.method(name, kind="reference") as method:
            scoring.score_semantic(method, part_of(truth, groups), labels)
    alone, grouped = (row for row in run.record.rows if row.metric == IOU)
    assert grouped.value == pytest.approx(alone.value)
    assert grouped.high - grouped.low > 1.2 * (alone.high - alone.low)


def test_detections_are_predicted_once_a_run_and_come_back_as_they_were(run, sets):
    part = sets.objects.test
    found = [{**target, "scores": torch.ones(len(target["labels"]))} for target in instances(part)]
    with run.method("system", kind="deep") as method:
        method.model = SimpleNamespace(predict=lambda images: found[: len(images)])
        first = scoring.predicted_once(method, part)
        scoring.score_instances(method, part, first)
    seconds = method.predict_seconds
    with run.method("system", kind="deep") as method:
        method.model = None  # nothing is left that could predict
        again = scoring.predicted_once(method, part)
        scoring.score_instances(method, part, again)
    assert method.predict_seconds == seconds
    for own in (first, again):
        for ours, given in zip(own, found, strict=True):
            assert ours["masks"].dtype == torch.bool
            assert all(torch.equal(ours[key], given[key]) for key in given)
    with run.method("system", kind="deep") as method:
        method.model = SimpleNamespace(predict=lambda images: found[:2])
        assert len(scoring.predicted_once(method, part.take([0, 1]))) == 2  # another part is another key
        scoring.score_instances(method, part.take([0, 1]), found[:2])


def test_methods_can_be_compared(run, sets):
    for name, shift in (("near", 1), ("far", 4)):
        with run.method(name, kind="reference") as method:
            labels = scoring.judge_semantic(method, sets.test, lambda _, s=shift: np.roll(sets.test.labels, s, axis=1))
            assert method.predict_seconds > 0
            assert labels.shape == sets.test.labels.shape
    run.compare("near", "far", IOU)
    run.compare("near", "far", BOUNDARY)
    assert len(run.pairs) == 2


def test_masks_are_judged_not_boxes(run, sets):
    """Full boxes as masks: every box is right, and at an IoU of 0.75 hardly a mask is."""
    part = sets.objects.test
    filled = []
    for target in instances(part):
        masks = torch.zeros_like(target["masks"])
        for mask, (x1, y1, x2, y2) in zip(masks, target["boxes"].int().tolist(), strict=True):
            mask[y1:y2, x1:x2] = True
        filled.append({**target, "masks": masks, "scores": torch.ones(len(masks))})
    with run.method("boxes", kind="reference") as method:
        scoring.judge_instances(method, part, lambda images: filled)
    assert values(run)[AP75] < values(run)[AP50] - 20
    with run.method("truth", kind="reference") as method:
        scoring.score_instances(
            method, part, [{**t, "scores": f["scores"]} for t, f in zip(instances(part), filled, strict=True)]
        )
    assert values(run) == {AP50: pytest.approx(100), AP75: pytest.approx(100)}


def test_what_cannot_be_judged(run, sets):
    with run.method("wrong", kind="reference") as method:
        with pytest.raises(ValueError, match=r"labels \(8, 64, 64\) for scenes \(8, 128, 128\)"):
            scoring.score_semantic(method, sets.test, sets.test.labels[:, ::2, ::2])
        with pytest.raises(ValueError, match="label 11"):
            scoring.score_semantic(method, sets.test, np.full_like(sets.test.labels, 11))
        bare = [{**target, "scores": torch.ones(len(target["labels"]))} for target in sets.objects.test.targets]
        with pytest.raises(Problem, match="no masks"):
            scoring.score_instances(method, sets.objects.test, bare)
        small = [
            {**t, "masks": m["masks"][:, ::4, ::4]} for t, m in zip(bare, instances(sets.objects.test), strict=True)
        ]
        with pytest.raises(Problem, match=r"masks are \(32, 32\)"):
            scoring.score_instances(method, sets.objects.test, small)

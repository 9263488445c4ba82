"""The classical rival: filling, painting, settings chosen on validation scenes only, and sharing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from ch07_applications.segmentation.box_rival import (
    MEAN_MASK,
    MOST,
    RIVAL,
    SIDE,
    BoxRival,
    fill_all,
    fit_rival,
    mean_masks,
    score_rival,
)
from ch07_applications.segmentation.grabcut import grabcut
from ch07_applications.segmentation.labelled_scenes import instances, labelled_scenes, paint_instances
from ch07_applications.segmentation.scoring import AP50, BOUNDARY, IOU
from common import pools
from common.console import Console
from common.data import Scale
from common.hog_detection.detector import HOGDetector
from common.record import LessonRecord
from common.run import Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


def make_run(folder, shared):
    scale = Scale("smoke")
    return Run("segmentation/fcn", 0, scale, LessonRecord("", ""), folder, Console(quiet=True), shared=shared)


@pytest.fixture(scope="module")
def fitted(folder):
    """A run in which both rivals were scored."""
    run = make_run(folder, {})
    sets = labelled_scenes(run, train=4)
    return run, sets, {by_mean: score_rival(run, sets, by_mean=by_mean) for by_mean in (False, True)}


class Fixed(HOGDetector):
    """Returns given detections."""

    def predict(self, images):
        return self.found


def with_detections(boxes, scores, labels, by_mean=False, **settings):
    detector = Fixed()
    boxes, scores, labels = torch.tensor(boxes), torch.tensor(scores), torch.tensor(labels)
    detector.found = [{"boxes": boxes, "scores": scores, "labels": labels}]
    return BoxRival(detector, by_mean, **settings)


IMAGE = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
BOXES = [[5.0, 5, 25, 30], [30.0, 30, 60, 60], [10.0, 40, 20, 50]]


def test_each_grown_box_is_filled_by_grabcut_the_highest_scores_first():
    rival = with_detections(BOXES, [0.1, 0.9, 0.5], [1, 2, 3], most=2, grow=2.0)
    (found,) = rival.predict(IMAGE)
    assert found["labels"].tolist() == [2, 3]
    assert_array_equal(found["boxes"], [BOXES[1], BOXES[2]])
    for mask, (x1, y1, x2, y2) in zip(found["masks"].numpy(), (BOXES[1], BOXES[2]), strict=True):
        assert_array_equal(mask, grabcut(IMAGE[0], (x1 - 2, y1 - 2, x2 + 2, y2 + 2)))


def test_an_image_without_boxes_has_no_masks_and_many_images_are_filled_as_few():
    none = torch.zeros(0, 4)
    (alone,) = fill_all(IMAGE, [none])
    assert alone.shape == (0, 64, 64)
    images = np.repeat(IMAGE, 3, axis=0) // np.arange(1, 4, dtype=np.uint8)[:, None, None, None]
    boxes = [torch.tensor(BOXES), none, torch.tensor(BOXES[:1])]
    found = fill_all(images, boxes)
    assert [len(own) for own in found] == [3, 0, 1]
    assert torch.equal(found[2], fill_all(images[2:], boxes[2:])[0])


def test_in_other_processes_the_masks_are_the_same(monkeypatch):
    images, boxes = np.repeat(IMAGE, 3, axis=0), [torch.tensor(BOXES)] * 3
    here = fill_all(images, boxes)
    monkeypatch.setattr(pools, "FEW", 2)
    monkeypatch.setattr(pools, "CHUNK", 2)
    assert all(torch.equal(a, b) for a, b in zip(here, fill_all(images, boxes), strict=True))


def test_a_mean_mask_is_the_mean_of_what_the_boxes_show():
    """Left halves of their boxes, of any size and place: the left half; grown boxes have a rim of background."""
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)
    masks[0, 10:50, 10:30] = masks[1, 4:24, 30:40] = True
    target = {"boxes": torch.tensor([[10.0, 10, 50, 50], [30.0, 4, 50, 24]]), "labels": torch.tensor([3, 3])}
    (mean,) = mean_masks([{**target, "masks": masks}]).values()
    assert mean.shape == (SIDE, SIDE)
    assert mean[8:24, 6:14].min() > 0.95
    assert mean[:, 20:].max() < 0.05


def test_mean_masks_are_stretched_to_their_boxes_and_cut_off_with_them():
    boxes = [[8.0, 8, 40, 24], [-16.0, -8, 16, 8], [50.0, 50, 90, 90]]
    rival = with_detections(boxes, [3.0, 2, 1], [1, 1, 1], True, grow=0.0)
    rival.mean_masks_ = {1: torch.zeros(SIDE, SIDE)}
    rival.mean_masks_[1][:, SIDE // 2 :] = 1  # the right half
    (found,) = rival.predict(IMAGE)
    expected = np.zeros((3, 64, 64), bool)
    expected[0, 8:24, 24:40] = expected[1, :8, :16] = True  # of the third, the right half lies outside
    assert_array_equal(found["masks"], expected)


def test_painting_is_chosen_on_validation_scenes_by_mean_iou(fitted):
    run, sets, _ = fitted
    rival = fit_rival(run.methods[RIVAL], sets)
    part = sets.objects.validation.take(slice(8))
    masks = [{**t, "scores": torch.full((len(t["labels"]),), 0.3)} for t in instances(part)]
    wrong = [  # beside each scene's objects a second guess about the first, with a lower score
        {
            key: torch.cat([value, value[:1] - (0.5 if key == "scores" else 0)]) if key != "masks" else None
            for key, value in t.items()
        }
        for t in masks
    ]
    for t, own in zip(wrong, masks, strict=True):
        t["masks"] = torch.cat([own["masks"], own["masks"][:1].roll(6, dims=-1)])
        t["labels"][-1] = t["labels"][-1] % 10 + 1
    chosen = BoxRival(rival.detector)
    chosen.predict = lambda images: wrong
    chosen.choose_painting(part)
    assert -0.2 < chosen.least_ <= 0.3 or chosen.covered_ < 1
    labels = chosen.paint(wrong, (128, 128))
    assert np.mean(labels == paint_instances(masks, (128, 128))) > 0.99
    assert np.mean(paint_instances(wrong, (128, 128)) == paint_instances(masks, (128, 128))) < 0.99


def test_a_covered_mask_is_not_painted():
    masks = torch.zeros(2, 4, 10, dtype=torch.bool)
    masks[0, :, :6] = masks[1, :, 3:9] = True  # half of the second is covered
    found = {"labels": torch.tensor([1, 2]), "scores": torch.tensor([0.9, 0.1]), "masks": masks}
    assert_array_equal(paint_instances([found], (4, 10), covered=0.5)[0, 0], [1] * 6 + [2] * 3 + [0])
    assert_array_equal(paint_instances([found], (4, 10), covered=0.4)[0, 0], [1] * 6 + [0] * 4)


def test_both_rivals_share_the_detector_and_are_scored_in_both_tasks(fitted):
    run, sets, answers = fitted
    assert run.methods[RIVAL].model.detector is run.methods[MEAN_MASK].model.detector
    assert {(row.method, row.metric) for row in run.record.rows} >= {(RIVAL, IOU), (RIVAL, AP50), (MEAN_MASK, BOUNDARY)}
    assert all(row.fit_seconds > 0 and row.predict_seconds > 0 for row in run.record.rows)
    for labels, detections in answers.values():
        assert labels.shape == sets.test.labels.shape
        assert max(len(found["labels"]) for found in detections) == MOST


def test_a_later_lesson_is_given_the_predictions(fitted, folder, monkeypatch):
    run, _, answers = fitted
    later = make_run(folder, run.shared)
    sets = labelled_scenes(later, train=7)
    monkeypatch.setattr(BoxRival, "predict", None)  # nothing is predicted again
    labels, _ = score_rival(later, sets, instances=False)
    assert_array_equal(labels, answers[False][0])
    assert {row.metric for row in later.record.rows} == {IOU, BOUNDARY}
    rows = {row.metric: row for row in run.record.rows if row.method == RIVAL}
    for row in later.record.rows:
        assert (row.value, row.fit_seconds, row.predict_seconds) == (
            rows[row.metric].value,
            rows[row.metric].fit_seconds,
            rows[row.metric].predict_seconds,
        )


def test_how_many_scenes_a_lesson_trains_on_does_not_change_the_rival(fitted, folder):
    """The detector learns from the first scenes of the whole training part: 64 at smoke, where the lesson took four."""
    run, _, _ = fitted
    again = make_run(folder, {})
    with again.method(RIVAL, kind="classical") as method:
        other = fit_rival(method, labelled_scenes(again, train=90, test=2))
    first = run.methods[RIVAL].model
    assert_array_equal(first.detector.coef_[0], other.detector.coef_[0])
    assert (first.least_, first.covered_) == (other.least_, other.covered_)
    assert first.detector.images == 64

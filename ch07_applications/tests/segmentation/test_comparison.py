"""The comparison: systems as their lessons trained them, all on one test part; painting is chosen on another part."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ch07_applications.segmentation import comparison
from ch07_applications.segmentation.box_rival import RIVAL
from ch07_applications.segmentation.comparison import (
    COLUMNS,
    FCN,
    FOREST,
    LEAST,
    MASK_RCNN,
    PAINTED,
    REGIONS,
    SDS,
    SEGNET,
    choose_least,
)
from ch07_applications.segmentation.drawn_scores import draw_scores
from ch07_applications.segmentation.labelled_scenes import instances, paint_instances
from ch07_applications.segmentation.scoring import AP50, AP75, BOUNDARY, IOU, score_instances, score_semantic
from common import plots
from common.data import Scale
from common.data.scenes import scenes
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from tests.recorded_lesson import recorded

LABELS, MASKS = (FCN, SEGNET, COLUMNS, FOREST), (MASK_RCNN, SDS, REGIONS)


def truths():
    """All parts of the smoke scenes, by the images' bytes: the predictions of a perfect system."""
    whole = scenes(Scale("smoke"), train_masks=True)
    return {
        image.tobytes(): own
        for part in (whole.validation, whole.test)
        for image, own in zip(part.images, instances(part), strict=True)
    }


class Perfect:
    """A system of masks that knows the truth, and guesses one object too many, with a score of 0.3."""

    def __init__(self):
        self.known, self.asked = truths(), []

    def predict(self, images):
        self.asked.append(len(images))
        return [self.with_a_guess(self.known[image.tobytes()]) for image in images]

    def with_a_guess(self, own):
        guess = torch.zeros(1, *own["masks"].shape[1:], dtype=torch.bool)
        guess[:, :40, :40] = True
        return {
            "boxes": torch.cat([own["boxes"], torch.tensor([[0.0, 0, 40, 40]])]),
            "labels": torch.cat([own["labels"], torch.ones(1, dtype=torch.int64)]),
            "scores": torch.cat([torch.ones(len(own["labels"])), torch.tensor([0.3])]),
            "masks": torch.cat([own["masks"], guess]),
        }


class Background:
    def predict(self, images):
        return np.zeros(images.shape[:3], np.uint8)


def test_the_least_score_to_be_painted_is_the_best_on_the_scenes_given():
    part, model = scenes(Scale("smoke"), train_masks=True).validation.take(slice(6)), Perfect()
    least, size = choose_least(model, part), part.images.shape[1:3]
    truth, values = paint_instances(instances(part), size), []
    for option in LEAST:
        matrix = ConfusionMatrix(1 + len(part.classes))
        matrix.add(truth, paint_instances(model.predict(part.images), size, option))
        values.append(float(mean_iou(matrix.total)))
    assert least == LEAST[int(np.argmax(values))] > 0.3  # the guess is left out
    assert max(values) > min(values)


def fitting(model):
    return lambda method, sets, **_: setattr(method, "model", model)


@pytest.fixture
def stubs(monkeypatch):
    """Systems that need no training, and the truth in place of the rival."""
    perfect = Perfect()
    for name in ("fit_fcn", "fit_segnet", "fit_columns", "fit_forest"):
        monkeypatch.setattr(comparison, name, fitting(Background()))
    for name in ("fit_mask_rcnn", "fit_regions"):
        monkeypatch.setattr(comparison, name, fitting(perfect))

    def rival(run, sets):
        part = sets.objects.test
        found = [{**own, "scores": torch.ones(len(own["labels"]))} for own in instances(part)]
        labels = paint_instances(found, part.images.shape[1:3])
        with run.method(RIVAL, kind="classical") as method:
            score_semantic(method, sets.test, labels)
            score_instances(method, part, found)
        return labels, found

    monkeypatch.setattr(comparison, "score_rival", rival)
    return perfect


def with_trunk(monkeypatch, trunk):
    monkeypatch.setattr(comparison, "mobilenet_v2_or_none", lambda *_: trunk)


def test_all_are_judged_on_the_same_test_scenes(stubs, monkeypatch):
    with_trunk(monkeypatch, SimpleNamespace(features=torch.nn.Sequential(torch.nn.Identity())))
    done, part = recorded(comparison, monkeypatch), scenes(Scale("smoke"), train_masks=True)
    methods = done.run.methods
    for names, metrics in (((*LABELS, PAINTED, RIVAL), (IOU, BOUNDARY)), ((*MASKS, RIVAL), (AP50, AP75))):
        for name in names:
            for metric in metrics:
                assert methods[name].items[metric].ids.tolist() == part.test.ids.tolist()
    assert stubs.asked[3] == len(part.validation.take(slice(8)))  # after three test parts: where painting is chosen
    assert done.value(PAINTED, IOU) == pytest.approx(100)  # the guess was not painted
    assert done.value(MASK_RCNN, AP50) > 90
    kinds = {name: methods[name].kind for name in methods}
    assert {name for name, kind in kinds.items() if kind == "classical"} == {FOREST, REGIONS, RIVAL}
    rows, grey = done.figures["scores"]
    assert set(grey) == {FOREST, REGIONS, RIVAL}
    assert rows == {IOU: [*LABELS, PAINTED, RIVAL], BOUNDARY: [*LABELS, PAINTED, RIVAL], AP50: [*MASKS, RIVAL]} | {
        AP75: [*MASKS, RIVAL]
    }
    assert plots.png(draw_scores(done.run.record, rows, grey), draft=True)


def test_without_the_trunk_s_weights_its_systems_are_left_out(stubs, monkeypatch):
    with_trunk(monkeypatch, None)
    methods = recorded(comparison, monkeypatch).run.methods
    assert methods.keys() == {FCN, SEGNET, FOREST, MASK_RCNN, REGIONS, PAINTED, RIVAL}

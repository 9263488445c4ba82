"""Labels at a stride, the oracle's labels and the class-blind score: what each takes away, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ch07_applications.segmentation.background_bias import with_bias
from ch07_applications.segmentation.boundary_causes import (
    at_stride,
    boundary,
    class_blind,
    classes_there,
    labels_among_true,
    measure_classes,
    measure_strides,
)
from ch07_applications.segmentation.fcn import small_fcn
from ch07_applications.segmentation.labelled_scenes import labelled_scenes
from ch07_applications.segmentation.scoring import BOUNDARY, IOU, score_semantic
from ch07_applications.segmentation.segmenter import Segmenter
from common.console import Console
from common.data import Scale
from common.data.segmented import IGNORE, SegmentedImages
from common.image_classifier import Pixels
from common.record import LessonRecord
from common.run import Run


@pytest.fixture
def run(tmp_path):
    return Run("segmentation/fcn", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(quiet=True))


@pytest.fixture
def part(run):
    return labelled_scenes(run).test


def part_of(labels, classes=("background", "shirt", "bag", "boot")):
    labels = np.asarray(labels, np.uint8)
    return SegmentedImages(np.zeros((*labels.shape, 3), np.uint8), labels, classes, ("",) * len(labels))


def facts_of(run):
    return {fact.name: fact.value for fact in run.record.facts}


# --- The stride alone -------------------------------------------------------------------------------------------------


def test_at_stride_1_any_labels_stay_as_they_are():
    labels = np.random.default_rng(0).integers(4, size=(30, 20, 24)).astype(np.uint8)  # more than one chunk
    assert np.array_equal(at_stride(labels, 4, 1), labels)


@pytest.mark.parametrize("stride", [2, 4])
def test_labels_constant_over_aligned_cells_lose_almost_no_boundary(stride):
    """Rectangles whose sides lie between cells: but for a few corners, outlines move by no more than the tolerance."""
    labels = np.zeros((2, 128, 128), np.uint8)
    for place, (top, left, bottom, right) in enumerate(8 * np.array([[2, 3, 9, 12], [5, 1, 14, 6]])):
        labels[place, top:bottom, left:right] = 1 + place
    assert boundary(labels, at_stride(labels, 3, stride), 3) > 99.5


def test_a_straight_outline_anywhere_is_drawn_within_a_pixel_at_stride_4():
    for column in range(20, 100):
        labels = np.zeros((1, 64, 128), np.uint8)
        labels[:, :, column:] = 2
        found = at_stride(labels, 3, 4)
        assert (found == found[:, :1]).all()
        assert abs(int((found[0, 0] == 0).sum()) - column) <= 1


def test_the_map_is_the_nearest_in_squares_with_cells_where_fcn_has_them():
    """Against a map fitted by torch's least squares to a scene's masks; with cells elsewhere the labels are others."""
    labels = np.zeros((1, 16, 16), np.uint8)
    labels[0, 3:11, 5:14] = 1
    labels[0, 7:16, 1:6] = 2
    place = torch.arange(16) / 4
    tents = (1 - (place.clamp(max=3)[:, None] - torch.arange(4)).abs()).clamp(min=0)  # cell i at pixel 4 i
    both = torch.kron(tents, tents)
    masks = torch.nn.functional.one_hot(torch.from_numpy(labels.astype(np.int64)), 3).float().reshape(256, 3)
    values = both @ torch.linalg.lstsq(both, masks).solution
    assert np.array_equal(at_stride(labels, 3, 4)[0], values.argmax(1).reshape(16, 16).numpy())


def test_finer_strides_keep_more_of_the_scenes(part):
    classes = len(part.classes)
    values = [boundary(part.labels, at_stride(part.labels, classes, s), classes) for s in (16, 8, 4, 2, 1)]
    assert values == sorted(values)
    assert values[-1] == 100
    assert values[0] < 60


def test_a_stride_that_does_not_fit_and_unknown_labels_are_refused():
    with pytest.raises(ValueError, match="does not divide"):
        at_stride(np.zeros((1, 10, 16), np.uint8), 2, 4)
    with pytest.raises(ValueError, match="but 2 classes"):
        at_stride(np.full((1, 8, 8), 2, np.uint8), 2, 4)


# --- The classes alone ------------------------------------------------------------------------------------------------


def a_model(classes, seed=0):
    torch.manual_seed(seed)
    network = small_fcn(classes).eval()
    for layer in network.scores:
        torch.nn.init.normal_(layer.weight)
    model = Segmenter(lambda n: network, classes, None, None, pixels=Pixels((120.0,) * 3, (60.0,) * 3), bias=0.5)
    model.network_, model.pixels_ = network, model.pixels
    return model


def test_classes_there_are_the_scene_s_and_the_background():
    labels = np.full((3, 4, 4), 2, np.uint8)
    labels[1], labels[2, 0, 0], labels[2, 0, 1] = 0, IGNORE, 3
    assert classes_there(labels, 4).tolist() == [[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 1]]


def test_an_oracle_keeps_each_label_that_is_in_the_scene_and_has_no_other(part):
    """So a right pixel stays right, and accuracy never falls."""
    part = part.take(np.arange(30) % len(part))  # more than one chunk
    model = a_model(len(part.classes))
    own, found = model.predict(part.images), labels_among_true(model, part)
    there = classes_there(part.labels, len(part.classes))
    scene = np.arange(len(part))[:, None, None]
    assert there[scene, found].all()
    allowed = there[scene, own]
    assert 0 < allowed.mean() < 1
    assert np.array_equal(found[allowed], own[allowed])
    assert ((found == part.labels) | (own != part.labels)).all()


def test_an_oracle_of_all_classes_changes_nothing_and_has_the_model_s_bias(part):
    labels = part.labels.copy()
    labels[:, 0, : len(part.classes)] = np.arange(len(part.classes))
    part = SegmentedImages(part.images, labels, part.classes, part.names)
    model = a_model(len(part.classes))
    own = model.predict(part.images)
    assert np.array_equal(labels_among_true(model, part), own)
    unbiased = np.concatenate([with_bias(shares[-1], 0.0) for shares in model.probabilities(part.images)])
    assert (unbiased != own).any()


# --- The scores -------------------------------------------------------------------------------------------------------


def test_the_score_is_that_of_the_scoreboard(run, part):
    labels = np.roll(part.labels, 2, axis=2)
    with run.method("moved by two pixels", kind="reference") as method:
        score_semantic(method, part, labels)
    value = {row.metric: row.value for row in run.record.rows}[BOUNDARY]
    assert boundary(part.labels, labels, len(part.classes)) == pytest.approx(value)


def test_class_blind_perfect_labels_of_wrong_classes_score_100_and_moved_ones_do_not(part):
    truth, classes = part.labels, len(part.classes)
    assert class_blind(truth, truth) == 100
    wrong = np.where(truth > 0, truth % (classes - 1) + 1, 0).astype(np.uint8)
    assert class_blind(truth, wrong) == 100
    assert boundary(truth, wrong, classes) < 60
    assert class_blind(truth, np.roll(wrong, 6, axis=2)) < 60
    ignored = truth.copy()
    ignored[:, :20] = IGNORE
    assert class_blind(ignored, truth) == 100


def test_a_speck_costs_a_class_unless_only_classes_count_that_are_there(run):
    truth = np.zeros((2, 64, 64), np.uint8)
    truth[:, 20:40, 20:40] = 1
    labels = truth.copy()
    labels[0, 2, 2] = 3
    measure_classes(run, part_of(truth), {"specks": labels})
    found = facts_of(run)
    assert found["classes per scene that are not there, specks"] == 0.5
    assert boundary(truth, labels, 4) < 84  # a class of three in one of two scenes: 5/6
    assert found["boundary F1 of classes that are there, specks"] > 98  # but for the background's border at the speck
    assert found["class-blind boundary F1, specks"] > 98


def test_the_facts_about_strides_are_the_scoreboard_s_scores(run, part):
    measure_strides(run, part, (4, 16), "truth", part.labels)
    found = facts_of(run)
    classes = len(part.classes)
    for stride in (4, 16):
        with run.method(f"stride {stride}", kind="reference") as method:
            score_semantic(method, part, at_stride(part.labels, classes, stride))
        rows = {row.metric: row.value for row in run.record.rows if row.method == f"stride {stride}"}
        assert found[f"boundary F1 of true labels at stride {stride}"] == pytest.approx(rows[BOUNDARY])
        assert found[f"mean IoU of true labels at stride {stride}"] == pytest.approx(rows[IOU])
    assert found["boundary F1 at stride 4, truth"] == found["boundary F1 of true labels at stride 4"]


def test_an_oracle_is_scored_for_the_models_that_are_named(run, part):
    model, classes = a_model(len(part.classes)), len(part.classes)
    measure_classes(run, part, {"blank": np.zeros_like(part.labels), "random": model.predict(part.images)})
    assert not any("oracle" in name for name in facts_of(run))
    measure_classes(run, part, {}, {"random": model})
    found = facts_of(run)
    expected = boundary(part.labels, labels_among_true(model, part), classes)
    assert found["boundary F1 of an oracle, random"] == pytest.approx(expected)
    assert found["classes per scene that are not there, blank"] == 0
    assert found["class-blind boundary F1, blank"] == 0

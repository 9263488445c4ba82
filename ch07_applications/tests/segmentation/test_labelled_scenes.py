"""Labels and masks of scenes against the objects they come from, and painting back; impossible inputs are rejected."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from ch07_applications.segmentation.labelled_scenes import instances, labelled_scenes, paint_instances, semantic
from common.console import Console
from common.data import Scale
from common.data.scenes import scenes
from common.record import LessonRecord
from common.run import Run


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    run = Run("segmentation/fcn", 0, Scale("smoke"), LessonRecord("", ""), tmp_path_factory.mktemp("out"), Console())
    return labelled_scenes(run)


def test_a_pixel_has_the_label_of_the_object_that_is_seen_there(sets):
    for part, boxed in ((sets.train, sets.objects.train), (sets.test, sets.objects.test)):
        for labels, target, masks in zip(part.labels, boxed.targets, boxed.masks, strict=True):
            assert_array_equal(labels > 0, masks.any(axis=0))
            for label, mask in zip(target["labels"].tolist(), masks, strict=True):
                assert (labels[mask] == label).all()


def test_distractors_and_what_is_almost_hidden_are_background(sets):
    """Layers that are not objects have numbers, too: in some scene there are pixels of one, and their label is 0."""
    part, seen = sets.objects.train, 0
    for k, numbers in enumerate(part.masks.numbers):
        others = (part.masks.owners[k] >= 0) & ~np.isin(part.masks.owners[k], numbers)
        seen += others.sum()
        assert (sets.train.labels[k][others] == 0).all()
    assert seen > 1000


def test_both_forms_are_of_the_same_scenes_in_the_same_order(sets):
    assert sets.classes[0] == "background"
    assert sets.classes[1:] == sets.objects.test.classes
    for part, boxed in zip(
        (sets.train, sets.validation, sets.test),
        (sets.objects.train, sets.objects.validation, sets.objects.test),
        strict=True,
    ):
        assert_array_equal(part.images, boxed.images)
        assert_array_equal(part.groups, boxed.groups)
        assert_array_equal(part.ids, boxed.ids)


def test_the_first_scenes_are_the_same_however_many_are_taken(sets, tmp_path):
    run = Run("segmentation/sds", 1, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())
    few = labelled_scenes(run, train=5, validation=4, test=3)
    assert [len(part) for part in (few.train, few.validation, few.test)] == [5, 4, 3]
    assert [len(p) for p in (few.objects.train, few.objects.validation, few.objects.test)] == [5, 4, 3]
    assert_array_equal(few.train.labels, sets.train.labels[:5])
    assert_array_equal(few.objects.test.masks.owners, sets.objects.test.masks.owners[:3])


def test_painting_the_true_masks_gives_the_labels(sets):
    assert_array_equal(paint_instances(instances(sets.objects.train), (128, 128)), sets.train.labels)


def test_the_highest_score_lies_on_top_and_what_is_below_the_least_is_not_painted():
    masks = torch.zeros(3, 2, 4, dtype=torch.bool)
    masks[0, :, :3] = masks[1, :, 1:] = masks[2, 0] = True
    scores = torch.tensor([0.9, 0.5, 0.2])
    detection = {"boxes": torch.zeros(3, 4), "labels": torch.tensor([1, 2, 3]), "scores": scores, "masks": masks}
    assert_array_equal(paint_instances([detection], (2, 4))[0], [[1, 1, 1, 2]] * 2)
    low_on_top = {**detection, "scores": scores.flip(0)}
    assert_array_equal(paint_instances([low_on_top], (2, 4))[0], [[3, 3, 3, 3], [1, 2, 2, 2]])
    assert_array_equal(paint_instances([detection], (2, 4), least=0.9)[0], [[1, 1, 1, 0]] * 2)  # just at the least
    nothing = {key: value[:0] for key, value in detection.items()}
    assert_array_equal(paint_instances([nothing], (2, 4))[0], np.zeros((2, 4)))


def test_scenes_without_masks_have_no_labels():
    part = scenes(Scale("smoke")).train
    for make in (semantic, instances):
        with pytest.raises(ValueError, match="scenes without masks"):
            make(part)

"""Mask heads compared on fixed maps: pooling and the softmax loss as they should be, and the study's bookkeeping."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from ch07_applications.segmentation.mask_rcnn import VARIANTS, mask_head, mask_loss, roi_align
from ch07_applications.segmentation.masks_in_true_boxes import OVERLAP, MaskStudy, MaskVariant, roi_pool, softmax_loss
from ch07_applications.segmentation.scoring import AP50, AP75
from common.console import Console
from common.data import Scale
from common.data.scenes import scenes
from common.image_classifier import Pixels
from common.muon import Muon
from common.record import LessonRecord
from common.run import Run
from common.train import Training


def test_roi_pooling_rounds_where_roi_align_does_not():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16) * 4 + 2  # each cell of the map contains its own place
    boxes = torch.tensor([[[8.0, 8, 24, 24], [9.9, 8, 25.9, 24]]])
    aligned, pooled = roi_align(ramp, boxes, 2, 4)[0, :, 0], roi_pool(ramp, boxes, 2, 4)[0, :, 0]
    assert torch.allclose(aligned[1] - aligned[0], torch.tensor(1.9), atol=1e-3)
    assert torch.equal(pooled[0], pooled[1])  # 1.9 pixels of 4 vanish
    assert pooled.shape == (2, 2, 2)


def test_the_softmax_loss_has_a_pixel_belong_to_one_class():
    logits, labels = torch.randn(3, 5, 4, 4), torch.tensor([1, 4, 2])
    masks = torch.rand(3, 4, 4) > 0.5
    target = torch.zeros(3, 4, 4, dtype=torch.long)
    for n in range(3):
        target[n][masks[n]] = labels[n]
    wanted = functional.nll_loss(logits.log_softmax(1), target) * 3
    assert torch.allclose(softmax_loss(logits, masks, labels), wanted, atol=1e-5)


def test_probabilities_are_those_of_the_object_s_class():
    logits, labels = torch.randn(2, 3, 4, 4), torch.tensor([2, 1])
    sigmoid = MaskVariant(roi_align, mask_loss).probabilities(logits, labels)
    softmax = MaskVariant(roi_align, softmax_loss, background=True).probabilities(logits, labels)
    assert torch.allclose(sigmoid[0], logits[0, 1].sigmoid())
    assert torch.allclose(softmax[0], logits[0, [0, 2]].softmax(0)[1])  # against the background alone


def test_one_change_at_a_time():
    base = VARIANTS["base"]
    assert VARIANTS["RoI pooling"] == MaskVariant(roi_pool, base.loss)
    assert VARIANTS["softmax"] == MaskVariant(base.sample, softmax_loss, background=True)
    coarse, pooled = VARIANTS["stride 16"], VARIANTS["stride 16, RoI pooling"]
    assert (coarse.sample, pooled.sample) == (base.sample, roi_pool)
    assert (coarse.level, coarse.stride) == (pooled.level, pooled.stride) == (2, 16)


@pytest.fixture
def run():
    return Run("masks", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console(quiet=True), device_name="cpu")


@pytest.fixture(scope="module")
def sets():
    return scenes(Scale("smoke"), train_masks=True)


def study_of(sets, maps, run, detections=None):
    few = sets.validation.take(slice(8))
    found = detections or [{**target, "scores": torch.ones(len(target["labels"]))} for target in few.targets]
    return MaskStudy(run, Pixels.of(sets.train.images), maps, sets.train.take(slice(8)), few, found, 14)


class Outlines(nn.Module):
    """A head that predicts what its features are: the mask itself, where a map contains it."""

    def forward(self, x):
        return functional.interpolate(x[:, :1], scale_factor=2, mode="bilinear").expand(-1, 10, -1, -1)


def test_a_head_that_is_given_the_masks_scores_full_marks(sets, run):
    """Maps that contain each scene's true masks, at full resolution: the remaining loss comes from sampling only."""
    few = sets.validation.take(slice(8))
    place = iter(range(0, 800, 16))

    def maps(images):
        start = next(place) % len(few)
        owned = [few.masks[k].any(axis=0) for k in range(start, start + len(images))]
        return [torch.from_numpy(np.stack(owned))[:, None].float() * 40 - 20]

    study = study_of(sets, maps, run)
    variant = MaskVariant(roi_align, mask_loss, stride=1)
    made = study.masks(Outlines(), variant, few.targets)
    assert [len(own) for own in made] == [len(target["labels"]) for target in few.targets]
    overlaps = [
        (own & torch.from_numpy(few.masks[k])).sum((1, 2)) / (own | torch.from_numpy(few.masks[k])).sum((1, 2))
        for k, own in enumerate(made)
    ]
    alone = [float(own[0]) for k, own in enumerate(overlaps) if len(own) == 1]
    assert np.mean(alone or [1.0]) > 0.9  # where no other object lies in the box


def test_a_variant_is_trained_on_training_scenes_and_judged_on_validation_scenes(sets, run):
    torch.manual_seed(0)
    network, seen = nn.Conv2d(3, 6, 4, stride=4), []

    def maps(images):
        seen.append(len(images))
        return [network(images)]

    study = study_of(sets, maps, run)
    training = Training(1, 0.01, 16, Muon, half=False)
    study.measure("base", MaskVariant(roi_align, mask_loss), lambda: mask_head(6, 4, 10), training)
    assert [row.metric for row in run.record.rows] == [AP50, AP75, OVERLAP]
    there = np.array([len(target["labels"]) > 0 for target in study.judged.targets])
    scores = run.methods["base"].items[OVERLAP]
    assert np.array_equal(scores.ids, study.judged.ids[there])
    assert np.array_equal(scores.groups, study.judged.groups[there])
    assert (scores.values >= 0).all()
    assert (scores.values <= 100).all()
    assert [fact.name for fact in run.record.facts] == ["masks in true boxes with an IoU above 0.9, base"]
    assert sum(seen) == len(study.train) + 2 * len(study.judged)


def test_masks_of_scenes_without_detections_are_empty(sets, run):
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long), "scores": torch.zeros(0)}
    study = study_of(sets, lambda images: [torch.zeros(len(images), 6, 32, 32)], run, [nothing] * 8)
    made = study.masks(mask_head(6, 4, 10), MaskVariant(roi_align, mask_loss), study.detections)
    assert [tuple(own.shape) for own in made] == [(0, 128, 128)] * 8


def test_roi_pooling_is_torchvision_s():
    features, boxes = torch.randn(2, 3, 10, 10), torch.tensor([[[3.0, 5, 30, 38]], [[0, 0, 40, 40]]])
    assert torch.equal(
        roi_pool(features, boxes, 4, 4).flatten(0, 1), torchvision.ops.roi_pool(features, list(boxes), 4, 0.25)
    )

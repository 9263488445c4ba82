"""R-CNN and Fast R-CNN: crops, losses and heads against libraries; both detectors from fit to predict."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge
from torch import nn
from torch.nn import functional
from torchvision import ops

from ch06_detection.augmentation.box_crops import mirror_boxes
from ch06_detection.boxes import decode, encode, iou
from ch06_detection.fast_rcnn import (
    IGNORED,
    FastRCNN,
    FastRCNNNetwork,
    RoiBatches,
    multi_task_loss,
    roi_align,
    smooth_l1,
)
from ch06_detection.proposals.crop_batches import CropBatches
from ch06_detection.proposals.labelled import LabelledProposals, evenly_spaced, sample_balanced
from ch06_detection.proposals.search import Proposals
from ch06_detection.rcnn import BARE, RCNN, SILENT, RidgeBoxes, svm_with_hard_negatives, with_one
from ch06_detection.scoring.overlaps import overlap_by_class
from ch06_detection.trunk.crops import cut, cut_from, with_context
from ch06_detection.trunk.pretraining import TrunkPretraining
from common.errors import Problem
from common.image_classifier import Pixels
from common.train import Training

GENERATOR = partial(torch.Generator().manual_seed, 0)


def target(boxes=(), labels=()):
    return {"boxes": torch.tensor(boxes).reshape(-1, 4).float(), "labels": torch.tensor(labels, dtype=torch.long)}


def pictures(n=6, seed=0):
    """Noise with a bright or a dark square in each, but for the last image, which has none."""
    rng = np.random.default_rng(seed)
    images, targets = rng.integers(90, 160, (n, 64, 64, 3), dtype=np.uint8), []
    for k, image in enumerate(images[:-1]):
        x, y = rng.integers(0, 36, 2)
        image[y : y + 28, x : x + 28] = 250 * (k % 2)
        targets.append(target([[x, y, x + 28, y + 28]], [1 + k % 2]))
    return images, [*targets, target()]


def windows(images, seed=0):
    """A grid of windows for every image but the second, which has none."""
    x, y = torch.meshgrid(torch.arange(0.0, 40, 9), torch.arange(0.0, 40, 9), indexing="ij")
    corners = torch.stack([x, y], dim=-1).reshape(-1, 2)
    grid = torch.cat([corners, corners + 27], dim=1)
    return [grid[:0] if k == 1 else grid for k in range(len(images))]


def detectors(**settings):
    common = {"half": False, "learning_rate": 0.002}
    return {
        "R-CNN": RCNN(windows, Training(1, batch_size=16, **common), 2, crops=64, **settings),
        "Fast R-CNN": FastRCNN(
            windows, Training(2, batch_size=2, loss=multi_task_loss, **common), 2, rois=8, **settings
        ),
    }


# Proposals and mini-batches


def test_a_proposal_belongs_to_the_object_it_overlaps_most():
    targets = [target([[0, 0, 10, 10], [20, 0, 30, 10]], [3, 1]), target()]
    proposed = [torch.tensor([[21.0, 0, 30, 10], [0, 0, 4, 10]]), torch.tensor([[0.0, 0, 5, 5]])]
    found = LabelledProposals.of(proposed, targets)
    assert found.image.tolist() == [0, 0, 0, 0, 1]
    assert found.labels().tolist() == [3, 1, 1, 0, 0]
    assert_allclose(found.overlap, [1, 1, 0.9, 0.4, 0])
    assert torch.equal(found.truth[2], targets[0]["boxes"][1])


def test_no_box_anywhere_is_a_problem():
    with pytest.raises(Problem, match="nothing to learn from"):
        LabelledProposals.of([torch.zeros(0, 4)], [target()])


@pytest.mark.parametrize(
    ("objects", "background", "expected"), [(20, 99, 8), (3, 99, 3), (20, 0, 32), (0, 99, 0), (20, 5, 8)]
)
def test_a_quarter_is_drawn_from_the_foreground(objects, background, expected):
    drawn = sample_balanced(torch.arange(objects), 1000 + torch.arange(background), 32, 0.25, GENERATOR())
    assert len(drawn) == 32
    assert int((drawn < 1000).sum()) == expected
    if background:
        assert len(drawn[drawn < 1000].unique()) == expected


def test_drawing_from_nothing_is_an_error():
    with pytest.raises(ValueError, match="nothing"):
        sample_balanced(torch.arange(0), torch.arange(0), 4, 0.25, GENERATOR())


def test_batches_of_windows_have_their_share_of_objects_and_empty_images_are_ignored():
    images, targets = pictures()
    proposed = windows(images)
    proposed[-1] = proposed[-1][:0]  # no object, no proposal
    data = RoiBatches(images, LabelledProposals.of(proposed, targets), Pixels.of(images), rois=16)
    inputs, labels, offsets = data.batch(torch.arange(6), GENERATOR())
    assert inputs.boxes.shape == offsets.shape == (6, 16, 4)
    assert (labels[-1] == IGNORED).all()
    assert ((labels[:-1] > 0).sum(dim=1)[[0, 2, 3, 4]] <= 4).all()
    assert (labels[1] == targets[1]["labels"]).all()  # no proposals: only its own box
    truth = decode(offsets, inputs.boxes)  # mirrored along with the image
    for k in (0, 2, 3, 4):
        own = targets[k]["boxes"]
        ends = torch.stack([own[0], mirror_boxes(own, 64)[0]])
        assert iou(truth[k][labels[k] > 0], ends).amax(dim=1).min() > 0.999


def test_batches_of_crops_have_a_quarter_of_objects():
    images, targets = pictures()
    labelled = LabelledProposals.of(windows(images), targets)
    data = CropBatches.of(images, labelled, Pixels.of(images), side=(16, 16), length=64)
    assert len(data) == 64
    crops, labels = data.batch(torch.arange(16), GENERATOR())
    assert crops.shape == (16, 3, 16, 16)
    assert int((labels > 0).sum()) == 4
    every = cut_from(
        images, labelled.boxes.split(labelled.image.bincount(minlength=6).tolist()), Pixels.of(images), (16, 16)
    )
    same = [(every - crop).abs().amax(dim=(1, 2, 3)) < 0.01 for crop in data.crops.float()]
    for label, where in zip(data.labels, same, strict=True):  # a crop keeps its label
        assert label in labelled.labels()[where]


@pytest.mark.parametrize(("n", "wanted", "expected"), [(10, 3, [0, 3, 6]), (3, None, [0, 1, 2]), (3, 9, [0, 1, 2])])
def test_images_that_are_searched_are_evenly_spaced(n, wanted, expected):
    assert list(range(n))[evenly_spaced(n, wanted)] == expected


def test_no_image_is_searched_twice_and_seconds_are_kept():
    images, _ = pictures()
    asked = []

    def propose(some):
        asked.append(len(some))
        return windows(some)

    proposals = Proposals(propose, most=7)
    assert [len(boxes) for boxes in proposals(images[:4])] == [7, 0, 7, 7]
    proposals(images)
    assert asked == [4, 2]
    assert proposals.seconds(images) > 0
    assert asked == [4, 2]


# Crops


def test_a_box_is_cut_out_with_its_context_and_warped():
    image = torch.rand(2, 3, 40, 40, generator=GENERATOR())
    boxes = [torch.tensor([[5.0, 10, 25, 25]]), torch.tensor([[12.0, 12, 32, 32], [-3, 3, 17, 17]])]
    crops = cut(image, boxes, (24, 24))
    assert crops.shape == (3, 3, 24, 24)
    assert_allclose(crops[1], image[1, :, 10:34, 10:34], atol=1e-5)  # 1.2 · 20 pixels: none is resampled
    tall = cut(image, [torch.tensor([[10.0, 10, 20, 30]]), torch.zeros(0, 4)], (24, 12))
    assert_allclose(tall[0], image[0, :, 8:32, 9:21], atol=1e-5)  # 1.2 of either side
    columns = torch.arange(40.0).expand(1, 3, 40, 40)
    warped = cut(columns, [torch.tensor([[10.0, 10, 20, 30]])], (24, 24))  # 12 × 24 pixels become 24 × 24
    assert_allclose(warped[0, 0, :, 1:-1].diff(dim=1), 0.5, atol=1e-5)


def test_what_lies_outside_the_image_is_its_mean():
    crop = cut(torch.ones(1, 3, 16, 16), [torch.tensor([[30.0, 30, 40, 40]])], (4, 4))
    assert not crop.any()
    assert cut(torch.ones(1, 3, 16, 16), [torch.zeros(0, 4)], (4, 4)).shape == (0, 3, 4, 4)


def test_a_box_has_a_tenth_of_its_sides_as_context():
    assert_allclose(with_context(torch.tensor([[10.0, 20, 30, 30]])), [[8, 19, 32, 31]])


# RoI Align


@pytest.mark.parametrize("side", [(4, 4), (5, 3)])
def test_roi_align_and_its_gradient_are_torchvision_s(side):
    maps = torch.randn(2, 3, 9, 12, generator=GENERATOR(), requires_grad=True)
    corners = torch.rand(2, 40, 2, 2, generator=GENERATOR()).sort(dim=2).values
    boxes = (corners * 140 - 30).flatten(2)  # of an image of 72 × 96 pixels: many reach beyond it
    ours = roi_align(maps, boxes, side, 1 / 8)
    theirs = ops.roi_align(maps, list(boxes), side, 1 / 8, sampling_ratio=2, aligned=True)
    assert_allclose(ours.detach(), theirs.detach(), atol=1e-5)
    weights = torch.randn(ours.shape, generator=GENERATOR())
    slopes = [torch.autograd.grad((pooled * weights).sum(), maps)[0] for pooled in (ours, theirs)]
    assert_allclose(*slopes, atol=1e-4)


def test_an_roi_that_moves_by_a_cell_shows_what_the_moved_map_showed():
    maps = torch.randn(1, 2, 16, 16, generator=GENERATOR())
    boxes = torch.tensor([[[30.0, 26, 71, 65]]])
    moved = roi_align(maps.roll((1, 2), dims=(2, 3)), boxes + torch.tensor([16.0, 8, 16, 8]), (4, 4), 1 / 8)
    assert_allclose(moved, roi_align(maps, boxes, (4, 4), 1 / 8), atol=1e-5)


def test_an_roi_has_the_context_that_the_trunk_has_seen_and_the_enlarged_map_s_cells():
    """A map whose value is x in the image's pixels: of an RoI's bins, the middles."""
    network, seen = FastRCNNNetwork(2, side=(2, 4), enlarge=2.0).eval(), []
    network.stages[1] = network.score = network.offsets = nn.Identity()
    network.offsets.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    x = (torch.arange(40.0) + 0.5) * 4  # a map of 40 cells, of images of 160 pixels that were enlarged to 320
    network.heads(x.expand(1, 1, 40, 40), torch.tensor([[[40.0, 40, 70, 80]]]))
    assert_allclose(seen[0].flatten(), np.tile(37 + 36 * np.array([1, 3, 5, 7]) / 8, 2), rtol=1e-5)  # from 37 to 73
    image = torch.zeros(1, 3, 64, 64)
    assert network.trunk(image).shape[2:] == (16, 16)  # an eighth of 128


# Losses and heads


def test_smooth_l1_and_its_slope_are_torch_s():
    x = torch.linspace(-4, 4, 97, requires_grad=True)
    theirs = functional.smooth_l1_loss(x, torch.zeros(97), reduction="none")
    assert_allclose(smooth_l1(x).detach(), theirs.detach(), atol=1e-7)
    slopes = [torch.autograd.grad(loss.sum(), x)[0] for loss in (smooth_l1(x), theirs)]
    assert_allclose(*slopes)


def test_the_multi_task_loss_is_eq_1():
    scores, offsets = torch.randn(6, 4, generator=GENERATOR()), torch.randn(6, 3, 4, generator=GENERATOR())
    labels, wanted = torch.tensor([[0, 2, IGNORED], [3, 0, 1]]), torch.randn(2, 3, 4, generator=GENERATOR())
    flat, expected = labels.flatten(), 0.0
    for k in (0, 1, 3, 4, 5):
        expected += functional.cross_entropy(scores[k], flat[k])
        if flat[k]:
            own = offsets[k, flat[k] - 1]
            expected += functional.smooth_l1_loss(own, wanted.reshape(-1, 4)[k], reduction="sum")
    assert_allclose(multi_task_loss((scores, offsets), labels, wanted), expected / 5, rtol=1e-5)


def test_only_background_leaves_offsets_alone():
    offsets = torch.randn(3, 2, 4, requires_grad=True)
    multi_task_loss((torch.randn(3, 3), offsets), torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 3, 4)).backward()
    assert not offsets.grad.any()


def test_box_regression_is_scikit_learn_s_ridge():
    features, offsets = torch.randn(60, 5, generator=GENERATOR()), torch.randn(60, 4, generator=GENERATOR())
    offsets += torch.tensor([3.0, -2, 0.5, 10])  # far from 0: without an intercept they cannot be reached
    labels = torch.arange(60) % 2 + 1
    ours = RidgeBoxes(3.0).fit(features, offsets, labels, classes=3)
    for label in (1, 2):
        own = features[labels == label]
        theirs = Ridge(alpha=3.0).fit(own, offsets[labels == label])
        assert_allclose(ours.predict(features)[labels == label, label - 1], theirs.predict(own), atol=1e-4)
        assert_allclose(ours.weights_[label - 1, -1], theirs.intercept_, rtol=1e-4)
    assert not ours.predict(features)[:, 2].any()


def test_bare_offsets_are_the_paper_s_and_have_an_inverse():
    proposal, truth = torch.tensor([[10.0, 20, 50, 40]]), torch.tensor([[14.0, 18, 34, 58]])
    assert_allclose(encode(truth, proposal, BARE), [[-6 / 40, 8 / 20, np.log(0.5), np.log(2)]], rtol=1e-5)
    assert_allclose(decode(encode(truth, proposal, BARE), proposal, BARE), truth, rtol=1e-5)


def test_overlaps_by_class():
    there = target([[0, 0, 10, 10], [0, 0, 10, 5]], [2, 2])
    assert_allclose(overlap_by_class(torch.tensor([[0.0, 0, 10, 5]]), there, 3), [[0, 1, 0]])


def test_an_svm_finds_the_line_and_the_hard_negatives():
    generator = GENERATOR()
    x = torch.randn(9000, 2, generator=generator)
    weights = svm_with_hard_negatives(x[:100] * 0.3 + torch.tensor([5.0, 0]), x[100:], C=1.0)
    assert ((with_one(x[100:]) @ weights) < 0).float().mean() > 0.999
    assert svm_with_hard_negatives(x[:0], x, C=1.0).tolist() == [0, 0, SILENT]


# Whole detectors


@pytest.mark.parametrize("name", ["R-CNN", "Fast R-CNN"])
def test_fit_and_predict(name):
    images, targets = pictures()
    trunk = TrunkPretraining(Training(2, 0.004, 2, half=False), 2)
    detector = detectors(trunk=trunk)[name].fit(images, targets)
    found = detector.predict(images)
    assert len(found) == len(images)
    assert len(found[1]["boxes"]) == 0  # no proposals, no detections
    for said in found:
        assert said["boxes"].shape == (len(said["labels"]), 4)
        assert said["labels"].dtype == torch.int64
        assert (said["scores"].diff() <= 0).all()
        assert ((said["boxes"] >= 0) & (said["boxes"] <= 64)).all()
        assert set(said["labels"].tolist()) <= {1, 2}
    assert len(list(detector.parameters())) > 10


@pytest.mark.parametrize("name", ["R-CNN", "Fast R-CNN"])
def test_images_without_any_object_can_be_learned_from(name):
    images, targets = pictures()
    detector = detectors(trunk=TrunkPretraining(Training(1, half=False), 2))[name].fit(
        images, [target()] * len(targets)
    )
    assert len(detector.predict(images[:1])) == 1


@pytest.mark.parametrize("name", ["R-CNN", "Fast R-CNN"])
def test_a_training_that_was_cut_off_goes_on_to_the_same_weights(name, tmp_path):
    images, targets = pictures()
    weights = []
    for stop in (False, True):
        detector = detectors()[name]
        detector.training.epochs, detector.training.checkpoint = 2, tmp_path / f"{name}{stop}.pt"
        if stop:
            detector.training.say = stopped
            with pytest.raises(KeyboardInterrupt):
                detector.fit(images, targets)
            detector.training.say = print
        detector.fit(images, targets)
        weights.append(torch.cat([part.detach().flatten() for part in detector.network_.parameters()]))
    assert torch.equal(*weights)


def stopped(text):
    if text.startswith("epoch 2"):
        raise KeyboardInterrupt

"""RoI Align against torchvision's, the losses, sampling of RoIs, and a detector at work on awkward pictures."""

import numpy as np
import pytest
import torch
import torchvision
from torch.nn import functional

from ch07_applications.segmentation import mask_rcnn
from ch07_applications.segmentation.box_rival import RIVAL
from ch07_applications.segmentation.crop_classifier import CropClassifier, crop_loss
from ch07_applications.segmentation.drawn_mask_rcnn import draw_best_median_worst, draw_sampling
from ch07_applications.segmentation.instance_batches import Instances, SceneBatches
from ch07_applications.segmentation.instance_detector import Detection, InstanceDetector
from ch07_applications.segmentation.mask_rcnn import (
    BOX_SIDE,
    MASK_SIDE,
    OURS,
    VARIANTS,
    MaskRCNN,
    joint_loss,
    mask_head,
    mask_loss,
    parameter_groups,
    roi_align,
    roi_align_one_by_one,
)
from ch07_applications.segmentation.scoring import AP50, AP75
from common import plots
from common.data import Scale
from common.data.boxed import Masks
from common.data.scenes import scenes
from common.errors import Problem
from common.image_classifier import Pixels
from common.metrics.detection import Evaluation
from common.muon import Muon
from common.train import Training
from tests.recorded_lesson import recorded


def some_boxes(n, size, generator):
    """Boxes within an image of this height and width."""
    corner = torch.rand(n, 2, generator=generator) * torch.tensor([size[1], size[0]]) * 0.6
    return torch.cat([corner, corner + 3 + torch.rand(n, 2, generator=generator) * min(size) * 0.3], dim=1)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


# RoI Align


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("stride", [4, 8])
def test_roi_align_is_torchvision_s_with_aligned(samples, stride, generator):
    features = torch.randn(2, 5, 9, 12, generator=generator)
    boxes = torch.stack([some_boxes(6, (9 * stride, 12 * stride), generator) for _ in range(2)])
    own = roi_align(features, boxes, 7, stride, samples).flatten(0, 1)
    settings = {"output_size": 7, "spatial_scale": 1 / stride, "sampling_ratio": samples}
    assert torch.allclose(own, torchvision.ops.roi_align(features, list(boxes), aligned=True, **settings), atol=1e-5)
    shifted = torchvision.ops.roi_align(features, list(boxes), aligned=False, **settings)
    assert (own - shifted).abs().max() > 0.5


def test_roi_align_as_written_is_the_one_of_two_products(generator):
    features = torch.randn(2, 3, 8, 10, generator=generator)
    boxes = torch.stack([some_boxes(4, (32, 40), generator) for _ in range(2)])
    boxes[0, 0] = torch.tensor([0.0, 0, 40, 32])  # to the border, where values repeat
    rois = torch.cat([torch.tensor([0.0, 1]).repeat_interleave(4)[:, None], boxes.flatten(0, 1)], dim=1)
    own = roi_align(features, boxes, 5, 4).flatten(0, 1)
    assert torch.allclose(own, roi_align_one_by_one(features, rois, 5, 4), atol=1e-5)


def test_a_ramp_is_sampled_at_the_middles_of_cells(generator):
    """A map whose cell i contains its own centre's place in the image: RoI Align gives back the places it samples."""
    stride, size = 4, (48, 60)
    down, across = torch.meshgrid(torch.arange(16.0), torch.arange(20.0), indexing="ij")
    ramp = torch.stack([across, down])[None] * stride + stride / 2
    boxes = some_boxes(5, size, generator)[None] + torch.tensor([4, 4, 6, 6])  # a cell wide, and inside the border
    aligned = roi_align(ramp, boxes, 6, stride)[0]
    share = (torch.arange(6) + 0.5) / 6
    x = boxes[0, :, 0, None] + share * (boxes[0, :, 2] - boxes[0, :, 0])[:, None]
    y = boxes[0, :, 1, None] + share * (boxes[0, :, 3] - boxes[0, :, 1])[:, None]
    assert torch.allclose(aligned[:, 0], x[:, None].expand(-1, 6, -1), atol=1e-3)
    assert torch.allclose(aligned[:, 1], y[:, :, None].expand(-1, -1, 6), atol=1e-3)
    unaligned = torchvision.ops.roi_align(ramp, list(boxes), 6, 1 / stride, sampling_ratio=1, aligned=False)
    assert torch.allclose(unaligned - aligned, torch.tensor(stride / 2), atol=1e-3)  # off by half a cell


def test_gradients_of_roi_align_are_torchvision_s(generator):
    boxes = some_boxes(3, (32, 32), generator)[None]
    grads = []
    for sample in (
        lambda f: roi_align(f, boxes, 7, 4, 2)[0],
        lambda f: torchvision.ops.roi_align(f, list(boxes), 7, 0.25, sampling_ratio=2, aligned=True),
    ):
        features = torch.ones(1, 2, 8, 8, requires_grad=True)
        (sample(features) * torch.arange(49.0).view(7, 7)).sum().backward()
        grads.append(features.grad)
    assert torch.allclose(*grads, rtol=1e-4, atol=1e-4)


# Losses


def test_the_mask_loss_uses_the_true_class_s_map_only(generator):
    logits = torch.randn(4, 3, 6, 6, generator=generator, requires_grad=True)
    masks, labels = torch.rand(4, 6, 6, generator=generator) > 0.5, torch.tensor([2, 1, 0, -1])
    loss = mask_loss(logits, masks, labels)
    loss.backward()
    used = logits.grad.abs().sum(dim=(2, 3)) > 0
    assert used.tolist() == [[False, True, False], [True, False, False], [False] * 3, [False] * 3]
    other = torch.where(used[..., None, None], logits, 9 * torch.randn(logits.shape, generator=generator))
    assert torch.equal(mask_loss(other, masks, labels), loss)
    wanted = sum(functional.binary_cross_entropy(logits[n, k].sigmoid(), masks[n].float()) for n, k in ((0, 1), (1, 0)))
    assert torch.allclose(loss, wanted, atol=1e-5)


def batch_of(objects, size=64, seed=0):
    """Instances: noise with white squares, `objects` of them per image."""
    g = torch.Generator().manual_seed(seed)
    most = max(1, *objects)
    boxes, labels = torch.zeros(len(objects), most, 4), torch.zeros(len(objects), most, dtype=torch.long)
    masks = torch.zeros(len(objects), most, size, size, dtype=torch.bool)
    images = torch.randn(len(objects), 3, size, size, generator=g)
    for k, n in enumerate(objects):
        for j in range(n):
            x, y = torch.randint(size // 2, (2,), generator=g).tolist()
            boxes[k, j] = torch.tensor([x, y, x + 20, y + 24])
            labels[k, j] = 1 + j % 2
            masks[k, j, y : y + 24, x : x + 20] = True
            images[k, :, y : y + 24, x : x + 20] = 3
    return Instances(images, boxes, labels, masks)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return MaskRCNN(2, width=4)


def test_a_step_s_loss_falls_and_every_layer_has_a_gradient(network):
    inputs, optimiser = batch_of([2, 1, 3]), torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for step in range(25):
        total, count = joint_loss(network(inputs))
        assert count == 3
        optimiser.zero_grad()
        total.backward()
        if step == 0:
            assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
            assert all(p.grad.abs().sum() > 0 for p in network.parameters() if p.ndim > 1)
        optimiser.step()
        losses.append(float(total.detach()))
    assert np.mean(losses[-5:]) < 0.6 * losses[0]


def test_a_batch_without_objects_trains_background_alone(network):
    outputs = network(batch_of([0, 0]))
    total, _ = joint_loss(outputs)
    total.backward()
    assert total.isfinite()
    assert (outputs.truth.labels <= 0).all()
    assert network.score.weight.grad.abs().sum() > 0
    assert network.move.weight.grad.abs().sum() == 0
    assert network.mask_head[-1].weight.grad.abs().sum() == 0


def test_sampled_rois_have_their_object_s_label_offsets_and_mask(network):
    inputs = batch_of([2, 0, 1])
    jittered = inputs.boxes + torch.tensor([1.0, -1, 2, 1])
    far = torch.tensor([0.0, 0, 6, 6]).expand(3, 30, 4)
    proposals = torch.cat([jittered, far], dim=1)
    there = torch.cat([inputs.labels > 0, torch.ones(3, 30, dtype=torch.bool)], dim=1)
    rois, truth = network.sampled(inputs, proposals, there)
    assert rois.shape == (3, network.rois, 4)
    assert ((truth.labels > 0).sum(dim=1) <= network.objects).all()
    assert (truth.labels[1] == 0).all()
    for image, roi in (truth.labels > 0).nonzero().tolist():
        overlap = torchvision.ops.box_iou(rois[image, roi, None], inputs.boxes[image])[0]
        which = int(overlap.argmax())
        assert overlap[which] >= 0.5
        assert truth.labels[image, roi] == inputs.labels[image, which]
        grid = truth.masks[image, roi].float()
        assert 0.6 < grid.mean() <= 1  # the square fills most of its box
    assert (truth.offsets[truth.labels <= 0] == 0).all()


def test_no_proposals_at_all_leave_the_true_boxes(network):
    inputs = batch_of([2, 0])
    rois, truth = network.sampled(inputs, torch.zeros(2, 40, 4), torch.zeros(2, 40, dtype=torch.bool))
    assert (truth.labels[0] > 0).sum() == 2
    assert (truth.labels[1] == -1).all()
    assert rois.isfinite().all()


def test_boxes_answer_for_their_own_roi(network):
    """Heads run on all RoIs of a batch at once: a RoI's outputs do not depend on the other RoIs."""
    network.eval()
    maps = network.maps(torch.randn(2, 3, 64, 64))
    rois = torch.stack([some_boxes(3, (64, 64), torch.Generator().manual_seed(k)) for k in (1, 2)])
    scores, offsets = network.boxes(maps, rois)
    masks = network.masks(maps, rois)
    assert scores.shape == (2, 3, 3)
    assert offsets.shape == (2, 3, 2, 4)
    assert masks.shape == (2, 3, 2, 2 * MASK_SIDE, 2 * MASK_SIDE)
    alone = [x[1:] for x in maps]
    for together, own in zip(
        (scores, offsets, masks),
        (*network.boxes(alone, rois[1:, 2:]), network.masks(alone, rois[1:, 2:])),
        strict=True,
    ):
        assert torch.allclose(together[1:, 2:], own, atol=1e-4)


def test_the_mask_head_doubles_the_cells():
    assert mask_head(8, 4, 5).eval()(torch.zeros(2, 8, 14, 14)).shape == (2, 5, 28, 28)


def test_muon_has_no_layer_whose_outputs_are_read(network):
    orthogonal = {id(p) for group in parameter_groups(network) if group["orthogonal"] for p in group["params"]}
    read = [network.proposal_head.scores, network.proposal_head.offsets, network.mask_head[-1]]
    assert not orthogonal & {id(p) for layer in read for p in layer.parameters()}
    assert id(network.proposal_head.shared.weight) in orthogonal


# The detector


@pytest.fixture(scope="module")
def part():
    return scenes(Scale("smoke"), train_masks=True).train


def detector_of(masks, crops=True, **settings):
    training = Training(1, 3e-3, 8, loss=joint_loss, half=False)
    first = Training(1, 0.01, 8, Muon, loss=crop_loss, half=False) if crops else None
    return InstanceDetector(lambda: MaskRCNN(10, width=4), masks, training, first, Detection(**settings))


@pytest.fixture(scope="module")
def detector(part):
    few = part.take(slice(16))
    return detector_of(few.masks, least=0.0).fit(few.images, few.targets)


def same(a, b):
    return all(torch.equal(own[key], other[key]) for own, other in zip(a, b, strict=True) for key in own)


def test_detections_have_torchvision_s_form_and_do_not_depend_on_the_batch(detector, part):
    images = part.images[:6]
    together = detector.predict(images)
    assert same(together, detector.predict(images))
    alone = [detector.predict(images[k : k + 1])[0] for k in range(6)]
    for own, other in zip(together, alone, strict=True):
        assert torch.equal(own["labels"], other["labels"])
        assert torch.allclose(own["boxes"], other["boxes"], atol=0.05)
        assert own["masks"].dtype == torch.bool
        assert own["masks"].shape == (len(own["labels"]), 128, 128)
        assert (own["masks"] != other["masks"]).sum() < 0.01 * own["masks"].numel()
        assert own["scores"].diff().max() <= 0
        assert (own["boxes"] >= 0).all()
        assert (own["boxes"] <= 128).all()
        assert len(own["labels"]) <= 30
        outside = own["masks"].float().sum(dim=(1, 2)) > (own["boxes"][:, 2:] - own["boxes"][:, :2] + 1).prod(dim=1)
        assert not outside.any()


@pytest.mark.parametrize("size", [(50, 71), (33, 128), (97, 90)])
def test_sides_need_not_be_multiples_of_the_stride(detector, size):
    noise = np.random.default_rng(0).integers(0, 256, (2, *size, 3)).astype(np.uint8)
    for own in detector.predict(noise):
        assert own["masks"].shape[1:] == size
        assert (own["boxes"] <= torch.tensor([size[1], size[0]] * 2)).all()


def test_grey_pictures_in_three_channels_and_no_detections(part):
    few = part.take(slice(16))
    strict = detector_of(few.masks, crops=False, least=0.999).fit(few.images, few.targets)
    found = strict.predict(np.full((3, 64, 64, 3), 128, np.uint8))
    assert [len(own["labels"]) for own in found] == [0, 0, 0]
    assert [own["masks"].shape for own in found] == [(0, 64, 64)] * 3
    assert strict.predict(np.zeros((0, 64, 64, 3), np.uint8)) == []


@pytest.mark.parametrize("shape", [(2, 64, 64), (2, 64, 64, 4), (64, 64, 3)])
def test_pictures_of_another_kind_are_refused(detector, shape):
    with pytest.raises(Problem, match="red, green and blue"):
        detector.predict(np.zeros(shape, np.uint8))


def test_images_without_masks_are_refused(part):
    few = part.take(slice(4))
    with pytest.raises(Problem, match="4 images have 3"):
        detector_of(few.take(slice(3)).masks).fit(few.images, few.targets)


def test_scenes_without_any_object_can_be_trained_on(part):
    none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}
    masks = Masks(np.zeros((4, 128, 128), np.int8), tuple(np.zeros(0, np.int8) for _ in range(4)))
    fitted = detector_of(masks).fit(part.images[:4], [none] * 4)
    assert np.isfinite(fitted.history_.losses).all()


def test_training_twice_gives_the_same_network(part):
    few = part.take(slice(10))
    a, b = (detector_of(few.masks).fit(few.images, few.targets).network_.state_dict() for _ in range(2))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_crowded_scenes_are_chosen(part):
    few = part.take(slice(30))
    seen = []

    class Spy(Training):
        def __call__(self, network, data, seed=0):
            seen.extend(data.items)
            return super().__call__(network, data, seed)

    detector = detector_of(few.masks, crops=False)
    detector.training = Spy(1, 1e-3, 8, loss=joint_loss)
    detector.fit(few.images, few.targets)
    counts = [len(few.targets[item]["labels"]) for item in seen]
    assert min(counts) == 3
    assert len(seen) == sum(len(target["labels"]) >= 3 for target in few.targets)


# Batches and cut-out objects


def test_mirroring_takes_boxes_and_masks_along(part):
    few = part.take(slice(12))
    plain = SceneBatches(few.images, few.targets, few.masks, np.arange(12), Pixels.of(few.images), augment=False)
    turned = SceneBatches(few.images, few.targets, few.masks, np.arange(12), Pixels.of(few.images))
    index = torch.arange(12)
    a, b = plain.batch(index, torch.Generator())[0], turned.batch(index, torch.Generator().manual_seed(0))[0]
    mirrored = (a.masks != b.masks).flatten(1).any(dim=1)
    assert 0 < mirrored.sum() < 12
    for own in (a, b):
        for boxes, labels, masks in zip(own.boxes, own.labels, own.masks, strict=True):
            there = labels > 0
            assert torch.equal(torchvision.ops.masks_to_boxes(masks[there]) + torch.tensor([0, 0, 1, 1]), boxes[there])
            assert not masks[~there].any()
    kept = ~mirrored
    gain = (b.images[kept] - b.images[kept].mean((2, 3), True)).std((2, 3)) / a.images[kept].std((2, 3))
    assert gain.min() >= 0.69
    assert gain.max() <= 1.31
    assert len(a[2:5].images) == 3
    assert torch.equal(a[2:5].boxes, a.boxes[2:5])


def test_objects_are_cut_out_where_they_are():
    inputs = batch_of([2, 0, 1], size=64)
    seen = []

    def scores(crops):
        seen.append(crops)
        return torch.zeros(len(crops), 3)

    _, labels = CropClassifier(torch.nn.Linear(1, 1), scores, 24)(inputs)
    assert labels.tolist() == [1, 2, 1]
    assert seen[0].shape == (3, 3, 24, 24)
    assert (seen[0][:, :, 5:19, 5:19] - 3).abs().max() < 1e-4  # corners move by a tenth of a side at most
    assert crop_loss((torch.zeros(3, 3), labels))[0] == pytest.approx(3 * np.log(3), abs=1e-5)


def test_cut_out_objects_train_the_detector_s_own_layers(network):
    scores, _ = CropClassifier(network, network.class_scores, 8 * BOX_SIDE)(batch_of([1, 1]))
    assert scores.shape == (2, 3)
    scores.sum().backward()
    assert network.maps.stages[0][0][0].weight.grad.abs().sum() > 0
    assert network.mask_head[0][0].weight.grad is None


# Average precision of masks is not that of boxes


def test_a_right_box_with_a_wrong_mask_counts_for_boxes_only():
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[0, 10:30, 10:30] = True
    thin = mask.clone()
    thin[0, 12:28, 12:30] = False  # a frame: the same box, a quarter of the pixels
    box, label = torch.tensor([[10.0, 10, 30, 30]]), torch.tensor([1])
    truth = [{"boxes": box, "labels": label, "masks": mask}]
    found = [{"boxes": box, "labels": label, "masks": thin, "scores": torch.ones(1)}]
    by = {of: Evaluation(found, truth, 1, iou_of=of).mean_average_precision() for of in ("boxes", "masks")}
    assert by == {"boxes": 1.0, "masks": 0.0}


# The lesson


def test_the_lesson_trains_chooses_and_judges_on_the_right_scenes(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where checkpoints go
    fitted = []
    plain = InstanceDetector.fit

    def noting(self, images, targets):
        fitted.append((images, self.masks))
        return plain(self, images, targets)

    monkeypatch.setattr(InstanceDetector, "fit", noting)
    found = recorded(mask_rcnn, monkeypatch)
    sets, run = scenes(Scale("smoke"), train_masks=True), found.run
    (images, masks), *others = fitted
    assert others == []
    assert np.array_equal(images, sets.train.images)
    assert all(np.array_equal(masks[k], sets.train.masks[k]) for k in range(len(sets.train)))
    for name, part in ((OURS, sets.test), (RIVAL, sets.test), *((name, sets.validation) for name in VARIANTS)):
        for metric in (AP50, AP75):
            scores = run.methods[name].items[metric]
            assert np.array_equal(scores.groups, part.groups[: len(scores.ids)])
            assert len(scores.ids) == (len(part) if part is sets.test else 4)
    assert run.shared[OURS, 0][0] is run.methods[OURS].model
    assert {"instances", "sampling"} <= found.figures.keys()
    assert np.array_equal(found.figures["instances"][0], sets.test.images)
    assert found.facts["parameters of the full size"] == 44_401_393
    figures = (draw_best_median_worst, "instances"), (draw_sampling, "sampling")
    assert all(plots.png(draw(*found.figures[name]), draft=True) for draw, name in figures)

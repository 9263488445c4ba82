"""Mask R-CNN: objects as boxes, classes and masks, from pixels, in one network with one loss.

Question   A detector predicts boxes. What has to be added so that it predicts the pixels of each object?
Method     He et al. 2017 (Mask R-CNN), §3: region proposals (Ren et al. 2015), RoI Align in place of RoI pooling, and
           beside class and box a small convolutional head that predicts a mask for each class, with a sigmoid.
Rival      HOG + SVM boxes that GrabCut fills; the same boxes with the mean mask of the class.
Differs    A network of one million weights, whose trunk was first trained to classify objects of the training scenes,
           replaces ResNet-50 and ImageNet. Three maps with a top-down path (Lin et al. 2017) of strides 4, 8 and 16:
           proposals use the last two, boxes stride 8, masks stride 4, whatever the object's size. RoI Align takes one
           sample per cell, not four. Muon (common/muon.py) replaces SGD. The full size is built, not trained.
Costs      155 s on two cores, 105 s of them for the detector, if an earlier lesson has run the rival.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import clip_boxes_to_image

from ch07_applications.segmentation import masks_in_true_boxes as heads
from ch07_applications.segmentation.box_rival import RIVAL, score_rival
from ch07_applications.segmentation.crop_classifier import crop_loss
from ch07_applications.segmentation.drawn_mask_rcnn import draw_best_median_worst, draw_sampling
from ch07_applications.segmentation.feature_maps import FeatureMaps, Maps, convolution
from ch07_applications.segmentation.full_mask_rcnn import full_mask_rcnn, trained_parameters
from ch07_applications.segmentation.instance_batches import Instances
from ch07_applications.segmentation.instance_detector import Detection, InstanceDetector
from ch07_applications.segmentation.labelled_scenes import LabelledScenes, instances, labelled_scenes
from ch07_applications.segmentation.mask_pasting import bilinear_weights, cell_places, crop_masks, paste_masks
from ch07_applications.segmentation.region_proposals import (
    NEITHER,
    OBJECT,
    ProposalHead,
    anchors,
    decode,
    encode,
    match,
    picked,
    proposal_loss,
    propose,
    sample,
)
from ch07_applications.segmentation.scoring import AP50, AP75, judge_instances
from common.data.boxed import Target
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

OURS = "Mask R-CNN"  # also its name for fit_shared
STRIDES = (4, 8, 16)  # of the three maps
SIZES = ((22.0, 34.0), (52.0, 78.0))  # of anchors on the last two maps, √area in pixels
RATIOS = (0.5, 1.0, 2.0)  # height to width
CHANNELS, HIDDEN = 64, 32  # channels of the maps; of the mask head
ALIGNS, COARSE = "RoI Align gives better masks than RoI pooling", "RoI Align gives better masks on coarse maps, too"
SIGMOID = "A sigmoid per class is better than a softmax"
BOX_SIDE, MASK_SIDE = 6, 14  # cells of a RoI for the box head and for the mask head, along each axis
CLAIMS = (
    (ALIGNS, "Table 2c", "30.2 against 26.9 AP", "base", "RoI pooling", heads.OVERLAP),
    (ALIGNS, "Table 2c", "31.8 against 26.4 AP75", "base", "RoI pooling", AP75),
    (COARSE, "Table 2d", "30.9 against 23.6 AP, stride 32", "stride 16", "stride 16, RoI pooling", heads.OVERLAP),
    (SIGMOID, "Table 2b", "30.3 against 24.8 AP", "base", "softmax", heads.OVERLAP),
    (SIGMOID, "Table 2b", "31.5 against 25.1 AP75", "base", "softmax", AP75),
)


def roi_align_one_by_one(features: Maps, rois: Float[Tensor, "n 5"], side: int, stride: int) -> Tensor:
    """RoI Align as §3, "RoIAlign", defines it: bilinear interpolation at the centre of each cell, without rounding.

    rois: (image, x1, y1, x2, y2), in pixels of the image. The value of a map's cell i lies at its centre, i + ½
    strides, so a place p of the image is at index p / stride − ½: without that half cell, everything would shift.
    """
    aligned = features.new_zeros(len(rois), features.shape[1], side, side)
    height, width = features.shape[2:]
    for n, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        for i in range(side):
            for j in range(side):
                y = (y1 + (i + 0.5) * (y2 - y1) / side) / stride - 0.5
                x = (x1 + (j + 0.5) * (x2 - x1) / side) / stride - 0.5
                y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
                top, left = int(y), int(x)
                bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
                down, across = y - top, x - left
                f = features[int(image)]
                aligned[n, :, i, j] = (
                    (1 - down) * (1 - across) * f[:, top, left] + (1 - down) * across * f[:, top, right]
                    + down * (1 - across) * f[:, bottom, left] + down * across * f[:, bottom, right]
                )  # fmt: skip
    return aligned


def roi_align(
    features: Maps, boxes: Float[Tensor, "batch rois 4"], side: int, stride: int, samples: int = 1
) -> Float[Tensor, "batch rois channels side side"]:
    """The same for an equal number of boxes per image, as two matrix products: rows · features · columnsᵀ.

    samples: per axis of a cell; the cell's value is their mean.
    """
    with torch.autocast(features.device.type, enabled=False):
        rows, columns = (
            bilinear_weights(cell_places(boxes[..., k], boxes[..., k + 2], side, samples) / stride - 0.5, length)
            .unflatten(2, (side, samples))
            .mean(dim=3)
            for k, length in ((1, features.shape[2]), (0, features.shape[3]))
        )  # (batch, rois, side, length)
        features = features.float().permute(0, 2, 3, 1)  # channels last: the fastest layout for convolutions
        sampled = rows.flatten(1, 2) @ features.flatten(2)
        sampled = sampled.unflatten(1, rows.shape[1:3]).unflatten(3, features.shape[2:])
        return (columns[:, :, None] @ sampled).permute(0, 1, 4, 2, 3)


class Outputs(NamedTuple):
    """The outputs that enter a training step's loss."""

    proposals: Float[Tensor, ""]  # the loss of the region proposal network, a sum over images
    scores: Float[Tensor, "batch rois scores"]
    offsets: Float[Tensor, "batch rois classes 4"]
    masks: Float[Tensor, "batch objects classes cells cells"]  # logits, for the RoIs that may be objects
    truth: RoiTargets


class RoiTargets(NamedTuple):
    """The targets of sampled RoIs. labels: 0 for background, −1 for a row that does not count."""

    labels: Int64[Tensor, "batch rois"]
    offsets: Float[Tensor, "batch rois 4"]
    masks: Bool[Tensor, "batch objects cells cells"]


class MaskRCNN(nn.Module):
    """The small network. classes: without background. rois: sampled per image, of them at most `objects` objects."""

    def __init__(self, classes: int, width: int = 16, rois: int = 24, objects: int = 6) -> None:
        super().__init__()
        self.classes, self.rois, self.objects = classes, rois, objects
        self.maps = FeatureMaps(width, CHANNELS)
        self.proposal_head = ProposalHead(CHANNELS, len(SIZES[0]) * len(RATIOS))
        reduced = 8 * width * ((BOX_SIDE + 1) // 2) ** 2
        self.box_head = nn.Sequential(
            convolution(CHANNELS, 8 * width, 2), nn.Flatten(), nn.Linear(reduced, 256), nn.ReLU()
        )
        self.score, self.move = nn.Linear(256, classes + 1), nn.Linear(256, 4 * classes)
        self.mask_head = mask_head(CHANNELS, HIDDEN, classes)

    def anchors(self, maps: list[Maps]) -> Float[Tensor, "n 4"]:
        """The anchors of the last two maps, in the order of the proposal head's outputs."""
        kinds = zip(maps[1:], STRIDES[1:], SIZES, strict=True)
        own = [anchors((x.shape[2], x.shape[3]), stride, sizes, RATIOS) for x, stride, sizes in kinds]
        return torch.cat(own).to(maps[0].device)

    def boxes(
        self, maps: list[Maps], rois: Float[Tensor, "batch rois 4"]
    ) -> tuple[Float[Tensor, "batch rois scores"], Float[Tensor, "batch rois classes 4"]]:
        """The scores of background and classes before the softmax, and each class's offsets, for each RoI."""
        features = self.box_head(roi_align(maps[1], rois, BOX_SIDE, STRIDES[1]).flatten(0, 1))
        shape = rois.shape[:2]
        return self.score(features).unflatten(0, shape), self.move(features).unflatten(0, shape).unflatten(2, (-1, 4))

    def class_scores(self, images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n scores"]:
        """The class scores of object crops, which are treated as one RoI each."""
        return self.score(self.box_head(self.maps(images)[1]))

    def masks(self, maps: list[Maps], rois: Float[Tensor, "batch rois 4"]) -> Tensor:
        """The logits of every class's 28 × 28 mask for each RoI: (batch, rois, classes, 28, 28)."""
        aligned = roi_align(maps[0], rois, MASK_SIDE, STRIDES[0])
        return self.mask_head(aligned.flatten(0, 1)).unflatten(0, rois.shape[:2])

    def forward(self, inputs: Instances) -> Outputs:
        """A step of approximate joint training (Ren et al. 2015, §3.2): proposals are constants for the other heads."""
        inputs = inputs.to(next(self.parameters()).device)
        maps = self.maps(inputs.images)
        anchor, (scores, offsets) = self.anchors(maps), self.proposal_head(maps[1:])
        loss = proposal_loss(scores, offsets, anchor, inputs.boxes, inputs.labels)
        proposals = propose(scores, offsets, anchor, inputs.images.shape[2:], keep=40)
        rois, truth = self.sampled(inputs, *proposals)
        masks = self.masks(maps, rois[:, : self.objects])
        return Outputs(loss, *self.boxes(maps, rois), masks, truth)

    @torch.no_grad()
    def sampled(
        self, inputs: Instances, boxes: Float[Tensor, "batch n 4"], there: Bool[Tensor, "batch n"]
    ) -> tuple[Float[Tensor, "batch rois 4"], RoiTargets]:
        """A sample of each image's proposals and true boxes, a quarter of them objects (IoU of at least 0.5). §3.1."""
        boxes = torch.cat([boxes, inputs.boxes], dim=1)
        matched = match(boxes, inputs.boxes, inputs.labels, low=0.5, high=0.5)
        there = torch.cat([there, inputs.labels > 0], dim=1)
        index, kind = sample(matched.kind.masked_fill(~there, NEITHER), self.rois, self.objects)
        rois, truth = picked(boxes, index), picked(matched.truth, index)
        labels = torch.where(kind == OBJECT, picked(inputs.labels, truth), kind)
        wanted = torch.where((kind == OBJECT)[..., None], encode(picked(inputs.boxes, truth), rois), 0.0)
        own, at = picked(inputs.masks, truth[:, : self.objects]), rois[:, : self.objects]
        masks = crop_masks(own.flatten(0, 1), at.flatten(0, 1), 2 * MASK_SIDE)
        return rois, RoiTargets(labels, wanted, masks.unflatten(0, (len(rois), -1)))

    @torch.inference_mode()
    def detect(self, images: Float[Tensor, "batch 3 height width"], settings: Detection) -> list[Target]:
        """Proposals, then class and box of each, non-maximum suppression, then masks of the remaining boxes. §3.1."""
        maps, size = self.maps(images), (images.shape[2], images.shape[3])
        rois, there = propose(*self.proposal_head(maps[1:]), self.anchors(maps), size, keep=settings.proposals)
        scores, offsets = self.boxes(maps, rois)
        scores = scores.float().softmax(dim=2)[..., 1:] * there[..., None]
        boxes = clip_boxes_to_image(decode(offsets, rois[:, :, None]), size)
        found = [settings.choose(*pair) for pair in zip(boxes, scores, strict=True)]
        grids = self.masks(maps, pad_sequence([own["boxes"] for own in found], batch_first=True)).float().sigmoid()
        for own, each in zip(found, grids, strict=True):
            chosen = each[torch.arange(len(own["labels"])), own["labels"] - 1]  # of the class predicted by the box head
            own["masks"] = paste_masks(chosen, own["boxes"], size)
        return found


def mask_head(channels: int, hidden: int, classes: int) -> nn.Sequential:
    """3×3 convolutions, a deconvolution that doubles the cells, a 1×1 convolution with a mask per class. Fig. 4."""
    layers = [convolution(channels if not k else hidden, hidden) for k in range(3)]
    layers += [nn.ConvTranspose2d(hidden, hidden, 2, stride=2), nn.ReLU(), nn.Conv2d(hidden, classes, 1)]
    return nn.Sequential(*layers)


def mask_loss(
    logits: Float[Tensor, "n classes cells cells"], masks: Bool[Tensor, "n cells cells"], labels: Int64[Tensor, "n"]
) -> Float[Tensor, ""]:
    """L_mask of §3: sigmoid cross-entropy of the true class's mask only, a mean over cells and a sum over objects.

    Classes do not compete for a pixel, because the box head decides the class. Rows with labels below 1 do not count.
    """
    objects = labels > 0
    own = logits[objects].float()[torch.arange(int(objects.sum())), labels[objects] - 1]
    return functional.binary_cross_entropy_with_logits(own, masks[objects].float(), reduction="none").mean((1, 2)).sum()


def joint_loss(outputs: Outputs) -> tuple[Float[Tensor, ""], int]:
    """L = L_proposals + L_class + L_box + L_mask (§3), summed over images, and the number of images (common.train).

    Class and box losses are means over an image's RoIs; the mask loss is divided by the most objects that are sampled.
    """
    labels, offsets, masks = outputs.truth
    rois, objects = labels.shape[1], masks.shape[1]
    score = functional.cross_entropy(
        outputs.scores.float().flatten(0, 1), labels.flatten(), ignore_index=NEITHER, reduction="sum"
    )
    positive = labels > 0
    moved = picked(outputs.offsets[positive].float(), labels[positive][:, None] - 1)[:, 0]
    move = functional.smooth_l1_loss(moved, offsets[positive], reduction="sum")
    mask = mask_loss(outputs.masks.flatten(0, 1), masks.flatten(0, 1), labels[:, :objects].flatten())
    return outputs.proposals + (score + move) / rois + mask / objects, len(labels)


def parameter_groups(network: MaskRCNN) -> list[dict]:
    """Hidden filters, trained with Muon, and all others, which include the output layers."""
    last = [network.proposal_head.scores, network.proposal_head.offsets, network.mask_head[-1]]
    return hidden_filters(network, last)


def scene_detector(run: Run, sets: LabelledScenes) -> InstanceDetector:
    """The unfitted detector for scenes. Rates and batch sizes were not tuned; epochs are what time allows."""
    shared = {"optimiser": Muon, "warm_up": 0.15, "device": run.device, "say": run.say_step}
    epochs, first, kept = *run.pick(smoke=(1, 1), lecture=(3, 2), full=(16, 4)), run.checkpoint("mask_rcnn")
    crops = Training(first, 0.01, 16, groups=hidden_filters, loss=crop_loss, **shared)
    training = Training(epochs, 0.01, 16, groups=parameter_groups, loss=joint_loss, checkpoint=kept, **shared)
    build = partial(MaskRCNN, len(sets.objects.classes))
    return InstanceDetector(build, sets.objects.train.masks, training, crops, Detection(), 8 * BOX_SIDE, seed=run.seed)


VARIANTS = {  # of the mask head: its input, and its loss
    "base": heads.MaskVariant(roi_align, mask_loss),
    "RoI pooling": heads.MaskVariant(heads.roi_pool, mask_loss),
    "softmax": heads.MaskVariant(roi_align, heads.softmax_loss, background=True),
    "stride 16": heads.MaskVariant(roi_align, mask_loss, 2, STRIDES[2]),
    "stride 16, RoI pooling": heads.MaskVariant(heads.roi_pool, mask_loss, 2, STRIDES[2]),
}


def study_mask_heads(run: Run, detector: InstanceDetector, sets: LabelledScenes) -> None:
    """Train each variant on the same maps and true boxes, and score it on validation scenes."""
    network, scenes = detector.network_, sets.objects
    train = scenes.train.take(slice(run.pick(smoke=8, lecture=1000)))
    judged = scenes.validation.take(slice(run.pick(smoke=4, lecture=300)))
    found = detector.predict(judged.images)
    study = heads.MaskStudy(run, detector.pixels_, network.maps, train, judged, found, MASK_SIDE)
    training = Training(run.pick(smoke=1, lecture=5), 0.01, 64, Muon, hidden_filters, device=run.device, warm_up=0.15)
    for name, variant in VARIANTS.items():
        outputs = network.classes + variant.background
        study.measure(name, variant, partial(mask_head, CHANNELS, HIDDEN, outputs), training)
    study.measure_grabcut()
    run.compare("base", heads.GRABCUT, heads.OVERLAP)


def lesson(run: Run) -> None:
    sets = labelled_scenes(run)
    test = sets.objects.test
    with run.method(OURS, kind="deep") as method:
        detector = method.fit_shared(OURS, partial(scene_detector, run, sets), sets.objects.train)
        found = judge_instances(method, test)
        run.fact("images a second", len(test) / method.predict_seconds)
    run.fact("parameters of the full size", trained_parameters(full_mask_rcnn()))
    _, rival = score_rival(run, sets, semantic=False)
    score_rival(run, sets, semantic=False, by_mean=True)
    for metric, least in ((AP50, 55), (AP75, 45)):
        run.compare(OURS, RIVAL, metric)
        run.floor(OURS, metric, at_least=least)
    study_mask_heads(run, detector, sets)
    run.figure(
        "instances", draw_best_median_worst, test.images,
        {"truth": instances(test), OURS: found, RIVAL: rival}, test.classes,
        caption="The test scenes whose objects Mask R-CNN's masks agree with best, at the median and worst (mean IoU "
        "with masks of the right class), with as many instances of each method as there are objects, by score.",
    )  # fmt: skip
    run.figure(
        "sampling", draw_sampling, test, {"RoI pooling": heads.roi_pool, "RoI Align": roi_align}, STRIDES[1], MASK_SIDE,
        caption="The first object of the test scenes and its box (green) on a map of stride 8, which is the picture "
        "itself, reduced. RoI pooling rounds the box and its cells (red lines); RoI Align samples at red dots.",
    )  # fmt: skip
    claims = PaperClaims(run)
    for claim, source, paper, ours, against, metric in CLAIMS:
        claims.compared(claim, source=source, paper=paper, ours=ours, against=against, metric=metric)

"""Mask R-CNN: objects as boxes, classes and masks, from pixels, in one network with one loss.

Question   A detector answers with boxes. What has to be added for it to answer with the pixels of each object?
Method     He et al. 2017 (Mask R-CNN), §3: region proposals (Ren et al. 2015), RoI Align in place of RoI pooling, and
           beside class and box a small convolutional head that predicts a mask for each class, with a sigmoid.
Rival      HOG + SVM boxes that GrabCut fills; the same boxes with the mean mask of the class.
Differs    A residual trunk of 0.9 million weights that has first classified objects cut out of the training scenes, in
           place of ResNet-50 and ImageNet. Three maps with a top-down path (Lin et al. 2017), of strides 4, 8 and 16:
           proposals from the last two, boxes from stride 8, masks from stride 4, whatever the size of the object. One
           sample per cell of RoI Align, not four. Muon (common/muon.py) for SGD. The full size is built, not trained.
Costs      180 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import batched_nms, clip_boxes_to_image

from ch07_applications.segmentation.feature_maps import FeatureMaps, Maps, convolution
from ch07_applications.segmentation.instance_batches import Instances, SceneBatches
from ch07_applications.segmentation.mask_pasting import bilinear_weights, cell_places, crop_masks, paste_masks
from ch07_applications.segmentation.object_crops import CropClassifier, crop_loss
from ch07_applications.segmentation.region_proposals import (
    NEITHER,
    OBJECT,
    ProposalHead,
    anchors,
    decode,
    NARROWEST,
    encode,
    match,
    picked,
    proposal_loss,
    propose,
    sample,
)
from common.data.boxed import BoxedImages, Masks, Target
from common.errors import Problem
from common.image_classifier import Pixels
from common.train import History, Training, half_pays

STRIDES = (4, 8, 16)  # of the three maps
SIZES = ((22.0, 34.0), (52.0, 78.0))  # of anchors on the last two maps, √area in pixels
RATIOS = (0.5, 1.0, 2.0)  # height to width
BOX_SIDE, MASK_SIDE = 6, 14  # cells of a RoI for the box head and for the mask head, along each axis


def roi_align_one_by_one(features: Maps, rois: Float[Tensor, "n 5"], side: int, stride: int) -> Tensor:
    """§3, "RoIAlign", as it is written: bilinear interpolation at the centre of each cell, nothing rounded.

    rois: (image, x1, y1, x2, y2), in pixels of the image. A map's value of cell i is that at its centre, i + ½ strides,
    so that a place p of the image is at p / stride − ½ among the values: without that half a cell, everything shifts.
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
    """The same for as many boxes of each image, as two matrix products: rows · features · columnsᵀ.

    samples: along each axis of a cell, whose value is their mean.
    """
    with torch.autocast(features.device.type, enabled=False):
        rows, columns = (
            bilinear_weights(cell_places(boxes[..., k], boxes[..., k + 2], side, samples) / stride - 0.5, length)
            .unflatten(2, (side, samples))
            .mean(dim=3)
            for k, length in ((1, features.shape[2]), (0, features.shape[3]))
        )  # (batch, rois, side, length)
        features = features.float().permute(0, 2, 3, 1)  # channels last: what convolutions run fastest on
        sampled = (rows.flatten(1, 2) @ features.flatten(2)).unflatten(1, rows.shape[1:3]).unflatten(3, features.shape[2:])
        return (columns[:, :, None] @ sampled).permute(0, 1, 4, 2, 3)


class Outputs(NamedTuple):
    """What a training step's loss is computed from."""

    proposals: Float[Tensor, ""]  # the loss of the region proposal network, a sum over images
    scores: Float[Tensor, "batch rois scores"]
    offsets: Float[Tensor, "batch rois classes 4"]
    masks: Float[Tensor, "batch objects classes cells cells"]  # logits, of the RoIs that may be objects
    truth: RoiTargets


class RoiTargets(NamedTuple):
    """What sampled RoIs are trained to be. labels: 0 for background, −1 for a place that does not count."""

    labels: Int64[Tensor, "batch rois"]
    offsets: Float[Tensor, "batch rois 4"]
    masks: Bool[Tensor, "batch objects cells cells"]


class MaskRCNN(nn.Module):
    """The small network. classes: without background. rois, objects: sampled per image, and objects at most of them."""

    def __init__(self, classes: int, width: int = 16, channels: int = 64, rois: int = 24, objects: int = 6) -> None:
        super().__init__()
        self.classes, self.rois, self.objects = classes, rois, objects
        self.maps = FeatureMaps(width, channels)
        self.proposal_head = ProposalHead(channels, len(SIZES[0]) * len(RATIOS))
        reduced = 8 * width * ((BOX_SIDE + 1) // 2) ** 2
        self.box_head = nn.Sequential(
            convolution(channels, 8 * width, 2), nn.Flatten(), nn.Linear(reduced, 256), nn.ReLU()
        )
        self.score, self.move = nn.Linear(256, classes + 1), nn.Linear(256, 4 * classes)
        self.mask_head = mask_head(channels, 2 * width, classes)

    def anchors(self, maps: list[Maps]) -> Float[Tensor, "n 4"]:
        """Of the last two maps, in the order in which the proposal head answers."""
        kinds = zip(maps[1:], STRIDES[1:], SIZES, strict=True)
        own = [anchors((x.shape[2], x.shape[3]), stride, sizes, RATIOS) for x, stride, sizes in kinds]
        return torch.cat(own).to(maps[0].device)

    def boxes(
        self, maps: list[Maps], rois: Float[Tensor, "batch rois 4"]
    ) -> tuple[Float[Tensor, "batch rois scores"], Float[Tensor, "batch rois classes 4"]]:
        """Of each RoI the scores of background and the classes before the softmax, and each class's offsets."""
        features = self.box_head(roi_align(maps[1], rois, BOX_SIDE, STRIDES[1]).flatten(0, 1))
        shape = rois.shape[:2]
        return self.score(features).unflatten(0, shape), self.move(features).unflatten(0, shape).unflatten(2, (-1, 4))

    def class_scores(self, images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n scores"]:
        """The scores of pictures as wide and as high as one RoI: cut-out objects."""
        return self.score(self.box_head(self.maps(images)[1]))

    def masks(self, maps: list[Maps], rois: Float[Tensor, "batch rois 4"]) -> Tensor:
        """Of each RoI the logits of every class's mask, 28 × 28: (batch, rois, classes, 28, 28)."""
        aligned = roi_align(maps[0], rois, MASK_SIDE, STRIDES[0])
        return self.mask_head(aligned.flatten(0, 1)).unflatten(0, rois.shape[:2])

    def forward(self, inputs: Instances) -> Outputs:
        """A step of approximate joint training (Ren et al. 2015, §3.2): proposals are constants to the other heads."""
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
        """Of an image's proposals and true boxes a sample, a quarter of it objects (IoU of 0.5 and more). §3.1."""
        boxes = torch.cat([boxes, inputs.boxes], dim=1)
        matched = match(boxes, inputs.boxes, inputs.labels, 0.5, 0.5)
        there = torch.cat([there, inputs.labels > 0], dim=1)
        index, kind = sample(matched.kind.masked_fill(~there, NEITHER), self.rois, self.objects)
        rois, truth = picked(boxes, index), picked(matched.truth, index)
        labels = torch.where(kind == OBJECT, picked(inputs.labels, truth), kind)
        wanted = torch.where((kind == OBJECT)[..., None], encode(picked(inputs.boxes, truth), rois), 0.0)
        first = slice(self.objects)
        masks = crop_masks(
            picked(inputs.masks, truth[:, first]).flatten(0, 1), rois[:, first].flatten(0, 1), 2 * MASK_SIDE
        )
        return rois, RoiTargets(labels, wanted, masks.unflatten(0, (len(rois), -1)))


def mask_head(channels: int, hidden: int, classes: int) -> nn.Sequential:
    """3×3 convolutions, a deconvolution that doubles the cells, a 1×1 convolution with a mask per class. Fig. 4."""
    up = nn.ConvTranspose2d(hidden, hidden, 2, stride=2)
    convolutions = [convolution(channels if not k else hidden, hidden) for k in range(3)]
    return nn.Sequential(*convolutions, up, nn.ReLU(), nn.Conv2d(hidden, classes, 1))


def mask_loss(
    logits: Float[Tensor, "batch objects classes cells cells"],
    masks: Bool[Tensor, "batch objects cells cells"],
    labels: Int64[Tensor, "batch objects"],
) -> Float[Tensor, ""]:
    """L_mask of §3: cross-entropy of the sigmoid, a mean over cells, of the true class's mask only; a sum over objects.

    Classes do not compete for a pixel: which class it is, the box head decides.
    """
    objects = labels > 0
    own = logits[objects].float()[torch.arange(int(objects.sum())), labels[objects] - 1]
    return functional.binary_cross_entropy_with_logits(own, masks[objects].float(), reduction="none").mean((1, 2)).sum()


def joint_loss(outputs: Outputs) -> tuple[Float[Tensor, ""], int]:
    """L = L_proposals + L_class + L_box + L_mask (§3), a sum over images, and how many they are (common.train).

    Class and box are means over the RoIs of an image, masks over as many objects as are sampled at most.
    """
    labels, offsets, masks = outputs.truth
    rois, objects = labels.shape[1], masks.shape[1]
    score = functional.cross_entropy(
        outputs.scores.float().flatten(0, 1), labels.flatten(), ignore_index=NEITHER, reduction="sum"
    )
    positive = labels > 0
    moved = picked(outputs.offsets[positive].float(), labels[positive][:, None] - 1)[:, 0]
    move = functional.smooth_l1_loss(moved, offsets[positive], reduction="sum")
    mask = mask_loss(outputs.masks, masks, labels[:, :objects])
    return outputs.proposals + (score + move) / rois + mask / objects, len(labels)


@dataclass
class InstanceDetector:
    """Mask R-CNN with fit and predict. training: how it is trained, on joint_loss; crops: how its layers are before.

    build: makes the network for so many classes. crowded: objects per scene that it is trained on, at least: for the
    same seconds these have more to learn from. least: score of a detection. suppression: IoU above which a detection
    removes another of its class with a lower score. keep: detections per image, at most.
    """

    training: Training
    crops: Training | None
    build: Callable[[int], MaskRCNN] = MaskRCNN
    crowded: int = 3
    proposals: int = 80
    least: float = 0.02
    suppression: float = 0.45
    keep: int = 30
    seed: int = 0

    def fit(self, scenes: BoxedImages) -> InstanceDetector:
        """Train on scenes with masks, of one size. Raises Problem where there are no scenes or no masks."""
        if not len(scenes) or not scenes.masks:
            raise Problem("Mask R-CNN is trained on scenes with masks: here are none")
        self.pixels_ = Pixels.of(scenes.images[:: max(1, len(scenes) // 500)])
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = self.build(len(scenes.classes))
        rich = np.flatnonzero([len(target["labels"]) >= self.crowded for target in scenes.targets])
        batches = SceneBatches(scenes, rich if len(rich) else np.arange(len(scenes)), self.pixels_)
        if self.crops:
            classifier = CropClassifier(self.network_, self.network_.class_scores, 8 * BOX_SIDE)
            self.crops(classifier, batches, self.seed)
        self.history_: History = self.training(self.network_, batches, self.seed)
        return self

    def predict(self, images: UInt8[np.ndarray, "n height width 3"]) -> list[Target]:
        """Boxes, labels, scores and full-size masks of the objects of each image, the highest score first."""
        device, found = next(self.network_.parameters()).device, []
        self.network_.eval()
        for start in range(0, len(images), 16):
            inputs = self.pixels_(images[start : start + 16]).to(device, memory_format=torch.channels_last)
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device)):
                found += self.detections(inputs)
        return found

    def detections(self, images: Float[Tensor, "batch 3 height width"]) -> list[Target]:
        """Proposals, then class and box of each, non-maximum suppression, and masks of what is left only. §3.1."""
        network, size = self.network_, tuple(images.shape[2:])
        maps = network.maps(images)
        rois, there = propose(*network.proposal_head(maps[1:]), network.anchors(maps), size, self.proposals)
        scores, offsets = network.boxes(maps, rois)
        scores = scores.float().softmax(dim=2)[..., 1:] * there[..., None]
        boxes = clip_boxes_to_image(decode(offsets, rois[:, :, None]), size)
        kept = [self.suppress(*pair) for pair in zip(boxes, scores, strict=True)]
        padded = pad_sequence([each["boxes"] for each in kept], batch_first=True)
        masks = network.masks(maps, padded).float().sigmoid()
        for each, grids in zip(kept, masks, strict=True):
            own = grids[torch.arange(len(each["labels"])), each["labels"] - 1]
            each["masks"] = paste_masks(own, each["boxes"], size)
        return [{key: value.cpu() for key, value in each.items()} for each in kept]

    def suppress(self, boxes: Float[Tensor, "rois classes 4"], scores: Float[Tensor, "rois classes"]) -> Target:
        """Of one image's boxes those with the highest scores, without those that a higher one of their class covers."""
        wide = (boxes[..., 2:] - boxes[..., :2] >= NARROWEST).all(dim=2)
        roi, label = ((scores > self.least) & wide).nonzero(as_tuple=True)
        own, score = boxes[roi, label], scores[roi, label]
        stays = batched_nms(own, score, label, self.suppression)[: self.keep]
        return {"boxes": own[stays], "labels": label[stays] + 1, "scores": score[stays]}

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's, for common.model_size."""
        return self.network_.parameters()

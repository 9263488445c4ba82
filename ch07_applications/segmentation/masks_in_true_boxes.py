"""Mask heads compared on the maps of one trained detector: which RoI features, and which loss, give better masks.

Method     He et al. 2017, §4.2, Tables 2b to 2d, one change at a time. The maps and the boxes are those of one trained
           detector, so that only the mask head differs: it is trained in true boxes, and judged in true boxes (IoU of
           full-size masks) and in the boxes that the detector predicts (mask AP).
Differs    The paper trains each variant end to end, so that the trunk adapts to it. Here the trunk was trained with RoI
           Align and a sigmoid, which favours these two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torchvision
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from ch07_applications.segmentation.box_rival import GROW, fill_all
from ch07_applications.segmentation.mask_pasting import crop_masks, paste_masks
from ch07_applications.segmentation.scoring import score_instances
from common.data.boxed import BoxedImages, Target
from common.image_classifier import Pixels
from common.metrics.masks import mask_iou
from common.run import Method, Run
from common.train import Training

OVERLAP, PRECISE = "IoU in true boxes", 0.9
GRABCUT = "GrabCut in true boxes"
CHUNK = 16  # scenes that are looked through together


def roi_pool(
    features: Float[Tensor, "batch channels h w"], boxes: Float[Tensor, "batch rois 4"], side: int, stride: int
) -> Float[Tensor, "batch rois channels side side"]:
    """RoI pooling (Girshick 2015, §2.1): ends and cells rounded to whole cells of the map, the maximum of each."""
    pooled = torchvision.ops.roi_pool(features.float(), list(boxes), side, 1 / stride)
    return pooled.unflatten(0, boxes.shape[:2])


def softmax_loss(
    logits: Float[Tensor, "n classes cells cells"], masks: Bool[Tensor, "n cells cells"], labels: Int64[Tensor, "n"]
) -> Float[Tensor, ""]:
    """Table 2b's rival: each pixel has one class or is background, 0; a mean over cells and a sum over objects."""
    wanted = masks * labels[:, None, None]
    return functional.cross_entropy(logits.float(), wanted, reduction="none").mean((1, 2)).sum()


@dataclass(frozen=True)
class MaskVariant:
    """What a mask head is given, and how it is trained.

    sample: of a map, boxes, cells and a stride the features of each box. loss: of outputs, masks and labels, a sum over
    objects. level: which of the maps, of that stride. background: whether the outputs have one for background, and
    compete in a softmax.
    """

    sample: Callable
    loss: Callable
    level: int = 0
    stride: int = 4
    background: bool = False

    def probabilities(
        self, logits: Float[Tensor, "n classes cells cells"], labels: Int64[Tensor, "n"]
    ) -> Float[Tensor, "n cells cells"]:
        """Of each pixel that it is the object's. After a softmax against the background alone: the class is known."""
        item = torch.arange(len(labels))
        return (logits[item, labels] - logits[:, 0] if self.background else logits[item, labels - 1]).sigmoid()


@dataclass(frozen=True, eq=False)
class RoiFeatures:
    """Features of objects in their boxes, their masks and labels, as common.train.Batches."""

    inputs: Float[Tensor, "n channels cells cells"]
    masks: Bool[Tensor, "n side side"]
    labels: Int64[Tensor, "n"]

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, index: Int64[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        inputs = self.inputs[index].float().contiguous(memory_format=torch.channels_last)
        return inputs, self.masks[index], self.labels[index]


@dataclass(frozen=True, eq=False)
class MaskStudy:
    """One trained detector's maps and boxes, on which mask heads are trained and judged.

    maps: from a batch of images to the maps. train, judged: scenes with masks, the second ones for validation.
    detections: of the judged scenes. side: cells of a RoI along each axis.
    """

    run: Run
    pixels: Pixels
    maps: Callable[[Float[Tensor, "batch 3 height width"]], list[Tensor]]
    train: BoxedImages
    judged: BoxedImages
    detections: Sequence[Target]
    side: int

    def features(
        self, variant: MaskVariant, scenes: BoxedImages, boxes: Sequence[Tensor]
    ) -> list[Float[Tensor, "_ channels side side"]]:
        """Of each scene the features of its boxes, in bfloat16, which is what a mask head multiplies anyway."""
        found = []
        for start in range(0, len(scenes), CHUNK):
            own = list(boxes[start : start + CHUNK])
            images = self.pixels(scenes.images[start : start + CHUNK]).to(self.run.device)
            with torch.no_grad():
                padded = pad_sequence(own, batch_first=True).to(self.run.device)
                sampled = variant.sample(self.maps(images)[variant.level], padded, self.side, variant.stride).cpu()
            found += [part[: len(each)].bfloat16() for part, each in zip(sampled, own, strict=True)]
        return found

    def measure(
        self,
        name: str,
        variant: MaskVariant,
        build: Callable[[], nn.Module],
        training: Training,
    ) -> None:
        """Train a variant's head and score it as a method of that name."""
        boxes = [target["boxes"] for target in self.train.targets]
        masks = [crop_masks(torch.from_numpy(self.train.masks[k]), own, 2 * self.side) for k, own in enumerate(boxes)]
        labels = torch.cat([target["labels"] for target in self.train.targets])
        with self.run.method(name, kind="deep") as method:
            inputs = torch.cat(self.features(variant, self.train, boxes))
            with torch.random.fork_rng():
                torch.manual_seed(self.run.seed)
                method.model = build()
            summed = replace(training, loss=lambda out, *truth: (variant.loss(out, *truth), len(truth[1])))
            method.time(summed, method.model, RoiFeatures(inputs, torch.cat(masks), labels), self.run.seed)

            made = self.masks(method.model, variant, self.detections)
            detections = [{**own, "masks": masks} for own, masks in zip(self.detections, made, strict=True)]
            score_instances(method, self.judged, detections)
            self.score_in_true_boxes(method, self.masks(method.model, variant, self.judged.targets))

    def measure_grabcut(self) -> None:
        """GrabCut in the same true boxes: what finds the object's pixels without having learned anything."""
        with self.run.method(GRABCUT, kind="classical") as method:
            boxes = [own["boxes"] + GROW * torch.tensor([-1.0, -1, 1, 1]) for own in self.judged.targets]
            self.score_in_true_boxes(method, fill_all(self.judged.images, boxes))

    def score_in_true_boxes(self, method: Method, made: Sequence[Bool[Tensor, "_ height width"]]) -> None:
        """The mean over a scene's objects of the IoU of full-size masks; and how many masks are nearly right."""
        overlaps = [np.diagonal(mask_iou(own.numpy(), self.judged.masks[k])) for k, own in enumerate(made)]
        part = self.judged.take(np.array([len(own) > 0 for own in overlaps]))
        means = np.array([own.mean() for own in overlaps if len(own)])
        method.score_items(OVERLAP, 100 * means, part, unit="%", higher_is_better=True)
        share = (np.concatenate(overlaps) > PRECISE).mean()
        self.run.fact(f"masks in true boxes with an IoU above {PRECISE}, {method.name}", 100 * share, "%")

    def masks(
        self, head: nn.Module, variant: MaskVariant, found: Sequence[Target]
    ) -> list[Bool[Tensor, "_ height width"]]:
        """Of each judged scene the masks of boxes with labels, at full size."""
        inputs = self.features(variant, self.judged, [each["boxes"] for each in found])
        made, size = [], self.judged.images.shape[1:3]
        head.eval()
        for own, each in zip(inputs, found, strict=True):
            with torch.inference_mode():
                grids = variant.probabilities(head(own.float()), each["labels"])
            made.append(paste_masks(grids, each["boxes"], size))
        return made

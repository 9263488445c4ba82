"""Mask heads compared on the maps of one trained detector: which RoI features, and which loss, give better masks.

Method     He et al. 2017, §4.2, Tables 2b to 2d, one change at a time. All variants use the maps and boxes of one
           trained detector, so that only the mask head differs. It is trained in true boxes, and scored in true boxes
           (IoU of full-size masks) and in the boxes that the detector predicts (mask AP).
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
CHUNK = 16  # scenes processed together


def roi_pool(
    features: Float[Tensor, "batch channels h w"], boxes: Float[Tensor, "batch rois 4"], side: int, stride: int
) -> Float[Tensor, "batch rois channels side side"]:
    """RoI pooling (Girshick 2015, §2.1): ends and bins rounded to whole cells, and the maximum per bin."""
    pooled = torchvision.ops.roi_pool(features.float(), list(boxes), side, 1 / stride)
    return pooled.unflatten(0, boxes.shape[:2])


def softmax_loss(
    logits: Float[Tensor, "n classes cells cells"], masks: Bool[Tensor, "n cells cells"], labels: Int64[Tensor, "n"]
) -> Float[Tensor, ""]:
    """Table 2b's rival: a softmax over classes and background (0) per pixel; a mean over cells, a sum over objects."""
    wanted = masks * labels[:, None, None]
    return functional.cross_entropy(logits.float(), wanted, reduction="none").mean((1, 2)).sum()


@dataclass(frozen=True)
class MaskVariant:
    """A mask head's input, and how it is trained.

    sample: the features of boxes, given a map, boxes, cells and a stride. loss: summed over objects, given outputs,
    masks and labels. level: the index of the map. background: whether there is an output for the background, and the
    outputs compete in a softmax.
    """

    sample: Callable
    loss: Callable
    level: int = 0
    stride: int = 4
    background: bool = False

    def probabilities(
        self, logits: Float[Tensor, "n classes cells cells"], labels: Int64[Tensor, "n"]
    ) -> Float[Tensor, "n cells cells"]:
        """The probability that each pixel belongs to the object.

        The class is known, so a softmax is over that class and the background alone.
        """
        item = torch.arange(len(labels))
        return (logits[item, labels] - logits[:, 0] if self.background else logits[item, labels - 1]).sigmoid()


@dataclass(frozen=True, eq=False)
class RoiFeatures:
    """Features of objects in their boxes with their masks and labels, as common.train.Batches."""

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
    """The maps and boxes of one trained detector, on which mask heads are trained and scored.

    maps: computes the maps of a batch of images. train, judged: scenes with masks for training and for validation.
    detections: in the validation scenes. side: cells of a RoI along each axis.
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
        """The features of each scene's boxes in bfloat16, the precision in which a mask head multiplies anyway."""
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
        """Score GrabCut in the same true boxes: a method that segments without training."""
        with self.run.method(GRABCUT, kind="classical") as method:
            boxes = [own["boxes"] + GROW * torch.tensor([-1.0, -1, 1, 1]) for own in self.judged.targets]
            self.score_in_true_boxes(method, fill_all(self.judged.images, boxes))

    def score_in_true_boxes(self, method: Method, made: Sequence[Bool[Tensor, "_ height width"]]) -> None:
        """Score the mean IoU of a scene's full-size masks, and the share of masks that are nearly right."""
        overlaps = [np.diagonal(mask_iou(own.numpy(), self.judged.masks[k])) for k, own in enumerate(made)]
        part = self.judged.take(np.array([len(own) > 0 for own in overlaps]))
        means = np.array([own.mean() for own in overlaps if len(own)])
        method.score_items(OVERLAP, 100 * means, part, unit="%", higher_is_better=True)
        share = (np.concatenate(overlaps) > PRECISE).mean()
        self.run.fact(f"masks in true boxes with an IoU above {PRECISE}, {method.name}", 100 * share, "%")

    def masks(
        self, head: nn.Module, variant: MaskVariant, found: Sequence[Target]
    ) -> list[Bool[Tensor, "_ height width"]]:
        """The full-size masks of labelled boxes in each validation scene."""
        inputs = self.features(variant, self.judged, [each["boxes"] for each in found])
        made, size = [], self.judged.images.shape[1:3]
        head.eval()
        for own, each in zip(inputs, found, strict=True):
            with torch.inference_mode():
                grids = variant.probabilities(head(own.float()), each["labels"])
            made.append(paste_masks(grids, each["boxes"], size))
        return made

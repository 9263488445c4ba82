"""Fast R-CNN: one map of each image, RoI pooling, and two heads that are trained together.

Method     Girshick 2015, §2: the multi-task loss, Eq. (1)–(3); mini-batches of few images with many RoIs each, a
           quarter of them objects (§2.3); §3.1 for detection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from ch06_detection.boxes import Boxes, clip, decode, encode, nms_by_class
from ch06_detection.first_lessons import in_other_light, learn_to_classify
from ch06_detection.proposal_sets import LabelledProposals, Pictures, Proposals, draw
from ch06_detection.roi_pooling import roi_pool
from ch06_detection.ssd_network import Residual, convolution
from common.data.boxed import Target
from common.image_classifier import Pixels
from common.train import History, Training, half_pays

FOREGROUND = 0.5  # IoU with an object, from which on a proposal is one
IGNORED = -1  # the label of a place in a mini-batch that nothing could be put into


@dataclass(frozen=True)
class Windows:
    """Images and some boxes in each: what the network is given. A slice of it takes images and their boxes along."""

    images: Float[Tensor, "batch 3 height width"]
    boxes: Float[Tensor, "batch rois 4"]

    def __getitem__(self, part: slice) -> Windows:
        return Windows(self.images[part], self.boxes[part])


class FastRCNNNetwork(nn.Module):
    """A trunk that is run once an image, RoI pooling, two layers for each window, and both heads. Fig. 1.

    classes: without background. side: bins of a window along each axis. stride: pixels a cell of the trunk's map.
    """

    def __init__(self, classes: int, width: int = 24, side: int = 6, hidden: int = 256, dropout: float = 0.2) -> None:
        super().__init__()
        self.classes, self.side, self.stride = classes, side, 8
        self.trunk = nn.Sequential(
            convolution(3, width, 2),
            convolution(width, 2 * width, 2),
            convolution(2 * width, 4 * width, 2),
            Residual(4 * width),
        )
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(4 * width * side**2, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.score, self.offsets = nn.Linear(hidden, classes + 1), nn.Linear(hidden, 4 * classes)

    def windows(
        self, maps: Float[Tensor, "batch channels rows columns"], boxes: Float[Tensor, "n 5"] | Sequence[Boxes]
    ) -> tuple[Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]]:
        """For every window of the maps: scores before the softmax, background first; each class's offsets."""
        seen = self.layers(roi_pool(maps, boxes, (self.side, self.side), 1 / self.stride))
        return self.score(seen), self.offsets(seen).unflatten(1, (self.classes, 4))

    def forward(self, inputs: Windows) -> tuple[Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]]:
        device = next(self.parameters()).device
        return self.windows(self.trunk(inputs.images.to(device)), list(inputs.boxes.to(device)))


def smooth_l1(x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """x² / 2 near 0, |x| − 1/2 from 1 on: no outlier pulls harder than another. Eq. (3)."""
    size = x.abs()
    return torch.where(size < 1, size**2 / 2, size - 0.5)


def multi_task_loss(
    outputs: tuple[Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]],
    labels: Int64[Tensor, "*shape"],
    offsets: Float[Tensor, "*shape 4"],
    weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Eq. (1)–(2): −log p of the label, and for objects, smooth L1 of their class's offsets; a mean over windows."""
    scores, said = outputs
    labels, offsets = labels.flatten(), offsets.flatten(0, -2)
    there = (labels != IGNORED).sum().clamp(min=1)
    objects = (labels > 0).nonzero()[:, 0]
    misses = said[objects, labels[objects] - 1].float() - offsets[objects]
    classified = nn.functional.cross_entropy(scores.float(), labels, ignore_index=IGNORED, reduction="sum")
    return (classified + weight * smooth_l1(misses).sum()) / there


@dataclass
class RoiBatches:
    """Images and labelled proposals in memory, as common.train.Batches: of each image so many windows. §2.3.

    lowest: IoU with an object that a window of the background has at least; others are taken where there are too few.
    """

    images: Pictures
    proposals: LabelledProposals
    pixels: Pixels
    rois: int = 32
    share: float = 0.25
    lowest: float = 0.0
    mirror: bool = True

    def __post_init__(self) -> None:
        counts = torch.bincount(self.proposals.image, minlength=len(self.images)).tolist()
        self.of_image = torch.arange(len(self.proposals)).split(counts)

    def __len__(self) -> int:
        return len(self.images)

    def batch(
        self, index: Int64[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Windows, Int64[Tensor, "batch rois"], Float[Tensor, "batch rois 4"]]:
        images = self.pixels(self.images[index.numpy()])
        rows = [self.of_image[item] for item in index.tolist()]
        drawn = [self.drawn(own, generator) if len(own) else None for own in rows]
        chosen = torch.stack([torch.zeros(self.rois, dtype=torch.long) if own is None else own for own in drawn])
        boxes, truths = self.proposals.boxes[chosen], self.proposals.truth[chosen]
        labels = self.proposals.label[chosen] * (self.proposals.overlap[chosen] >= FOREGROUND)
        labels[[own is None for own in drawn]] = IGNORED
        images = in_other_light(images, generator)
        if self.mirror:
            turned = torch.rand(len(images), generator=generator) < 0.5
            images = torch.where(turned[:, None, None, None], images.flip(3), images)
            boxes, truths = (
                torch.where(turned[:, None, None], mirrored(b, images.shape[3]), b) for b in (boxes, truths)
            )
        return Windows(images.contiguous(memory_format=torch.channels_last), boxes), labels, encode(truths, boxes)

    def drawn(self, own: Int64[Tensor, "n"], generator: torch.Generator) -> Int64[Tensor, "rois"]:
        """An image's windows for a mini-batch, of the numbers of all of its own."""
        overlap = self.proposals.overlap[own]
        background = overlap < FOREGROUND
        hard = background & (overlap >= self.lowest)
        return draw(
            own[overlap >= FOREGROUND], own[hard if hard.any() else background], self.rois, self.share, generator
        )


def mirrored(boxes: Float[Tensor, "*n 4"], width: int) -> Float[Tensor, "*n 4"]:
    """The boxes in an image whose left and right are swapped."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([width - x2, y1, width - x1, y2], dim=-1)


@dataclass
class FastRCNN:
    """A detector with fit and predict. proposals: of images. training: its loss is multi_task_loss."""

    proposals: Callable[[Pictures], list[Tensor]]
    training: Training
    classes: int
    build: Callable[[int], FastRCNNNetwork] = FastRCNNNetwork
    warm_up: Training | None = None
    searched: int | None = None
    rois: int = 32
    lowest: float = 0.0
    least: float = 0.01
    suppression: float = 0.3
    keep: int = 100
    seed: int = 0

    def fit(self, images: Pictures, targets: Sequence[Target]) -> FastRCNN:
        self.pixels_ = Pixels.of(images[:: max(1, len(images) // 500)])
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = self.build(self.classes)
            if self.warm_up:
                learn_to_classify(self.network_, images, targets, self.pixels_, self.warm_up, self.network_.side * self.network_.stride, 0.0, self.seed)
        images, targets = images[: self.searched], targets[: self.searched]
        labelled = LabelledProposals.of(self.proposals(images), targets)
        data = RoiBatches(images, labelled, self.pixels_, self.rois, lowest=self.lowest)
        self.history_: History = self.training(self.network_, data, self.seed)
        return self

    def predict(self, images: Pictures) -> list[Target]:
        return [self.chosen(*said, images.shape[1:3]) for said in self.said(images)]

    def said(self, images: Pictures, chunk: int = 20) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        proposals = self.proposals(images)
        device = next(self.network_.parameters()).device
        self.network_.eval()
        for start in range(0, len(images), chunk):
            own = proposals[start : start + chunk]
            inputs = self.pixels_(images[start : start + chunk]).to(device, memory_format=torch.channels_last)
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device)):
                scores, offsets = self.network_.windows(self.network_.trunk(inputs), own)
            counts = [len(boxes) for boxes in own]
            yield from zip(
                own, scores.float().softmax(1).cpu().split(counts), offsets.float().cpu().split(counts), strict=True
            )

    def chosen(self, boxes, scores, offsets, size):
        where, label = (scores[:, 1:] > self.least).nonzero().unbind(1)
        sure = scores[where, label + 1]
        moved = clip(decode(offsets[where, label], boxes[where]), *size)
        stays = nms_by_class(moved, sure, label + 1, self.suppression)[: self.keep]
        return {"boxes": moved[stays], "labels": label[stays] + 1, "scores": sure[stays]}

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.network_.parameters()

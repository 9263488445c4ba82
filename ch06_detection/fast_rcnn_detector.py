"""Fast R-CNN: one map of each image, RoI pooling, and two heads that are trained together.

Method     Girshick 2015, §2: the multi-task loss, Eq. (1)–(3); mini-batches of few images with many RoIs each, a
           quarter of them objects (§2.3); §3.1 for detection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ch06_detection.box_crops import in_other_light, mirrored
from ch06_detection.boxes import Boxes, clip, decode, encode
from ch06_detection.frames import HalfSize
from ch06_detection.naming import Trunk, scenes_trunk
from ch06_detection.proposal_sets import FOREGROUND, PEOPLE, LabelledProposals, draw, shared_proposals, spaced
from ch06_detection.region_network import STRIDE, RegionNetwork
from ch06_detection.roi_pool import roi_pool
from ch06_detection.square_crops import Pictures, squares
from ch06_detection.thinning import thinned_out
from common.data.boxed import Target
from common.data.checked_inputs import Given, colour_pictures, to_learn_from
from common.data.scenes import scenes
from common.image_classifier import Pixels
from common.muon import Muon, hidden_filters
from common.run import Run
from common.train import History, Training, half_pays

IGNORED = -1  # the label of a place in a mini-batch that nothing could be put into


@dataclass(frozen=True)
class Windows:
    """Images and some boxes in each: what the network is given. A slice of it takes images and their boxes along."""

    images: Float[Tensor, "batch 3 height width"]
    boxes: Float[Tensor, "batch rois 4"]

    def __getitem__(self, part: slice) -> Windows:
        return Windows(self.images[part], self.boxes[part])


class FastRCNNNetwork(RegionNetwork):
    """The first stage is run once an image; RoI pooling; the second stage for each window, and both heads. Fig. 1.

    side: cells of a window after pooling, along each axis. A window is the square around a box (square_crops.py), for
    such squares are what the stages know.
    """

    def __init__(self, classes: int, side: int = 4, width: int = 16) -> None:
        super().__init__(classes, width)
        self.side = side
        self.offsets = nn.Linear(self.score.in_features * ((side + 1) // 2) ** 2, 4 * classes)

    @property
    def trunk(self) -> nn.Module:
        """What is run once an image."""
        return self.stages[0]

    def windows(
        self, maps: Float[Tensor, "batch channels rows columns"], boxes: Sequence[Tensor]
    ) -> tuple[Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]]:
        """For every window of the maps: scores before the softmax, background first; each class's offsets."""
        around = [squares(own) for own in boxes]
        seen = self.stages[1](roi_pool(maps, around, (self.side, self.side), 1 / STRIDE))
        return self.score(seen.mean(dim=(2, 3))), self.offsets(seen.flatten(1)).unflatten(1, (self.classes, 4))

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
    total, windows = multi_task_sum(outputs, labels, offsets, weight)
    return total / windows.clamp(min=1)


def multi_task_sum(
    outputs: tuple[Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]],
    labels: Int64[Tensor, "*shape"],
    offsets: Float[Tensor, "*shape 4"],
    weight: float = 1.0,
) -> tuple[Float[Tensor, ""], Int64[Tensor, ""]]:
    """The same as common.train takes it: a sum over windows, and how many they are."""
    scores, said = outputs
    labels, offsets = labels.flatten(), offsets.flatten(0, -2)
    objects = (labels > 0).nonzero()[:, 0]
    misses = said[objects, labels[objects] - 1].float() - offsets[objects]
    classified = nn.functional.cross_entropy(scores.float(), labels, ignore_index=IGNORED, reduction="sum")
    return classified + weight * smooth_l1(misses).sum(), (labels != IGNORED).sum()


@dataclass
class RoiBatches:
    """Images and labelled proposals in memory, as common.train.Batches: the same number of windows per image. §2.3."""

    images: Pictures
    proposals: LabelledProposals
    pixels: Pixels
    rois: int = 32
    share: float = 0.25

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
        labels = self.proposals.labels()[chosen]
        labels[[own is None for own in drawn]] = IGNORED
        turned, width = torch.rand(len(images), generator=generator) < 0.5, images.shape[3]
        images = torch.where(turned[:, None, None, None], images.flip(3), images)
        boxes, truths = (torch.where(turned[:, None, None], mirrored(b, width), b) for b in (boxes, truths))
        return Windows(in_other_light(images, generator), boxes), labels, encode(truths, boxes)

    def drawn(self, own: Int64[Tensor, "n"], generator: torch.Generator) -> Int64[Tensor, "rois"]:
        """An image's windows for a mini-batch, of the numbers of all of its own."""
        known = self.proposals.overlap[own] >= FOREGROUND
        return draw(own[known], own[~known], self.rois, self.share, generator)


@dataclass
class FastRCNN:
    """A detector with fit and predict. proposals: of images. training: its loss is multi_task_sum.

    trunk: what the network starts from. searched: of how many images proposals are learned from. rois:
    windows of an image in a mini-batch. least: score from which on a box is a detection. suppression: IoU above which a
    surer box clears another of its class away. keep: detections of an image, at most.
    """

    proposals: Callable[[Pictures], list[Tensor]]
    training: Training
    classes: int
    trunk: Trunk | None = None
    searched: int | None = None
    rois: int = 32
    least: float = 0.01
    suppression: float = 0.3
    keep: int = 100
    seed: int = 0

    def fit(self, images: Given, targets: Sequence[Target]) -> FastRCNN:
        """Learn from images of one size and what is in them. Raises Problem where there is no box to learn from.

        Raises as to_learn_from for pictures and targets that cannot be.
        """
        targets = to_learn_from(images, targets)
        self.pixels_ = Pixels.of(images[:: max(1, len(images) // 500)])
        some = spaced(len(images), self.searched)
        labelled = LabelledProposals.of(self.proposals(images[some]), targets[some])
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = FastRCNNNetwork(self.classes)
        if self.trunk:
            self.network_.start_from(self.trunk(images, targets))
        data = RoiBatches(images[some], labelled, self.pixels_, self.rois)
        self.history_: History = self.training(self.network_, data, self.seed)
        return self

    def predict(self, images: Given) -> list[Target]:
        """The objects of each image, highest score first. Raises Problem for pictures of the wrong kind."""
        size = colour_pictures(images).shape[1:3]
        return [self.detections(*said, size) for said in self.said(images, self.proposals(images))]

    def said(
        self, images: Pictures, proposals: Sequence[Tensor], chunk: int = 5
    ) -> Iterator[tuple[Boxes, Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]]]:
        """Of each image its proposals, their probabilities, background first, and every class's offsets."""
        device, network = next(self.network_.parameters()).device, self.network_.eval()
        for start in range(0, len(images), chunk):
            own = proposals[start : start + chunk]
            inputs = self.pixels_(images[start : start + chunk]).to(device, memory_format=torch.channels_last)
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device)):
                scores, offsets = network.windows(network.trunk(inputs), own)
            parts = scores.float().softmax(dim=1).cpu(), offsets.float().cpu()
            counts = [len(boxes) for boxes in own]
            yield from zip(own, *(part.split(counts) for part in parts), strict=True)

    def detections(
        self,
        boxes: Boxes,
        scores: Float[Tensor, "n scores"],
        offsets: Float[Tensor, "n classes 4"],
        size: tuple[int, int],
        regress: bool = True,
    ) -> Target:
        """An image's proposals, moved as their class says (or not), and thinned out class by class. §3.1."""
        moved = clip(decode(offsets, boxes[:, None]), *size) if regress else boxes
        settings = {"least": self.least, "suppression": self.suppression, "keep": self.keep}
        return thinned_out(moved, scores[:, 1:], **settings)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's, for common.model_size."""
        return self.network_.parameters()


def training_of(run: Run, epochs: int, images: int) -> Training:
    """How it learns, from so many images at a time."""
    return Training(
        epochs, 0.005, images, Muon, hidden_filters, multi_task_sum, device=run.device,
        checkpoint=run.checkpoint("fast_rcnn"), say=run.say_step,
    )  # fmt: skip


def scenes_fast_rcnn(run: Run) -> FastRCNN:
    """The detector of the scenes, not yet fitted; settings were chosen on validation scenes."""
    return FastRCNN(
        shared_proposals(run),
        training_of(run, run.pick(smoke=1, lecture=4, full=12), 4),
        len(scenes(run.scale).classes),
        scenes_trunk(run),
        searched=run.pick(smoke=6, lecture=1000, full=4000),
        seed=run.seed,
    )


def pedestrians_fast_rcnn(run: Run) -> HalfSize:
    """The detector of pedestrians, of frames at half size: one class, so that there is nothing to name first."""
    training, proposals = training_of(run, run.pick(smoke=1, lecture=3), 2), shared_proposals(run, PEOPLE, most=300)
    searched = run.pick(smoke=4, lecture=60, full=None)
    return HalfSize(FastRCNN(proposals, training, 1, searched=searched, rois=64, seed=run.seed))

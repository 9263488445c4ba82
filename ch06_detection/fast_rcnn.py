"""Fast R-CNN: one feature map per image serves all proposals; classes and boxes are learned with one loss.

Question   R-CNN runs its network on every proposal, and trains in three stages. What happens to accuracy and speed
           with one feature map per image and a single training?
Method     Girshick 2015. RoIs pooled from one map (§2.1); two sibling heads and a multi-task loss, Eq. (1)–(3);
           mini-batches of few images with 64 RoIs each, a quarter of them objects (§2.3); §3.1 for detection.
Rival      R-CNN of the lesson before, with the same trunk and the same proposals.
Differs    RoI Align (He et al. 2017) in place of RoI max pooling (roi_pooling.py): a small object covers few cells of
           the map, so that rounding its RoI to cells would move its edges far. A small trunk, BatchNorm and Muon. Eight
           images per mini-batch, not two, enlarged by half; the paper enlarges to 600 pixels. Background RoIs may lie
           anywhere, not only near objects. An RoI includes some context, like R-CNN's crops.
Costs      70 s on two cores, and R-CNN if it is not trained yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ch06_detection.augmentation.box_crops import change_light, mirror_boxes
from ch06_detection.boxes import Boxes, clip, decode, encode
from ch06_detection.drawings.fast_rcnn import SURE, draw_detections, draw_loss
from ch06_detection.geometry.detections import select_detections
from ch06_detection.proposals.labelled import FOREGROUND, LabelledProposals, evenly_spaced, sample_balanced
from ch06_detection.proposals.search import ProposalDetector, shared_proposals
from ch06_detection.rcnn import RegionNetwork, build_scenes_rcnn
from ch06_detection.scoring.judging import METRIC, STRICT, account, examine, learn
from ch06_detection.scoring.protocol import training_scenes
from ch06_detection.single_shot.several_looks import resize
from ch06_detection.trunk.building import measure_pixels
from ch06_detection.trunk.crops import Pictures, Side, with_context
from ch06_detection.trunk.layers import STRIDE
from ch06_detection.trunk.pretraining import Trunk, shared_trunk
from common.data.boxed import Target
from common.data.checked_inputs import Given, colour_pictures, to_learn_from
from common.data.scenes import scenes
from common.image_classifier import Pixels
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.muon import Muon, hidden_filters
from common.run import Run
from common.seeding import build_seeded
from common.train import History, Training, half_pays

SAMPLES = 2  # interpolation points per bin along each axis
IGNORED = -1  # the label of padding in a mini-batch


@dataclass(frozen=True)
class ImagesWithRois:
    """Images and some RoIs in each, the network's input. A slice selects images with their boxes."""

    images: Float[Tensor, "batch 3 height width"]
    boxes: Float[Tensor, "batch rois 4"]

    def __getitem__(self, part: slice) -> ImagesWithRois:
        return ImagesWithRois(self.images[part], self.boxes[part])


def bin_weights(
    low: Float[Tensor, "batch rois"], high: Float[Tensor, "batch rois"], bins: int, cells: int
) -> Float[Tensor, "batch rois bins cells"]:
    """The weight of each cell's value in each bin along one axis: the mean over SAMPLES interpolation points.

    low, high: an RoI's ends, in cells. A point at the distance d < 1 from a cell's centre has the weight 1 − d of its
    value; beyond the outermost centres, 1 of the outermost cell's, and from half a cell beyond the map on, 0.
    """
    share = (torch.arange(bins * SAMPLES, device=low.device) + 0.5) / (bins * SAMPLES)
    points = torch.lerp(low[..., None], high[..., None], share) - 0.5  # the first cell's centre is 0
    inside = (points >= -1) & (points <= cells)
    distance = points.clamp(0, cells - 1)[..., None] - torch.arange(cells, device=low.device)
    weights = (1 - distance.abs()).clamp(min=0) * inside[..., None]
    return weights.unflatten(2, (bins, SAMPLES)).mean(dim=3)


def roi_align(
    maps: Float[Tensor, "batch channels height width"], boxes: Float[Tensor, "batch rois 4"], side: Side, scale: float
) -> Float[Tensor, "n channels rows columns"]:
    """RoI features of one size, image by image, without rounding, by interpolating the map. He et al. 2017, §3.

    With the weights of bin_weights, r_ij = Σ_y Σ_x down_iy map_yx across_jx. boxes: in pixels. scale: cells per pixel.
    """
    x1, y1, x2, y2 = (scale * boxes).unbind(dim=2)
    down, across = bin_weights(y1, y2, side[0], maps.shape[2]), bin_weights(x1, x2, side[1], maps.shape[3])
    return torch.einsum("nriy,ncyx,nrjx->nrcij", down, maps, across).flatten(0, 1)


class FastRCNNNetwork(RegionNetwork):
    """The first stage once per image; RoI Align; the second stage and both heads for each RoI. Fig. 1.

    side: rows and columns of an RoI's features. enlarge: factor by which images are enlarged first (§3.1: s = 600
    pixels), so that cells of the map are small relative to objects. classes: without background. width: the trunk's.
    """

    def __init__(self, classes: int, side: Side = (4, 4), enlarge: float = 1.5, width: int = 16) -> None:
        super().__init__(classes, width)
        self.side, self.enlarge = side, enlarge
        cells = (side[0] + 1) // 2 * ((side[1] + 1) // 2)  # of the second stage's map, whose stride is 2
        self.offsets = nn.Linear(self.score.in_features * cells, 4 * classes)

    def trunk(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """The feature map, which is computed once per image."""
        return self.stages[0](resize(images, self.enlarge))

    def heads(
        self, maps: Float[Tensor, "batch channels rows columns"], boxes: Float[Tensor, "batch rois 4"]
    ) -> tuple[Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]]:
        """For every RoI: the logits, background first; and the offsets of each class. §2.1."""
        features = self.stages[1](roi_align(maps, with_context(boxes), self.side, self.enlarge / STRIDE))
        offsets = self.offsets(features.flatten(1)).unflatten(1, (self.classes, 4))
        return self.score(features.mean(dim=(2, 3))), offsets

    def forward(self, inputs: ImagesWithRois) -> tuple[Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]]:
        device = next(self.parameters()).device
        return self.heads(self.trunk(inputs.images.to(device)), inputs.boxes.to(device))


def smooth_l1(x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The smooth L1 loss: x² / 2 near zero, |x| − 1/2 from 1 on. Eq. (3)."""
    size = x.abs()
    return torch.where(size < 1, size**2 / 2, size - 0.5)


def multi_task_loss(
    outputs: tuple[Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]],
    labels: Int64[Tensor, "*shape"],
    offsets: Float[Tensor, "*shape 4"],
    weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Eq. (1)–(2): −log p of the label, and for objects, smooth L1 of their class's offsets; a mean over RoIs."""
    total, rois = multi_task_sum(outputs, labels, offsets, weight)
    return total / rois.clamp(min=1)


def multi_task_sum(
    outputs: tuple[Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]],
    labels: Int64[Tensor, "*shape"],
    offsets: Float[Tensor, "*shape 4"],
    weight: float = 1.0,
) -> tuple[Float[Tensor, ""], Int64[Tensor, ""]]:
    """The same loss for common.train: the sum over RoIs, and their number."""
    logits, predicted = outputs
    labels, offsets = labels.flatten(), offsets.flatten(0, -2)
    objects = (labels > 0).nonzero()[:, 0]
    misses = predicted[objects, labels[objects] - 1].float() - offsets[objects]
    classified = nn.functional.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
    return classified + weight * smooth_l1(misses).sum(), (labels != IGNORED).sum()


@dataclass
class RoiBatches:
    """Images and labelled proposals in memory, as common.train.Batches: the same number of RoIs per image. §2.3."""

    images: Pictures
    proposals: LabelledProposals
    pixels: Pixels
    rois: int = 64
    share: float = 0.25

    def __post_init__(self) -> None:
        counts = torch.bincount(self.proposals.image, minlength=len(self.images)).tolist()
        self.of_image = torch.arange(len(self.proposals)).split(counts)

    def __len__(self) -> int:
        return len(self.images)

    def batch(
        self, index: Int64[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[ImagesWithRois, Int64[Tensor, "batch rois"], Float[Tensor, "batch rois 4"]]:
        images = self.pixels(self.images[index.numpy()])
        rows = [self.of_image[item] for item in index.tolist()]
        drawn = [self.sample(own, generator) if len(own) else None for own in rows]
        chosen = torch.stack([torch.zeros(self.rois, dtype=torch.long) if own is None else own for own in drawn])
        boxes, truths = self.proposals.boxes[chosen], self.proposals.truth[chosen]
        labels = self.proposals.label[chosen] * (self.proposals.overlap[chosen] >= FOREGROUND)
        labels[[own is None for own in drawn]] = IGNORED
        turned, width = torch.rand(len(images), generator=generator) < 0.5, images.shape[3]
        images = torch.where(turned[:, None, None, None], images.flip(3), images)
        boxes, truths = (torch.where(turned[:, None, None], mirror_boxes(b, width), b) for b in (boxes, truths))
        return ImagesWithRois(change_light(images, generator), boxes), labels, encode(truths, boxes)

    def sample(self, own: Int64[Tensor, "n"], generator: torch.Generator) -> Int64[Tensor, "rois"]:
        """Sample an image's RoIs for a mini-batch from its proposals: objects and background."""
        known = self.proposals.overlap[own] >= FOREGROUND
        return sample_balanced(own[known], own[~known], self.rois, self.share, generator)


@dataclass
class FastRCNN(ProposalDetector):
    """A detector with fit and predict. proposals: of images. training: its loss is multi_task_sum.

    trunk: the initial weights. searched: the number of images whose proposals are used in training; None: all. rois:
    per image in a mini-batch. side, enlarge: see FastRCNNNetwork. least, suppression, keep: see select_detections.
    """

    proposals: Callable[[Pictures], list[Tensor]]
    training: Training
    classes: int
    trunk: Trunk | None = None
    searched: int | None = None
    rois: int = 64
    side: Side = (4, 4)
    enlarge: float = 1.5
    least: float = 0.01
    suppression: float = 0.3
    keep: int = 100
    seed: int = 0

    def fit(self, images: Given, targets: Sequence[Target]) -> FastRCNN:
        """Train on images of one size. Raises Problem if there is no box in them, and what `to_learn_from` raises."""
        targets = to_learn_from(images, targets)
        self.pixels_ = measure_pixels(images)
        some = evenly_spaced(len(images), self.searched)
        labelled = LabelledProposals.of(self.proposals(images[some]), targets[some])
        self.network_ = build_seeded(lambda: FastRCNNNetwork(self.classes, self.side, self.enlarge), self.seed)
        if self.trunk:
            self.network_.start_from(self.trunk(images, targets))
        data = RoiBatches(images[some], labelled, self.pixels_, self.rois)
        self.history_: History = self.training(self.network_, data, self.seed)
        return self

    def predict(self, images: Given) -> list[Target]:
        """The objects of each image, highest score first. Raises Problem for pictures of the wrong kind."""
        size = colour_pictures(images).shape[1:3]
        return [self.detect(*predicted, size) for predicted in self.predict_proposals(images, self.proposals(images))]

    def predict_proposals(
        self, images: Pictures, proposals: Sequence[Tensor], chunk: int = 5
    ) -> Iterator[tuple[Boxes, Float[Tensor, "n scores"], Float[Tensor, "n classes 4"]]]:
        """For each image: its proposals, their probabilities, background first, and the offsets of each class."""
        device, network = next(self.network_.parameters()).device, self.network_.eval()
        for start in range(0, len(images), chunk):
            own = proposals[start : start + chunk]
            inputs = self.pixels_(images[start : start + chunk]).to(device, memory_format=torch.channels_last)
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device)):
                maps = network.trunk(inputs).split(1)
                outputs = [network.heads(*one) for one in zip(maps, (b[None].to(device) for b in own), strict=True)]
            for boxes, (logits, offsets) in zip(own, outputs, strict=True):
                yield boxes, logits.float().softmax(dim=1).cpu(), offsets.float().cpu()

    def detect(
        self,
        boxes: Boxes,
        scores: Float[Tensor, "n scores"],
        offsets: Float[Tensor, "n classes 4"],
        size: tuple[int, int],
        regress: bool = True,
    ) -> Target:
        """Move an image's proposals by the offsets of each class, if regress, and suppress duplicates. §3.1."""
        moved = clip(decode(offsets, boxes[:, None]), *size) if regress else boxes
        return select_detections(moved, scores[:, 1:], least=self.least, suppression=self.suppression, keep=self.keep)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's weights, which common.model_size counts."""
        return self.network_.parameters()


def build_training(run: Run, epochs: int, images: int) -> Training:
    """The detector's training, with mini-batches of this number of images."""
    return Training(
        epochs, 0.005, images, Muon, hidden_filters, multi_task_sum, device=run.device,
        checkpoint=run.checkpoint("fast_rcnn"), say=run.say_step,
    )  # fmt: skip


def build_scenes_fast_rcnn(run: Run) -> FastRCNN:
    """The unfitted detector for scenes; its settings were chosen on validation scenes."""
    return FastRCNN(
        shared_proposals(run),
        build_training(run, run.pick(smoke=1, lecture=2, full=6), 8),
        len(scenes(run.scale).classes),
        shared_trunk(run),
        seed=run.seed,
    )


def lesson(run: Run) -> None:
    train, test, proposals = training_scenes(run.scale), scenes(run.scale).test, shared_proposals(run)
    run.say_step("selective search")
    proposals(train.images)
    each = run.fact("milliseconds a scene, proposals", 1000 * proposals.seconds(test.images) / len(test), "ms")

    found, taken = {}, {}
    for name, build in (("R-CNN", build_scenes_rcnn), ("Fast R-CNN", build_scenes_fast_rcnn)):
        with run.method(name, kind="deep") as method:
            detector, judged = examine(method, f"{name}, scenes", lambda build=build: build(run), train, test)
            found[name] = judged.detections
            taken[name] = 1000 * method.predict_seconds / len(test) - each
    with run.method("Fast R-CNN, boxes as proposed", kind="deep") as method:
        learn(method, "Fast R-CNN, scenes", lambda: build_scenes_fast_rcnn(run), train)
        predicted = detector.predict_proposals(test.images, proposals(test.images))
        plain = [detector.detect(*one, test.images.shape[1:3], regress=False) for one in predicted]
        account(method, Evaluation(plain, test.targets, len(test.classes), COCO_THRESHOLDS), test)
    for metric in (METRIC, STRICT):
        run.compare("Fast R-CNN", "R-CNN", metric)
        run.compare("Fast R-CNN", "Fast R-CNN, boxes as proposed", metric)
    run.floor("Fast R-CNN", METRIC, at_least=69.0)

    for name, milliseconds in taken.items():
        run.fact(f"milliseconds a scene, {name} without proposals", milliseconds, "ms")
    bare = run.fact("R-CNN over Fast R-CNN, without proposals", taken["R-CNN"] / taken["Fast R-CNN"], "times")
    whole = (taken["R-CNN"] + each) / (taken["Fast R-CNN"] + each)
    run.fact("R-CNN over Fast R-CNN, with proposals", whole, "times")
    run.figure(
        "loss", draw_loss, smooth_l1, np.array(detector.history_.losses),
        caption="Smooth L1 is quadratic near zero, so gradients vanish smoothly, and linear beyond 1, so outliers "
        "cannot dominate. Left: the losses; middle: their slopes; right: the multi-task loss by training step.",
    )  # fmt: skip
    run.figure(
        "found", draw_detections, test, found, list(range(6)),
        caption=f"Test scenes. Green: the objects; red: detections with a score of at least {SURE}.",
    )  # fmt: skip
    run.note(
        f"Without proposals, Fast R-CNN takes {taken['Fast R-CNN']:.1f} ms a scene and R-CNN {taken['R-CNN']:.0f} ms, "
        f"{bare:.0f} times as long. Both need {each:.0f} ms for proposals; with these, the ratio is {whole:.1f}."
    )

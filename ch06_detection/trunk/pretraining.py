"""Pretraining: before detection, a network is trained to classify the objects in the training boxes.

Method     Transfer, as in Girshick et al. 2014 (R-CNN), §2.3, Girshick 2015, §2.2, and Liu et al. 2016 (SSD), §3: all
           three start from one network that was trained to classify.
Differs    The papers' network was trained on ImageNet. Here there are only the training scenes. The weights of the
           classes are kept for detection, too; the papers reinitialise them.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor, nn

from ch06_detection.augmentation.box_crops import change_light
from ch06_detection.trunk.building import measure_pixels
from ch06_detection.trunk.crops import Crops, Pictures, cut_from
from ch06_detection.trunk.layers import small_trunk, stage_channels
from common.augment import Crops as Shifts
from common.data.boxed import Target
from common.data.checked_inputs import Given, to_learn_from
from common.data.scenes import scenes
from common.detector import Detector
from common.image_classifier import LabelledImages, Pixels, outputs
from common.muon import Muon, hidden_filters
from common.run import Run
from common.seeding import build_seeded
from common.train import History, Training

SIDE = (32, 32)  # rows and columns of an object's crop; an article of Fashion-MNIST has 28
SHIFT = 2  # pixels


class PretrainedTrunk(NamedTuple):
    """The parts of a classifier of objects: two stages, and the layer that computes class scores from their mean."""

    stages: nn.Sequential
    score: nn.Linear


Trunk = Callable[[Pictures, Sequence[Target]], PretrainedTrunk]


def cut_out_objects(
    images: Pictures, targets: Sequence[Target], pixels: Pixels
) -> tuple[Crops, Int[Tensor, "objects"]]:
    """Crop every object of the images, warped to SIDE; and its class, from 0."""
    labels = torch.cat([target["labels"] for target in targets]) - 1
    return cut_from(images, [target["boxes"] for target in targets], pixels, SIDE), labels


def augment_crops(crops: Crops, generator: torch.Generator, shift: int = SHIFT) -> Crops:
    """Shift crops by at most `shift` pixels, mirror half of them, and change their light."""
    return change_light(Shifts(shift)(crops, generator), generator)


@dataclass
class TrunkPretraining:
    """The initial trunk of detectors, which is trained once, on the images of the first call.

    width: of the trunk. seconds_: of its training.
    """

    training: Training
    classes: int
    width: int = 16
    seed: int = 0
    seconds_: float = field(default=0.0, init=False)
    history_: History | None = field(default=None, init=False, repr=False)
    known_: tuple | None = field(default=None, init=False, repr=False)

    def __call__(self, images: Given, targets: Sequence[Target]) -> PretrainedTrunk:
        """The trunk trained to classify the objects of these images; untrained if there are fewer than two.

        Raises ValueError for other images than the first time: a trunk trained on more than its detector would be
        unfair.
        """
        targets = to_learn_from(images, targets)
        asked = len(images), zlib.crc32(images[0]), zlib.crc32(images[-1]), images.shape
        if self.known_ is None:
            start = time.perf_counter()
            self.known_, self.trunk_ = asked, self.train(images, targets)
            self.seconds_ = time.perf_counter() - start
        elif self.known_ != asked:
            raise ValueError("this trunk was trained on other images")
        return self.trunk_

    def train(self, images: Pictures, targets: Sequence[Target]) -> PretrainedTrunk:
        """Train the trunk on the objects."""
        new = build_seeded(self.build, self.seed)
        self.pixels_ = measure_pixels(images)
        crops, labels = cut_out_objects(images, targets, self.pixels_)
        if len(labels) >= 2:
            data = LabelledImages(crops, labels, augment_crops)
            self.history_ = self.training(as_classifier(new), data, self.seed)
        return new

    def build(self) -> PretrainedTrunk:
        """Build the parts with random weights."""
        stages = nn.Sequential(*small_trunk(self.width)[:2])
        return PretrainedTrunk(stages, nn.Linear(stage_channels(stages), self.classes))

    def accuracy(self, images: Given, targets: Sequence[Target]) -> float:
        """The share of these images' objects that are classified correctly, given the true boxes."""
        crops, labels = cut_out_objects(images, to_learn_from(images, targets), self.pixels_)
        return float((outputs(as_classifier(self.trunk_), crops).argmax(dim=1) == labels).float().mean())


class PretrainedDetector(Detector):
    """A detector that starts from a trunk, or from random weights."""

    trunk: TrunkPretraining | None

    def seconds_before(self, images: Given) -> float:
        """The seconds of its trunk."""
        return self.trunk.seconds_ if self.trunk else 0.0


def as_classifier(trunk: PretrainedTrunk) -> nn.Sequential:
    """The parts as one network, from crops to class scores."""
    return nn.Sequential(*trunk.stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), trunk.score)


def copy_weights(source: nn.Module, network: nn.Module) -> None:
    """Copy weights into the first layers of a network: the same layers in the same order, however they are grouped."""
    own, given = network.state_dict(), source.state_dict()
    network.load_state_dict(own | dict(zip(own, given.values(), strict=False)))


def copy_class_rows(score: nn.Linear, known: nn.Linear) -> None:
    """Copy the classes' rows into a layer that also has a background row, which is newly initialised."""
    with torch.no_grad():
        for rows, given in ((score.weight, known.weight), (score.bias, known.bias)):
            rows[1:] = given
            rows[0] = given.mean(dim=0)


def shared_trunk(run: Run) -> TrunkPretraining:
    """The initial trunk of all scene detectors of a run, for each seed; the first one to call it trains it."""
    epochs = run.pick(smoke=1, lecture=3, full=10)
    training = Training(
        epochs, 0.01, 64, Muon, hidden_filters, warm_up=0.15, device=run.device, say=run.say_step,
    )  # fmt: skip
    new = TrunkPretraining(training, len(scenes(run.scale).classes), seed=run.seed)
    return run.shared.setdefault(("pretrained trunk", run.seed), (new, 0.0))[0]

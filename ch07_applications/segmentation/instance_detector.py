"""A network that detects instances, with fit and predict: the steps around Mask R-CNN's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torchvision.ops import batched_nms

from ch07_applications.segmentation.crop_classifier import CropClassifier
from ch07_applications.segmentation.instance_batches import SceneBatches
from ch07_applications.segmentation.region_proposals import NARROWEST
from common.data.boxed import Masks, Target
from common.data.checked_inputs import colour_pictures, to_learn_from
from common.errors import Problem
from common.image_classifier import Pixels
from common.train import History, Training, half_pays

CHUNK = 16  # images predicted together


@dataclass(frozen=True)
class Detection:
    """Which boxes become detections. proposals: per image. least: the lowest score. suppression: IoU above which a
    detection removes others of its class with lower scores. keep: the most per image.
    """

    proposals: int = 80
    least: float = 0.02
    suppression: float = 0.45
    keep: int = 30

    def choose(self, boxes: Float[Tensor, "rois classes 4"], scores: Float[Tensor, "rois classes"]) -> Target:
        """The boxes of one image with the highest scores. Girshick 2015, §3.1."""
        wide = (boxes[..., 2:] - boxes[..., :2] >= NARROWEST).all(dim=2)
        roi, label = ((scores > self.least) & wide).nonzero(as_tuple=True)
        own, score = boxes[roi, label], scores[roi, label]
        stays = batched_nms(own, score, label, self.suppression)[: self.keep]
        return {"boxes": own[stays], "labels": label[stays] + 1, "scores": score[stays]}


@dataclass
class InstanceDetector:
    """build: makes the network, which has `detect`, and `class_scores` of object crops. masks: of the training images.

    training: settings for the whole network. crops: settings by which its layers are first trained to classify objects
    of `side` pixels; None: without that step. settings: of `detect`. crowded: the minimum number of objects per
    training scene, because scenes with more objects give more training examples in the same time.
    """

    build: Callable[[], nn.Module]
    masks: Masks
    training: Training
    crops: Training | None
    settings: Detection
    side: int = 48
    crowded: int = 3
    seed: int = 0

    def fit(self, images: Shaped[np.ndarray, "..."], targets: Sequence[Target]) -> InstanceDetector:
        """Train on images of one size with their objects. Raises Problem without masks, and as `to_learn_from`."""
        targets = to_learn_from(images, targets)
        if len(self.masks) != len(images):
            raise Problem(f"Mask R-CNN is trained on images with masks: {len(images)} images have {len(self.masks)}")
        self.pixels_ = Pixels.of(images[:: max(1, len(images) // 500)])
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = self.build()
        crowded = np.flatnonzero([len(target["labels"]) >= self.crowded for target in targets])
        items = crowded if len(crowded) else np.arange(len(images))
        batches = SceneBatches(images, targets, self.masks, items, self.pixels_)
        if self.crops and any(len(targets[item]["labels"]) for item in items):
            self.crops(CropClassifier(self.network_, self.network_.class_scores, self.side), batches, self.seed)
        self.history_: History = self.training(self.network_, batches, self.seed)
        return self

    def predict(self, images: Shaped[np.ndarray, "..."]) -> list[Target]:
        """Boxes, labels, scores and full-size masks of the objects of each image, by descending score.

        Raises Problem for pictures of the wrong kind.
        """
        device, found = next(self.network_.parameters()).device, []
        self.network_.eval()
        for start in range(0, len(colour_pictures(images)), CHUNK):
            inputs = self.pixels_(images[start : start + CHUNK]).to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device)):
                found += self.network_.detect(inputs, self.settings)
        return [{key: value.cpu() for key, value in own.items()} for own in found]

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's weights, which common.model_size counts."""
        return self.network_.parameters()

"""A single-shot detector that is fitted to images and boxes, and finds objects in others.

Method     Liu et al. 2016 (SSD), §2.2 for training; at the end, boxes whose score for a class exceeds a threshold
           go through non-maximum suppression at IoU 0.45; the 200 (here 100) highest-scoring of an image are kept.
Differs    The paper starts from a VGG-16 that has learned to classify ImageNet's photos; here a small trunk may start
           from what it has learned of the objects that its own training boxes cut out (naming.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ch06_detection.box_crops import BoxCrops, in_other_light
from ch06_detection.boxes import Boxes, clip, decode
from ch06_detection.default_boxes import boxes_of_shapes
from ch06_detection.multibox import NEGATIVES, match_batch, multibox_sums
from ch06_detection.naming import Trunk, start_from
from ch06_detection.ssd_network import SSD
from ch06_detection.thinning import thinned_out
from common.data.boxed import Target
from common.data.checked_inputs import Given, colour_pictures, to_learn_from
from common.image_classifier import Pixels, in_chunks
from common.train import History, Training

Pictures = UInt8[np.ndarray, "n height width 3"]
PIXELS = 1 << 17  # of images that are looked at together: what a processor can keep near at hand


@dataclass
class BoxedBatches:
    """Images and objects in memory, as common.train.Batches: a batch is augmented, and matched with default boxes.

    items: the numbers of the images that are learned from.
    """

    images: Pictures
    targets: Sequence[Target]
    items: Int[np.ndarray, "n"]
    pixels: Pixels
    defaults: Boxes
    augment: Callable | None = None
    light: bool = False

    def __len__(self) -> int:
        return len(self.items)

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch 3 height width"], Int[Tensor, "batch n"], Float[Tensor, "batch n 4"]]:
        items = self.items[index.numpy()]
        images, targets = self.pixels(self.images[items]), [self.targets[item] for item in items]
        if self.augment:
            images, targets = self.augment(images, targets, generator)
        if self.light:
            images = in_other_light(images, generator)
        labels, offsets = match_batch(targets, self.defaults)
        return images.contiguous(memory_format=torch.channels_last), labels, offsets


def detection_loss(
    outputs: tuple[Tensor, Tensor],
    labels: Int[Tensor, "batch n"],
    offsets: Float[Tensor, "batch n 4"],
    negatives: float = NEGATIVES,
) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
    """The multibox loss of a network's outputs, as common.train takes it: the sum of Eq. (1), and N."""
    location, confidence, n = multibox_sums(*outputs, offsets, labels, negatives)
    return confidence + location, n


@dataclass
class SSDDetector:
    """A network that is built when it sees its data, with fit and predict.

    build: makes the network for so many classes. training: how it learns; its loss is the multibox loss. shapes: width
    and height of the default boxes of a cell, for each map. trunk: what the network starts from. augment, light: see
    BoxedBatches. mirrored: it answers from an image and its mirror image together. scales: at which it looks at an
    image, one after the other. crowded: objects of an image that it learns from, at least: what has many teaches more
    in the same time. least, suppression, keep: see chosen.
    """

    build: Callable[[int], SSD]
    training: Training
    shapes: Sequence[Float[Tensor, "boxes 2"]]
    classes: int
    trunk: Trunk | None = None
    augment: Callable | None = field(default_factory=BoxCrops)
    light: bool = True
    mirrored: bool = False
    scales: tuple[float, ...] = (1.0,)
    crowded: int = 0
    least: float = 0.01
    suppression: float = 0.45
    keep: int = 100
    seed: int = 0

    def fit(self, images: Given, targets: Sequence[Target]) -> SSDDetector:
        """Learn from images of one size and what is in them. Raises as to_learn_from."""
        targets = to_learn_from(images, targets)
        self.pixels_ = Pixels.of(images[:: max(1, len(images) // 500)])
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = self.build(self.classes).to(self.training.device)
        if self.trunk:
            start_from(self.trunk(images, targets).stages, self.network_.stages)
        size = getattr(self.augment, "size", images.shape[1:3])
        rich = np.flatnonzero([len(target["boxes"]) >= self.crowded for target in targets])
        items = rich if len(rich) else np.arange(len(images))
        data = BoxedBatches(images, targets, items, self.pixels_, self.defaults(size), self.augment, self.light)
        self.history_: History = self.training(self.network_, data, self.seed)
        return self

    def defaults(self, size: tuple[int, int]) -> Boxes:
        """The default boxes of an image (height, width)."""
        return boxes_of_shapes(size, self.network_.grids(size), self.shapes)

    def said(
        self, images: Pictures, scale: float = 1.0
    ) -> Iterator[tuple[Float[Tensor, "n 4"], Float[Tensor, "n classes"]]]:
        """Of each image all boxes, and the probabilities of background and the classes, before any is left out.

        scale: at which the network looks at the images; boxes are in the images' own pixels.
        """
        inputs = self.pixels_(images)
        if scale != 1:
            inputs = interpolate(inputs, scale_factor=scale, mode="bilinear", antialias=True, align_corners=False)
        size, whole = tuple(inputs.shape[2:]), images.shape[1:3]
        defaults, by = self.defaults(size), torch.tensor([whole[1] / size[1], whole[0] / size[0]]).repeat(2)
        chunk = max(1, PIXELS // math.prod(size))
        views = [
            in_chunks(self.network_, view, chunk) for view in ([inputs, inputs.flip(3)] if self.mirrored else [inputs])
        ]
        for outputs in zip(*views, strict=True):
            offsets, logits = (x.float().cpu() for x in outputs[0])
            if self.mirrored:
                offsets, logits = mean_with_mirrored(offsets, logits, *outputs[1], self.places(size))
            boxes = clip(by * decode(offsets, defaults), *whole)
            yield from zip(boxes, logits.softmax(dim=2), strict=True)

    def places(self, size: tuple[int, int]) -> Int[Tensor, "n"]:
        """Which default box lies, in the mirrored image, where each one lies in the image."""
        places, start = [], 0
        for (rows, columns), shape in zip(self.network_.grids(size), self.shapes, strict=True):
            number = rows * columns * len(shape)
            places.append((start + torch.arange(number)).reshape(rows, columns, -1).flip(1).flatten())
            start += number
        return torch.cat(places)

    def predict(self, images: Given) -> list[Target]:
        """The detections of each image, the highest score first, from the predictions at all scales together."""
        if not len(colour_pictures(images)):
            return []
        looks = zip(*(self.said(images, scale) for scale in self.scales), strict=True)
        return [self.chosen(*(torch.cat(part) for part in zip(*look, strict=True))) for look in looks]

    def chosen(self, boxes: Float[Tensor, "n 4"], scores: Float[Tensor, "n classes"]) -> Target:
        """An image's boxes with a score above `least`, after suppression class by class; at most `keep`."""
        settings = {"least": self.least, "suppression": self.suppression, "keep": self.keep}
        return thinned_out(boxes, scores[:, 1:], **settings)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's, for common.model_size."""
        return self.network_.parameters()


def mean_with_mirrored(
    offsets: Float[Tensor, "batch n 4"],
    logits: Float[Tensor, "batch n classes"],
    mirrored_offsets: Float[Tensor, "batch n 4"],
    mirrored_logits: Float[Tensor, "batch n classes"],
    places: Int[Tensor, "n"],
) -> tuple[Float[Tensor, "batch n 4"], Float[Tensor, "batch n classes"]]:
    """The mean of a network's predictions for an image and, mirrored back, for its mirror image."""
    back = mirrored_offsets.float().cpu()[:, places] * torch.tensor([-1.0, 1, 1, 1])
    return (offsets + back) / 2, (logits + mirrored_logits.float().cpu()[:, places]) / 2

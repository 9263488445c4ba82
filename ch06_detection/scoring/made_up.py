"""Made-up detections: true objects plus errors at chosen rates, to test what a metric is sensitive to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from ch06_detection.boxes import clip, iou_of_pairs
from common.data.boxed import Target


@dataclass(frozen=True)
class MadeUp:
    """The error rates of a made-up detector.

    found: the probability of finding an object. spread: the standard deviation of a box's edges, relative to the
    object's width and height. copies: the mean number of duplicates per found object. confused: the probability of
    another object's label. nothing: the mean number of false boxes per image on background. logit_gain: the increase of
    a score's logit for a perfect box; noise of standard deviation 1 is added to it.
    """

    found: float = 0.8
    spread: float = 0.05
    copies: float = 0.3
    confused: float = 0.1
    nothing: float = 2.0
    logit_gain: float = 3.0

    def __call__(
        self, targets: Sequence[Target], classes: int, side: int, rng: np.random.Generator
    ) -> tuple[Target, ...]:
        """Make detections of these objects, in square images of that side."""
        boxes = torch.cat([target["boxes"] for target in targets]).numpy().astype(float)
        labels = torch.cat([target["labels"] for target in targets]).numpy()
        images = np.repeat(np.arange(len(targets)), [len(target["labels"]) for target in targets])
        times = (rng.random(len(labels)) < self.found) * (1 + rng.poisson(self.copies, len(labels)))
        which = np.repeat(np.arange(len(labels)), times)
        near = self.beside(boxes[which], rng)
        overlap = iou_of_pairs(torch.tensor(near), torch.tensor(boxes[which])).numpy()
        wrong = rng.random(len(which)) < self.confused
        predicted = np.where(
            wrong, (labels[which] - 1 + rng.integers(1, classes, len(which))) % classes + 1, labels[which]
        )
        noise = rng.normal(size=len(which))
        elsewhere = np.repeat(np.arange(len(targets)), rng.poisson(self.nothing, len(targets)))
        size = (boxes[:, 2:] - boxes[:, :2])[rng.integers(len(boxes), size=len(elsewhere))]
        corner = rng.uniform(0, np.maximum(1, side - size))
        empty = np.concatenate([corner, corner + size], axis=1)
        logits = np.concatenate([self.logit_gain * overlap * ~wrong + noise, rng.normal(size=len(empty))])
        return split_by_image(
            clip(torch.tensor(np.concatenate([near, empty])), side, side),
            np.concatenate([predicted, rng.integers(1, classes + 1, len(empty))]),
            1 / (1 + np.exp(-logits)),
            np.concatenate([images[which], elsewhere]),
            len(targets),
        )

    def beside(self, boxes: Float[np.ndarray, "n 4"], rng: np.random.Generator) -> Float[np.ndarray, "n 4"]:
        """Random boxes near these."""
        size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        moved = boxes + self.spread * size * rng.normal(size=boxes.shape)
        return np.concatenate([moved[:, :2], np.maximum(moved[:, 2:], moved[:, :2] + 1)], axis=1)


def split_by_image(
    boxes: Float[torch.Tensor, "n 4"],
    labels: Int[np.ndarray, "n"],
    scores: Float[np.ndarray, "n"],
    images: Int[np.ndarray, "n"],
    n_images: int,
) -> tuple[Target, ...]:
    """Detections of all images, image by image, the highest score first."""
    order = np.lexsort((-scores, images))
    counts = np.bincount(images, minlength=n_images).tolist()
    columns = (boxes.float()[order], torch.tensor(labels)[order], torch.tensor(scores)[order])
    parts = zip(*(column.split(counts) for column in columns), strict=True)
    return tuple({"boxes": b, "labels": la, "scores": s} for b, la, s in parts)

"""The items that this task's pictures show: which instances, their colours and order; and which images are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Integer, UInt8
from matplotlib.colors import to_rgb

from common import plots
from common.data.boxed import Target
from common.data.segmented import IGNORE, SegmentedImages
from common.metrics.masks import mask_iou

COLOURS = (*plots.CYCLE, "#e3c800", "#00a3a3")
Picture = UInt8[np.ndarray, "height width 3"]


def best_of(found: Target, n: int) -> Target:
    """The n detections with the highest scores, where n is the number of objects."""
    return {key: values[:n] for key, values in found.items()}


def agreement(found: Sequence[Target], truths: Sequence[Target]) -> Float[np.ndarray, "scenes"]:
    """The mean over each scene's objects of the best IoU with a mask of their class, for as many detections."""
    means = np.full(len(truths), np.nan)
    for k, truth in enumerate(truths):
        if n := len(truth["labels"]):
            own = best_of(found[k], n)
            overlap = mask_iou(truth["masks"].numpy(), own["masks"].numpy())
            overlap = np.where(truth["labels"].numpy()[:, None] == own["labels"].numpy(), overlap, 0)
            means[k] = overlap.max(axis=1, initial=0).mean()
    return means


def coloured(image: Picture, found: Target) -> Float[np.ndarray, "height width 3"]:
    """The picture in grey with each instance in its own colour, the highest score on top."""
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2) / 255 * 0.6 + 0.4
    for k in range(len(found["labels"]) - 1, -1, -1):
        mask = found["masks"][k].numpy()
        grey[mask] = 0.35 * image[mask] / 255 + 0.65 * np.array(to_rgb(COLOURS[k % len(COLOURS)]))
    return grey


def in_order_of(found: Target, truth: Target) -> Target:
    """The instances, each at the index, and so in the colour, of the true one that it overlaps most, if free."""
    n = len(found["labels"])
    overlap = mask_iou(found["masks"].numpy(), truth["masks"].numpy())
    places, free = np.full(n, -1), set(range(max(n, overlap.shape[1])))
    for k in np.argsort(-overlap.max(axis=1, initial=0), kind="stable"):
        wanted = [j for j in np.argsort(-overlap[k], kind="stable") if j in free and overlap[k, j] > 0]
        places[k] = wanted[0] if wanted else max(free)
        free.discard(int(places[k]))
    height, width = found["masks"].shape[1:]
    masks = torch.zeros(int(places.max(initial=-1)) + 1, height, width, dtype=torch.bool)
    masks[places] = found["masks"]
    return {"masks": masks, "labels": torch.zeros(len(masks), dtype=torch.int64)}


def rounded(low: float, high: float, stride: int, bins: int) -> Float[np.ndarray, "ends"]:
    """The cell borders of RoI pooling in pixels: those of the box and of its bins are rounded to cells of the map."""
    first, last = np.floor(low / stride + 0.5), np.floor(high / stride + 0.5)
    size = max(last - first + 1, 1) / bins
    return (first + np.floor(np.arange(bins + 1) * size)) * stride


def right_by_image(
    part: SegmentedImages, labels: Integer[np.ndarray, "items height width"]
) -> Float[np.ndarray, "items"]:
    """The share of each image's counted pixels with the right label; NaN if none counts."""
    counts = part.labels != IGNORE
    right = ((labels == part.labels) & counts).sum(axis=(1, 2))
    pixels = counts.sum(axis=(1, 2))
    return np.where(pixels > 0, right / np.maximum(pixels, 1), np.nan)

"""Test-time augmentation: a single-shot network also predicts for an image at other scales, and for its mirror image.

Predictions for an image and its mirror image are averaged at each place, before any box is decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate

from common.image_classifier import in_chunks

SCALES = (0.875, 1.0, 1.25)
PIXELS = 1 << 17  # of images in one forward pass: the size of a CPU's cache
Images = Float[Tensor, "batch 3 height width"]


def look_six_times(detector: Any) -> Any:
    """The same trained detector, predicting at three scales per image, at each also for the mirror image."""
    several = copy(detector)
    several.scales, several.mirrored = SCALES, True
    return several


def resize(images: Images, scale: float) -> Float[Tensor, "batch 3 new_height new_width"]:
    """Resize the images to this scale."""
    if scale == 1:
        return images
    return interpolate(images, scale_factor=scale, mode="bilinear", antialias=True, align_corners=False)


def predict_looks(
    network: nn.Module, images: Images, places: Int[Tensor, "n"] | None = None
) -> Iterator[tuple[Float[Tensor, "some n 4"], Float[Tensor, "some n classes"]]]:
    """Offsets and logits, some images at a time. places: mirror_places, to use the mirror image, too."""
    chunk = max(1, PIXELS // math.prod(images.shape[2:]))
    views = [images] if places is None else [images, images.flip(3)]
    for outputs in zip(*(in_chunks(network, view, chunk) for view in views), strict=True):
        offsets, logits = (x.float().cpu() for x in outputs[0])
        yield (offsets, logits) if places is None else mean_with_mirrored(offsets, logits, *outputs[1], places)


def mirror_places(grids: Sequence[tuple[int, int]], boxes: Sequence[int]) -> Int[Tensor, "n"]:
    """The index of the default box that mirrors each one. boxes: per cell of each map."""
    places, start = [], 0
    for (rows, columns), each in zip(grids, boxes, strict=True):
        number = rows * columns * each
        places.append((start + torch.arange(number)).reshape(rows, columns, -1).flip(1).flatten())
        start += number
    return torch.cat(places)


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

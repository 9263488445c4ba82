"""Test-time augmentation: a single-shot network predicts for an image at another scale, and for its mirror image, too.

What the two predict for the same place is averaged, before any box is decoded.
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
PIXELS = 1 << 17  # of images in one forward pass: what fits into a processor's cache
Images = Float[Tensor, "batch 3 height width"]


def look_six_times(detector: Any) -> Any:
    """The same trained detector; but for each image it predicts at three scales, at each also for the mirror image."""
    several = copy(detector)
    several.scales, several.mirrored = SCALES, True
    return several


def resize(images: Images, scale: float) -> Float[Tensor, "batch 3 new_height new_width"]:
    """The images at this scale."""
    if scale == 1:
        return images
    return interpolate(images, scale_factor=scale, mode="bilinear", antialias=True, align_corners=False)


def predict_looks(
    network: nn.Module, images: Images, places: Int[Tensor, "n"] | None = None
) -> Iterator[tuple[Float[Tensor, "some n 4"], Float[Tensor, "some n classes"]]]:
    """Offsets and logits, some images at a time. places: mirror_places, where the mirror image is to be used, too."""
    chunk = max(1, PIXELS // math.prod(images.shape[2:]))
    views = [images] if places is None else [images, images.flip(3)]
    for outputs in zip(*(in_chunks(network, view, chunk) for view in views), strict=True):
        offsets, logits = (x.float().cpu() for x in outputs[0])
        yield (offsets, logits) if places is None else mean_with_mirrored(offsets, logits, *outputs[1], places)


def mirror_places(grids: Sequence[tuple[int, int]], boxes: Sequence[int]) -> Int[Tensor, "n"]:
    """Which default box lies, in the mirror image, where each one lies in the image. boxes: of a cell, on each map."""
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

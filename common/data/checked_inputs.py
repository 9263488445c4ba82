"""What comes in: boxes in numbers that are precise enough, and pictures and targets that a detector can do with.

Whoever calls a detector with pictures of another kind reads one line that says so, not what fails deep inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Real, Shaped, UInt8
from torch import Tensor

from common.data.boxed import Target
from common.errors import Problem

Given = Shaped[np.ndarray, "..."]
"""Pictures as somebody hands them over, not yet looked at."""


def precise(numbers: Real[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Single precision at least: half precision ends at 65504, less than 300 × 300 pixels have, and integers wrap."""
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))


def as_many(boxes: Shaped[Tensor, "..."], **others: Shaped[Tensor, "..."]) -> None:
    """Raises ValueError where boxes are not (n, 4), or where there are not as many scores or labels as boxes."""
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be (n, 4), got {tuple(boxes.shape)}")
    for name, other in others.items():
        if other.shape != boxes.shape[:1]:
            raise ValueError(f"{len(boxes)} boxes need {name} of shape ({len(boxes)},), got {tuple(other.shape)}")


def colour_picture(image: Given) -> UInt8[np.ndarray, "height width 3"]:
    """The picture, red, green and blue in bytes. Raises Problem for any other kind: grey, with alpha, in floats."""
    kind = f"{tuple(image.shape)}, {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise Problem(f"a picture must be red, green and blue, (height, width, 3), uint8 from 0 to 255; got {kind}")
    if not image.size:
        raise Problem(f"a picture must have pixels; got {kind}")
    return image


def colour_pictures(images: Given) -> UInt8[np.ndarray, "n height width 3"]:
    """The same of several pictures of one size, (n, height, width, 3); n may be 0."""
    kind = f"{tuple(images.shape)}, {images.dtype}" if isinstance(images, np.ndarray) else type(images).__name__
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise Problem(f"pictures must be red, green and blue, (n, height, width, 3), uint8 from 0 to 255; got {kind}")
    if len(images) and not images.size:
        raise Problem(f"pictures must have pixels; got {kind}")
    return images


def to_learn_from(images: Given, targets: Sequence[Target]) -> list[Target]:
    """The targets, boxes in single precision. Raises Problem for pictures of another kind, or none at all.

    Raises ValueError where there are not as many targets as pictures, or in a target not as many labels as boxes.
    """
    if len(colour_pictures(images)) != len(targets):
        raise ValueError(f"{len(images)} images need as many targets, got {len(targets)}")
    if not len(images):
        raise Problem("a detector cannot learn from no pictures at all")
    return [single(target) for target in targets]


def single(target: Target) -> dict[str, Any]:
    """A target with boxes in single precision, and labels to count with. Raises ValueError as to_learn_from."""
    as_many(target["boxes"], labels=target["labels"])
    return {**target, "boxes": target["boxes"].float(), "labels": target["labels"].long()}

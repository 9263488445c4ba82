"""An image pyramid: the same picture at many sizes, so that a window of one size finds objects of all.

Scales are multiples of each other (Dalal & Triggs 2005, §4: 1.2 for people), from the one at which the smallest object
fills the window to the one at which the largest does. Pictures are reduced with a filter as wide as the reduction.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import UInt8
from torch.nn.functional import interpolate


def scales(smallest: float, largest: float, step: float) -> list[float]:
    """step^k from the largest scale down to the smallest; neither is passed by more than half a step.

    Raises ValueError for a step that is not above 1, and for limits that are not positive or in the wrong order.
    """
    if not step > 1:
        raise ValueError(f"a pyramid's step must be above 1, got {step}")
    if not 0 < smallest <= largest:
        raise ValueError(f"scales must be 0 < smallest <= largest, got {smallest} and {largest}")
    count = 1 + round(math.log(largest / smallest) / math.log(step))
    return [largest / step**k for k in range(count)]


def level_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width of a picture at a scale: whole pixels, one at least."""
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(
    images: UInt8[np.ndarray, "batch height width 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "batch new_height new_width 3"]:
    """The pictures at another height and width, by linear interpolation, smoothed where they shrink."""
    if images.shape[1:3] == size:
        return images
    channels_first = torch.tensor(images).permute(0, 3, 1, 2)
    level = interpolate(channels_first, size=size, mode="bilinear", antialias=True, align_corners=False)
    return np.ascontiguousarray(level.permute(0, 2, 3, 1).numpy())

"""The first steps of every detector of the chapter: standardised pixels, weights drawn from its own seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import UInt8

from common.image_classifier import Pixels

Made = TypeVar("Made")
SAMPLE = 500 * 128 * 128  # the least number of pixels for means and deviations, if available


def measure_pixels(images: UInt8[np.ndarray, "n height width 3"]) -> Pixels:
    """Means and standard deviations of the colours, from some of the images, evenly spaced."""
    return Pixels.of(images[:: max(1, images[..., 0].size // SAMPLE)])


def build_seeded(make: Callable[[], Made], seed: int) -> Made:
    """Call make() with weights drawn from the seed; the random state outside stays unchanged."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()

"""Restoring a picture without a network: cubic interpolation, least total variation, non-local means, Δ²x = 0.

These are the rivals of the deep image prior. Like it, they use one observation and no other picture. If there is a
setting, it is chosen on training photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from skimage.restoration import denoise_nl_means, inpaint_biharmonic

from ch07_applications.super_resolution.damaged_photographs import (
    SIGMA,
    Damaged,
    Observation,
    Picture,
    picture_of,
    pixels_of,
)
from ch07_applications.super_resolution.total_variation import enlarge
from common.tuning import choose

VARIATION = (1e-4, 3e-4, 1e-3, 3e-3)  # options for the weight of the total variation
STRENGTH = (0.6, 0.7, 0.8, 0.9, 1.0)  # options for h of non-local means, in standard deviations of the noise
BICUBIC, TV, NLM, BIHARMONIC = "bicubic", "bicubic + TV", "non-local means", "biharmonic"


def enlarge_bicubically(observation: Observation) -> Picture:
    """Cubic interpolation by Pillow."""
    height, width = observation.size
    return np.array(Image.fromarray(observation.seen).resize((width, height), Image.Resampling.BICUBIC))


def enlarge_with_variation(observation: Observation, weight: float) -> Picture:
    """The picture of least total variation that agrees with the coarse one, starting from the bicubic enlargement."""
    start = pixels_of(enlarge_bicubically(observation))
    return picture_of(enlarge(observation.downsampler, pixels_of(observation.seen), start, weight))


def average_alike(observation: Observation, strength: float) -> Picture:
    """Non-local means: each pixel becomes the mean of pixels with similar 5 × 5 neighbourhoods. Buades et al. 2005.

    strength: h, in standard deviations of the noise, which is known.
    """
    sigma = SIGMA / 255
    found = denoise_nl_means(
        observation.seen / 255, 5, 7, strength * sigma, fast_mode=False, sigma=sigma, channel_axis=2
    )
    return (255 * found).round().clip(0, 255).astype(np.uint8)


def fill_smoothly(observation: Observation) -> Picture:
    """The solution of ΔΔx = 0 within the holes, with the values and slopes around them."""
    found = inpaint_biharmonic(observation.seen / 255, ~observation.known, channel_axis=2)
    return (255 * found).round().clip(0, 255).astype(np.uint8)


RIVALS = {  # by task: the method, and the options for its setting
    "super-resolution": {BICUBIC: (enlarge_bicubically, ()), TV: (enlarge_with_variation, VARIATION)},
    "denoising": {NLM: (average_alike, STRENGTH)},
    "inpainting": {BIHARMONIC: (fill_smoothly, ())},
}


def choose_setting(restore: Callable, options: Sequence[float], training: Sequence[Damaged]) -> float:
    """The option with the highest mean PSNR on training photographs."""
    scores = [np.mean([each.score(restore(each.observation, option)) for each in training]) for option in options]
    return choose(options, scores, highest=True)

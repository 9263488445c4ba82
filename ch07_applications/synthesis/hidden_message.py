"""What a translation hides for the way back (Chu, Zhmoginov & Sandler 2017), and what it takes to lose it.

A grey image has many striped partners. Yet the cycle loss asks that G(F(y)) be y, stripe for stripe. Generators can
meet this in one way: F(y) looks grey, and holds in faint differences which stripes were there. How much is hidden shows
where the differences are disturbed, or missing: after rounding to 256 grey levels, under noise, and in y's hidden
partner x, which is a true grey image and holds nothing of the stripes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ch07_applications.synthesis.fashion_parts import BORDER, pixels_of
from ch07_applications.synthesis.striped_clothes import HiddenPairs

HALF_RANGE = 127.5  # grey levels per unit of a network's pixels
NOISES = (2, 4, 8)  # standard deviations, in grey levels
UNTOUCHED, ROUNDED, PARTNER = "the translation", "the translation, rounded", "the hidden partner"
Pixels = Float[Tensor, "n channels height width"]


def under_noise(sigma: int) -> str:
    """As facts and rows are called."""
    return f"the translation, noise of {sigma}"


def disturbed(pixels: Pixels, seed: int) -> dict[str, Pixels]:
    """A translation as it is, rounded to 256 levels, and with noise of each deviation."""
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed))
    found = {UNTOUCHED: pixels, ROUNDED: ((pixels + 1) * HALF_RANGE).round() / HALF_RANGE - 1}
    return found | {under_noise(sigma): pixels + sigma / HALF_RANGE * noise for sigma in NOISES}


def ways_back(
    to_grey: Callable[[Pixels], Pixels], to_striped: Callable[[Pixels], Pixels], pairs: HiddenPairs, seed: int
) -> dict[str, Pixels]:
    """G of everything that F(y) is turned into, and of y's hidden partner; pixels from -1 to 1."""
    starts = disturbed(to_grey(pixels_of(pairs.striped.images)), seed)
    starts[PARTNER] = pixels_of(pairs.grey.images)
    return {name: to_striped(pixels) for name, pixels in starts.items()}


def error(found: Pixels, wanted: Pixels) -> float:
    """Root mean square difference within the border, in grey levels."""
    inner = (found - wanted)[:, :, BORDER:-BORDER, BORDER:-BORDER].double()
    return HALF_RANGE * float(inner.square().mean().sqrt())

"""The reader's own picture, --photo FILE, for a classifier of small square images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from common.errors import Problem


def square(photo: UInt8[np.ndarray, "height width 3"], side: int = 32) -> UInt8[np.ndarray, "side side 3"]:
    """The middle of the photo as side × side pixels; each is the mean of the photo's pixels that it covers.

    Raises Problem if the photo is smaller than that, or empty.
    """
    height, width = photo.shape[:2]
    if min(height, width) < side:
        raise Problem(f"--photo has {width}×{height} pixels, the classifier needs at least {side}×{side}")
    cut = min(height, width)
    top, left = (height - cut) // 2, (width - cut) // 2
    middle = Image.fromarray(np.ascontiguousarray(photo[top : top + cut, left : left + cut]))
    return np.array(middle.resize((side, side), Image.Resampling.BOX))


def in_words(probabilities: Float[np.ndarray, "classes"], classes: Sequence[str], most: int = 3) -> str:
    """The classes with the largest probabilities, in order: "ship 81 %, airplane 10 %, automobile 4 %"."""
    ranked = np.argsort(-probabilities, kind="stable")[:most]
    return ", ".join(f"{classes[each]} {100 * probabilities[each]:.0f} %" for each in ranked)

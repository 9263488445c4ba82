"""The choice of shown crops by a rule, so that no one can select those that flatter a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import uniform_filter

from ch07_applications.super_resolution.luma_chroma import Grey, recoloured
from ch07_applications.super_resolution.picture_pairs import Pairs, clipped

SIDE = 96  # side of a crop in pixels
RULE = "Of three test photographs, the 96 × 96 pixels where bicubic interpolation is furthest off. "


@dataclass(frozen=True, eq=False)
class Crop:
    """A crop of a photograph, and each method's version of it. name: the photograph's."""

    name: str
    pictures: dict[str, UInt8[np.ndarray, "side side 3"]]


def hardest_place(error: Float[np.ndarray, "height width"], side: int) -> tuple[int, int]:
    """The upper left pixel of the square, wholly in the picture, with the largest mean."""
    means = uniform_filter(error, side, mode="constant")
    half, (height, width) = side // 2, error.shape
    inside = means[half : height - side + half + 1, half : width - side + half + 1]
    return tuple(int(k) for k in np.unravel_index(inside.argmax(), inside.shape))


def hardest_crops(pairs: Pairs, estimates: Mapping[str, Sequence[Grey]], most: int = 3, side: int = SIDE) -> list[Crop]:
    """Crops of the first pictures where the first method's luma has the largest error: all methods', and the truth.

    Chroma is enlarged by bicubic interpolation for all methods.
    """
    first, found = next(iter(estimates.values())), []
    for k in range(min(most, len(pairs))):
        error = np.square(clipped(first[k]) - pairs.truths[k])
        size = min(side, *error.shape)
        top, left = hardest_place(error, size)
        place = np.s_[top : top + size, left : left + size]
        shown = {name: recoloured(lumas[k], pairs.inputs[k])[place] for name, lumas in estimates.items()}
        found.append(Crop(pairs.names[k], {**shown, "truth": pairs.answers[k][place]}))
    return found

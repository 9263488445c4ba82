"""What scenes are composed of: articles of clothing cut out of their black ground, and shapes that are no clothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Int64
from scipy import ndimage

from common.data.parts import Images

INK = 24  # grey levels; darker pixels are ground, unless the item is all around them
SHAPES = 200  # that are no clothing
EACH = np.array([[[0, 0, 0]] * 3, [[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[0, 0, 0]] * 3], dtype=bool)  # image by image


@dataclass(frozen=True, eq=False)
class Items:
    """Things to paste. values: brightness in [0, 1]. alphas: coverage. labels: from 1; 0 is a thing without a class."""

    values: Float32[np.ndarray, "items 28 28"]
    alphas: Float32[np.ndarray, "items 28 28"]
    labels: Int64[np.ndarray, "items"]

    @cached_property
    def extents(self) -> Float32[np.ndarray, "items 2"]:
        """How wide and how high each is, in pixels of its 28."""
        inside = self.alphas > 0.5
        return np.stack([inside.any(axis=1).sum(axis=1), inside.any(axis=2).sum(axis=1)], 1).astype(np.float32)


def clothes(part: Images) -> Items:
    """The items of Fashion-MNIST, cut out.

    At its rim an item is mixed with the black around it: there the brightest of the neighbours' values is its own.
    """
    alphas = ndimage.binary_fill_holes(part.images > INK, EACH)
    inner = ndimage.binary_erosion(alphas, EACH)
    bright = ndimage.maximum_filter(part.images, (1, 3, 3))
    for _ in range(2):  # so that sampling between pixels finds the same brightness just outside as well
        bright = np.where(alphas, np.where(inner, part.images, bright), ndimage.maximum_filter(bright, (1, 3, 3)))
    return Items(bright.astype(np.float32) / 255, smooth(alphas), part.labels + 1)


def smooth(alphas: Bool[np.ndarray, "items 28 28"]) -> Float32[np.ndarray, "items 28 28"]:
    """The same outline without its steps: enlarged three times, they would be seen."""
    return ndimage.gaussian_filter(alphas.astype(np.float32), (0, 0.7, 0.7))


def with_distractors(items: Items, seed: int) -> Items:
    """The items, and SHAPES shapes without a class: superellipses, from a lozenge to nearly a rectangle, shaded."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[:28, :28] - 13.5)[:, None] / 14
    half_x, half_y, power = (rng.uniform(*ends, (SHAPES, 1, 1)) for ends in ((0.3, 1.0), (0.3, 1.0), (1, 6)))
    alphas = np.abs(x / half_x) ** power + np.abs(y / half_y) ** power <= 1
    shading = ndimage.gaussian_filter(rng.standard_normal((SHAPES, 28, 28)), (0, 3, 3))
    low, high = shading.min(axis=(1, 2), keepdims=True), shading.max(axis=(1, 2), keepdims=True)
    values = ((shading - low) / (high - low)).astype(np.float32)
    return Items(
        np.concatenate([items.values, values]),
        np.concatenate([items.alphas, smooth(alphas)]),
        np.concatenate([items.labels, np.zeros(SHAPES, np.int64)]),
    )

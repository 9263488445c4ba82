"""What scenes are composed of: articles of clothing cut out of their black ground, and shapes that are no clothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8
from scipy import ndimage

from common.data.parts import Images

SIDE = 30  # pixels: Fashion-MNIST's 28, and one all around, where outlines run out
INK = 24  # grey levels; darker pixels are ground, unless the item is all around them
FAINT, DARK = 6, 0.6  # grey levels that are ground for sure; an item with less of its pixels above INK is a dark one
HOLE, BLACK = 12, 3  # pixels that a hole has at least through which one can look; its mean grey level, at most
SHAPES = 200  # that are no clothing
CLOTH = 0.6  # of a shape's brightness is that of some article of clothing, the rest is a shading
EACH = np.array([[[0, 0, 0]] * 3, [[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[0, 0, 0]] * 3], dtype=bool)  # image by image


@dataclass(frozen=True, eq=False)
class Items:
    """Things to paste. values: brightness; alphas: coverage; both to 255. labels: from 1; 0 is a thing of no class."""

    values: UInt8[np.ndarray, "items side side"]
    alphas: UInt8[np.ndarray, "items side side"]
    labels: Int64[np.ndarray, "items"]

    @cached_property
    def extents(self) -> Float32[np.ndarray, "items 2"]:
        """How wide and how high each is, in pixels of its SIDE."""
        inside = self.alphas > 127
        return np.stack([inside.any(axis=1).sum(axis=1), inside.any(axis=2).sum(axis=1)], 1).astype(np.float32)

    @cached_property
    def reaches(self) -> Float32[np.ndarray, "items 2"]:
        """How far from the middle, across and down, there is anything of it."""
        distance = np.abs(np.arange(SIDE) - (SIDE - 1) / 2) + 1.5  # a pixel more: sampling mixes neighbours
        across, down = (((self.alphas > 0).any(axis=axis) * distance).max(axis=1) for axis in (1, 2))
        return np.stack([across, down], axis=1).astype(np.float32)


def clothes(part: Images) -> Items:
    """The items of Fashion-MNIST, cut out.

    Where it ends, an item is mixed with the black around it. What lies further in tells the brightness that it would
    have without that, and the quotient is how much of the pixel it covers: an outline finer than the pixels.
    """
    levels = np.pad(part.images, ((0, 0), (1, 1), (1, 1)))
    images, solid = levels.astype(np.float32), silhouettes(levels)
    inner = ndimage.binary_erosion(solid, EACH)
    values = filled(images, inner, solid)
    # Of what is dark the quotient is noise, and what is too thin to have an inside must not vanish.
    known = ~inner & (values > 2 * INK) & ndimage.binary_dilation(inner, np.ones((1, 3, 3), bool))
    covered = np.where(known, (images / np.maximum(values, 1)).clip(0, 1), solid)
    covered *= ndimage.binary_dilation(solid, EACH)
    return Items(np.rint(values).astype(np.uint8), smooth(covered), part.labels + 1)


def silhouettes(images: UInt8[np.ndarray, "items side side"]) -> Bool[np.ndarray, "items side side"]:
    """Where the items are. A hole is dark cloth, unless it is large and black: then one looks through a handle."""
    ink, faint = images > INK, images > FAINT
    dark = ink.sum(axis=(1, 2)) < DARK * faint.sum(axis=(1, 2))  # but for a button or a collar
    ink = np.where(dark[:, None, None], faint, ink)
    holes, n = ndimage.label(ndimage.binary_fill_holes(ink, EACH) & ~ink, EACH)
    sizes = np.bincount(holes.ravel(), minlength=n + 1)
    levels = np.bincount(holes.ravel(), images.ravel(), n + 1) / np.maximum(sizes, 1)
    cloth = (sizes < HOLE) | (levels > BLACK)
    cloth[0] = False
    return ink | cloth[holes]


def filled(
    images: Float32[np.ndarray, "items side side"],
    inner: Bool[np.ndarray, "items side side"],
    solid: Bool[np.ndarray, "items side side"],
) -> Float32[np.ndarray, "items side side"]:
    """The images, but outside of inner the mean of what is near and inner: the nearer, the more it counts.

    What is too thin to have an inside, a strap, takes on the brightest of its neighbours.
    """
    values = np.where(solid, ndimage.maximum_filter(images, (1, 3, 3)), 0)
    for sigma in (4.0, 1.0):  # from coarse to fine; fine where there is something near
        weight = ndimage.gaussian_filter(inner.astype(np.float32), (0, sigma, sigma), truncate=3)
        mean = ndimage.gaussian_filter(images * inner, (0, sigma, sigma), truncate=3) / np.maximum(weight, 1e-6)
        there = weight > (0.02 if sigma == 1 else 1e-4)
        values = np.where(there & ((sigma == 1) | ~solid), mean, values)
    return np.where(inner, images, values)


def smooth(covered: Float32[np.ndarray, "items side side"]) -> UInt8[np.ndarray, "items side side"]:
    """The same outline without its last steps: enlarged three times, they would be seen."""
    return np.rint(255 * ndimage.gaussian_filter(covered.astype(np.float32), (0, 0.6, 0.6))).astype(np.uint8)


def with_distractors(items: Items, seed: int) -> Items:
    """The items, and SHAPES shapes without a class: superellipses, from a lozenge to nearly a rectangle.

    They are made of the same cloth, turned by a right angle, and shaded: only the shape tells that they are none.
    """
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[: 4 * SIDE, : 4 * SIDE] - 2 * SIDE + 0.5)[:, None] / 56  # finer by four, for the coverage
    half_x, half_y, power = (rng.uniform(*ends, (SHAPES, 1, 1)) for ends in ((0.3, 1.0), (0.3, 1.0), (1, 6)))
    inside = np.abs(x / half_x) ** power + np.abs(y / half_y) ** power <= 1
    covered = inside.reshape(SHAPES, SIDE, 4, SIDE, 4).mean(axis=(2, 4), dtype=np.float32)
    shading = ndimage.gaussian_filter(rng.standard_normal((SHAPES, SIDE, SIDE)), (0, 3, 3))
    low, high = shading.min(axis=(1, 2), keepdims=True), shading.max(axis=(1, 2), keepdims=True)
    cloth = items.values[rng.integers(len(items.values), size=SHAPES)].transpose(0, 2, 1)
    values = CLOTH * cloth + (1 - CLOTH) * 255 * (shading - low) / (high - low)
    return Items(
        np.concatenate([items.values, np.rint(values).astype(np.uint8)]),
        np.concatenate([items.alphas, smooth(covered)]),
        np.concatenate([items.labels, np.zeros(SHAPES, np.int64)]),
    )

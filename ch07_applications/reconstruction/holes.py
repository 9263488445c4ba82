"""Irregular holes: thick random-walk strokes, and ellipses, in six bands of the share that they hide.

Liu et al. 2018, §4.1, sort 12,000 masks into bands of the hidden share, 1–10 %, 10–20 %, … 50–60 %, because the
difficulty of inpainting grows with it. Their masks are borders of occlusions in films; these are drawn. Two conventions
exist for masks: here a hole is True where a pixel is hidden, and the networks' input `known` is 1 where it is not.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Shaped, UInt8
from PIL import Image, ImageDraw

BANDS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
MAGENTA = (255, 0, 200)
Band = tuple[float, float]
Hole = Bool[np.ndarray, "height width"]  # True where pixels are hidden


def name_band(band: Band) -> str:
    """The name of a band in tables: "10–20 %"."""
    return f"{100 * band[0]:.0f}–{100 * band[1]:.0f} %"


def draw_hole(size: tuple[int, int], band: Band, rng: np.random.Generator) -> Bool[np.ndarray, "_ _"]:
    """A hole whose share of the picture lies in the band, its ends included. size: height and width.

    Strokes are added until a share drawn from the band is hidden. A stroke that hides too much is removed, and the next
    one is narrower. Raises ValueError for a band that is not within 0 … 1, and for pictures so small that no whole
    number of pixels lies in it.
    """
    low, high = band
    pixels = size[0] * size[1]
    if not 0 < low < high < 1 or np.ceil(low * pixels) > np.floor(high * pixels):
        raise ValueError(f"a share from {low} to {high} cannot be hidden of {size[0]} × {size[1]} pixels")
    aim, width = int(rng.uniform(low, high) * pixels), rng.uniform(0.04, 0.14) * min(size)
    hole = np.zeros(size, bool)
    while hole.sum() < max(aim, np.ceil(low * pixels)):
        more = hole | draw_stroke(size, max(width, 1), rng)
        if more.sum() <= high * pixels:
            hole = more
        else:
            width *= 0.8
    return hole


def draw_stroke(size: tuple[int, int], width: float, rng: np.random.Generator) -> Bool[np.ndarray, "_ _"]:
    """A random walk of this width, which turns by up to a third of a circle at each step; or an ellipse."""
    height, breadth = size
    picture = Image.new("1", (breadth, height))
    pen, place = ImageDraw.Draw(picture), rng.uniform(0, 1, 2) * (breadth, height)
    if width > 2 and rng.random() < 0.2:
        radii = width * rng.uniform(0.5, 1.5, 2)
        pen.ellipse([*(place - radii), *(place + radii)], fill=1)
        return np.array(picture)
    steps = 1 + int(rng.integers(0, 6)) if width > 1 else 1
    turns = rng.uniform(-2 * np.pi / 3, 2 * np.pi / 3, steps)
    turns[0] = rng.uniform(0, 2 * np.pi)
    lengths = rng.uniform(0.5, 2.5, steps) * width + 1
    angles = turns.cumsum()
    walk = place + np.cumsum(lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1), axis=0)
    points = [tuple(each) for each in (place, *walk)]
    pen.line(points, fill=1, width=max(round(width), 1), joint="curve")
    for x, y in points:  # round ends and corners
        pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=1)
    return np.array(picture)


def draw_holes(count: int, size: tuple[int, int], rng: np.random.Generator) -> Bool[np.ndarray, "count _ _"]:
    """`count` holes, of the bands in turn."""
    return np.stack([draw_hole(size, BANDS[k % len(BANDS)], rng) for k in range(count)])


def check_hole(picture: Shaped[np.ndarray, "..."], hole: Shaped[np.ndarray, "..."]) -> None:
    """Raises ValueError for a picture or a hole that cannot be filled.

    A picture needs three colours and finite values. A hole needs the picture's size and the values True and False, and
    must hide some pixels, but not all.
    """
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"a picture is (height, width, 3), not {picture.shape}")
    if not np.isfinite(picture).all():
        raise ValueError("the picture has values that are no finite numbers")
    if hole.dtype != bool or hole.shape != picture.shape[:2]:
        raise ValueError(f"a hole of {picture.shape[:2]} pixels is bool, not {hole.dtype} of {hole.shape}")
    if hole.all() or not hole.any():
        raise ValueError(f"the hole hides {'every pixel: nothing is known' if hole.all() else 'no pixel'}")


def marked(
    pictures: UInt8[np.ndarray, "*pictures height width 3"], hole: Bool[np.ndarray, "*pictures height width"]
) -> UInt8[np.ndarray, "*pictures height width 3"]:
    """The pictures with hidden pixels in a colour that photographs do not have."""
    return np.where(hole[..., None], np.uint8(MAGENTA), pictures)

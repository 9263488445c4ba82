"""Drawing limbs: capsules by their signed distance, many frames at once.

A capsule is all that lies within a radius of a line from a to b; the radius may change from one end to the other. With
p − a = t (b − a) + n, where t is cut to [0, 1] and n the rest, a pixel's distance from its surface is

    d(p) = ‖n‖ − (r_a + t (r_b − r_a))

and the share of the pixel that it covers is about ½ − d, cut to [0, 1]: edges are smooth without a finer grid. The loop
is over the limbs, farthest first; each step lays one limb into every frame, in a window just large enough.
Coordinates: the picture spans [0, side] and the centre of pixel (row i, column j) is (j + ½, i + ½).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64


@dataclass(frozen=True, eq=False)
class Capsules:
    """Limbs of every frame. starts, ends: (x, y) in pixels. radii: at both. depths: the larger, the nearer.

    colours: of the part near the start and, beyond the share `cut` of the length, of the part near the end; from 0 to
    255. stripes: how strong, how many along the length, and where they begin (a share of a stripe).
    """

    starts: Float32[np.ndarray, "frames limbs 2"]
    ends: Float32[np.ndarray, "frames limbs 2"]
    radii: Float32[np.ndarray, "frames limbs 2"]
    depths: Float32[np.ndarray, "frames limbs"]
    cuts: Float32[np.ndarray, "frames limbs"]
    colours: Float32[np.ndarray, "frames limbs 2 3"]
    stripes: Float32[np.ndarray, "frames limbs 3"]


def paint(
    canvas: Float32[np.ndarray, "frames side side 3"], limbs: Capsules
) -> Float32[np.ndarray, "frames side side"]:
    """Lay the limbs on the canvas, which is changed. Returns how much of each pixel they cover, from 0 to 1."""
    frames, side = canvas.shape[:2]
    pixels, shares = canvas.reshape(-1, 3), np.zeros(frames * side * side, np.float32)
    size = window_size(limbs, side)
    rows = np.arange(frames)
    for limb in np.argsort(limbs.depths, axis=1, kind="stable").T:
        start, end, radii = limbs.starts[rows, limb], limbs.ends[rows, limb], limbs.radii[rows, limb]
        left, top = windows(start, end, radii, size, side).T
        columns, lines = (first[:, None] + np.arange(size) for first in (left, top))
        index = (rows[:, None, None] * side + lines[:, :, None]) * side + columns[:, None, :]
        x = (columns + np.float32(0.5)).astype(np.float32)[:, None, :] - start[:, 0, None, None]
        y = (lines + np.float32(0.5)).astype(np.float32)[:, :, None] - start[:, 1, None, None]
        along, distance, radius = from_axis(x, y, end - start, radii)
        cover = np.clip(radius - distance + np.float32(0.5), 0, 1)
        colour = coloured(along, np.minimum(distance / radius, 1), limbs, rows, limb)
        below = pixels.take(index, axis=0)
        pixels[index] = below + cover[..., None] * (colour - below)
        under = shares.take(index)
        shares[index] = under + cover * (1 - under)
    return shares.reshape(frames, side, side)


def window_size(limbs: Capsules, side: int) -> int:
    """Pixels, along a side, that hold any of the limbs whole; all of the picture where one is larger."""
    reach = np.abs(limbs.ends - limbs.starts).max(axis=2) + 2 * limbs.radii.max(axis=2)
    return int(min(side, np.ceil(reach.max()) + 3))


def windows(
    start: Float32[np.ndarray, "frames 2"],
    end: Float32[np.ndarray, "frames 2"],
    radii: Float32[np.ndarray, "frames 2"],
    size: int,
    side: int,
) -> Int64[np.ndarray, "frames 2"]:
    """The first column and row of each limb's window, which lies within the picture even where the limb does not."""
    low = np.minimum(start, end) - radii.max(axis=1, keepdims=True) - 1
    return np.clip(np.floor(low), 0, side - size).astype(np.int64)


def from_axis(
    x: Float32[np.ndarray, "frames 1 size"],
    y: Float32[np.ndarray, "frames size 1"],
    way: Float32[np.ndarray, "frames 2"],
    radii: Float32[np.ndarray, "frames 2"],
) -> tuple[Float32[np.ndarray, "frames size size"], ...]:
    """t, ‖n‖ and the radius at t, of points at (x, y) from the start of a limb that goes `way`."""
    dx, dy = (way[:, axis, None, None] for axis in (0, 1))
    length = np.maximum(dx * dx + dy * dy, np.float32(1e-6))
    along = np.clip((x * dx + y * dy) / length, 0, 1)
    distance = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2)
    first, second = (radii[:, end, None, None] for end in (0, 1))
    return along, distance, first + along * (second - first)


def coloured(
    along: Float32[np.ndarray, "frames size size"],
    across: Float32[np.ndarray, "frames size size"],
    limbs: Capsules,
    rows: Int64[np.ndarray, "frames"],
    limb: Int64[np.ndarray, "frames"],
) -> Float32[np.ndarray, "frames size size 3"]:
    """Sleeve or skin, stripes, and light that falls off towards a limb's edges as on a cylinder."""
    strength, number, begin = (limbs.stripes[rows, limb, place, None, None] for place in range(3))
    beyond = along > limbs.cuts[rows, limb, None, None]
    first, second = (limbs.colours[rows, limb, part, None, None] for part in (0, 1))
    wave = np.abs(2 * ((along * number + begin) % 1) - 1) * 4 - 2  # a triangle's, cut to stripes with smooth edges
    light = (1 - np.float32(0.35) * across * across) * (1 + strength * np.clip(wave, -1, 1) * ~beyond)
    return np.where(beyond[..., None], second, first) * light[..., None]

"""Drawing limbs: capsules by their signed distance, many frames at once.

A capsule is all that lies within a radius of a line from a to b; the radius may change from one end to the other. With
p − a = t (b − a) + n, where t is cut to [0, 1] and n the rest, a pixel's distance from its surface is

    d(p) = ‖n‖ − (r_a + t (r_b − r_a))

and the share of the pixel that it covers is about ½ − d, cut to [0, 1]: edges are smooth without a finer grid. The loop
is over the limbs, farthest first; each step paints one limb in every frame, in a window just large enough.
Coordinates: the picture spans [0, side] and the centre of pixel (row i, column j) is (j + ½, i + ½).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64


@dataclass(frozen=True, eq=False)
class Capsules:
    """Limbs of every frame. starts, ends: (x, y) in pixels. radii: at both. depths: larger is nearer.

    colours: of the part near the start and, beyond the share `cut` of the length, of the part near the end; from 0 to
    255. stripes: their strength, their number along the length, and their start (a share of a stripe).
    """

    starts: Float32[np.ndarray, "frames limbs 2"]
    ends: Float32[np.ndarray, "frames limbs 2"]
    radii: Float32[np.ndarray, "frames limbs 2"]
    depths: Float32[np.ndarray, "frames limbs"]
    cuts: Float32[np.ndarray, "frames limbs"]
    colours: Float32[np.ndarray, "frames limbs 2 3"]
    stripes: Float32[np.ndarray, "frames limbs 3"]


def paint(
    canvas: Float32[np.ndarray, "3 frames side side"], limbs: Capsules
) -> Float32[np.ndarray, "frames side side"]:
    """Paint the limbs on the canvas, which is changed in place. Returns the coverage of each pixel, from 0 to 1.

    Raises ValueError for a canvas that is not contiguous in memory: a copy of it would be painted.
    """
    if not canvas.flags.c_contiguous:
        raise ValueError("the canvas is a view: paint on a contiguous one")
    _, frames, side, _ = canvas.shape
    planes, shares = canvas.reshape(3, -1), np.zeros(frames * side * side, np.float32)
    size, rows = window_size(limbs, side), np.arange(frames)
    for limb in np.argsort(limbs.depths, axis=1, kind="stable").T:
        start, end, radii = limbs.starts[rows, limb], limbs.ends[rows, limb], limbs.radii[rows, limb]
        left, top = windows(start, end, radii, size, side).T
        columns, lines = (first[:, None] + np.arange(size) for first in (left, top))
        x = (columns + np.float32(0.5)).astype(np.float32)[:, None, :] - start[:, 0, None, None]
        y = (lines + np.float32(0.5)).astype(np.float32)[:, :, None] - start[:, 1, None, None]
        along, distance, radius = from_axis(x, y, end - start, radii)
        frame, line, column = np.nonzero(distance < radius + np.float32(0.5))
        along, distance, radius = (each[frame, line, column] for each in (along, distance, radius))
        cover = np.minimum(radius - distance + np.float32(0.5), 1)
        index = (frame * side + lines[frame, line]) * side + columns[frame, column]
        colours = coloured(along, np.minimum(distance / radius, 1), frame, limb, limbs)
        for plane, colour in zip(planes, colours, strict=True):
            plane[index] += cover * (colour - plane[index])
        shares[index] += cover * (1 - shares[index])
    return shares.reshape(frames, side, side)


def window_size(limbs: Capsules, side: int) -> int:
    """The window side in pixels that contains any limb entirely; the picture's side if a limb is larger."""
    reach = np.abs(limbs.ends - limbs.starts).max(axis=2) + 2 * limbs.radii.max(axis=2)
    return int(min(side, np.ceil(reach.max()) + 3))


def windows(
    start: Float32[np.ndarray, "frames 2"],
    end: Float32[np.ndarray, "frames 2"],
    radii: Float32[np.ndarray, "frames 2"],
    size: int,
    side: int,
) -> Int64[np.ndarray, "frames 2"]:
    """The first column and row of each limb's window, which lies within the picture even if the limb does not."""
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
    along: Float32[np.ndarray, "pixels"],
    across: Float32[np.ndarray, "pixels"],
    frame: Int64[np.ndarray, "pixels"],
    limb: Int64[np.ndarray, "frames"],
    limbs: Capsules,
) -> Float32[np.ndarray, "3 pixels"]:
    """Sleeve or skin, stripes, and light that falls off towards a limb's edges as on a cylinder.

    along, across: a pixel's position as shares of length and radius. limb: the index in each frame.
    """
    rows = np.arange(len(limb))
    beyond = along > limbs.cuts[rows, limb][frame]
    strength, number, begin = (limbs.stripes[rows, limb, place][frame] for place in range(3))
    wave = np.abs(2 * ((along * number + begin) % 1) - 1) * 4 - 2  # triangle wave, clipped to stripes with smooth edges
    light = (1 - np.float32(0.35) * across * across) * (1 + strength * np.clip(wave, -1, 1) * ~beyond)
    return limbs.colours[rows, limb].reshape(-1, 3).T.take(2 * frame + beyond, axis=1) * light

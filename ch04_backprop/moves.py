"""Data augmentation: the same digit, a little elsewhere and a little turned, is the same digit.

Fake data, but of a kind that a writer could have made. A whole batch is moved at once, before every step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32


def moved(
    images: Float32[np.ndarray, "n side side"], shifts: Float[np.ndarray, "n 2"], angles: Float[np.ndarray, "n"]
) -> Float32[np.ndarray, "n side side"]:
    """Every image turned about its centre, then shifted; bilinear, and background (the smallest value) comes in.

    shifts: pixels down and to the right. angles: radians, counter-clockwise.
    """
    n, side, _ = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=images.min())
    # Where each pixel's value comes from: the shift undone, then the turn, about the centre.
    place, middle = np.arange(side, dtype=np.float32) - (side - 1) / 2, (side + 1) / 2
    down, right = (shift.astype(np.float32)[:, None, None] for shift in shifts.T)
    cos, sin = (of(angles).astype(np.float32)[:, None, None] for of in (np.cos, np.sin))
    y, x = place[:, None] - down, place[None, :] - right
    row = np.clip(cos * y + sin * x + middle, 0, side + 1)
    column = np.clip(cos * x - sin * y + middle, 0, side + 1)
    top, left = np.minimum(row.astype(int), side), np.minimum(column.astype(int), side)
    # The four neighbours of that place, weighted by how near they are. Flat indices are faster than three of them.
    corner, width = (np.arange(n)[:, None, None] * (side + 2) + top) * (side + 2) + left, side + 2
    a, b, c, d = (padded.ravel()[corner + step] for step in (0, 1, width, width + 1))
    row, column = row - top.astype(np.float32), column - left.astype(np.float32)
    upper, lower = a + column * (b - a), c + column * (d - c)
    return upper + row * (lower - upper)


@dataclass(frozen=True)
class Moves:
    """Random poses, for Training's augment: shifts up to so many pixels, turns up to so many degrees."""

    shift: float = 0.0
    angle: float = 0.0

    def __call__(self, x: Float32[np.ndarray, "n pixels"], rng: np.random.Generator) -> Float32[np.ndarray, "n pixels"]:
        n, side = len(x), round(x.shape[1] ** 0.5)
        shifts = rng.uniform(-self.shift, self.shift, (n, 2))
        angles = np.radians(rng.uniform(-self.angle, self.angle, n))
        return moved(x.reshape(n, side, side), shifts, angles).reshape(n, -1)

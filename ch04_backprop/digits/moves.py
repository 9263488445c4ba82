"""Data augmentation: a digit that is shifted and rotated a little is still the same digit.

These are artificial data, but of a kind that a writer could have made. A whole batch is moved at once, before every
step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from common.scales import must_be


def move_images(
    images: Float32[np.ndarray, "n side side"], shifts: Float[np.ndarray, "n 2"], angles: Float[np.ndarray, "n"]
) -> Float32[np.ndarray, "n side side"]:
    """Rotate every image about its centre, then shift it, bilinearly; background (the smallest value) enters.

    shifts: pixels down and to the right. angles: radians, counter-clockwise.
    """
    n, side, _ = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=images.min())
    middle, width = np.float32((side + 1) / 2), side + 2  # of the padded images
    place = np.arange(1, side + 1, dtype=np.float32) - middle
    down, right, cos, sin = (
        values.astype(np.float32)[:, None, None] for values in (*shifts.T, np.cos(angles), np.sin(angles))
    )
    # The source place of each pixel's value: the inverse shift, then the inverse rotation.
    y, x = place[:, None] - down, place[None, :] - right
    row = np.clip(cos * y + sin * x + middle, 0, side + 1)
    column = np.clip(cos * x - sin * y + middle, 0, side + 1)
    # The source lies between four pixels. One flat index into all images is faster than three.
    top, left = np.minimum(row.astype(int), side), np.minimum(column.astype(int), side)
    corner = (np.arange(n)[:, None, None] * width + top) * width + left
    a, b, c, d = (padded.ravel()[corner + step] for step in (0, 1, width, width + 1))
    row, column = row - top.astype(np.float32), column - left.astype(np.float32)
    above, below = a + column * (b - a), c + column * (d - c)
    return above + row * (below - above)


@dataclass(frozen=True)
class Moves:
    """Random poses, for Training's augment: shifts in pixels and rotations in degrees, up to these limits."""

    shift: float = 0.0
    angle: float = 0.0

    def __post_init__(self) -> None:
        must_be("shift", self.shift)
        must_be("angle", self.angle)

    def __call__(self, x: Float32[np.ndarray, "n pixels"], rng: np.random.Generator) -> Float32[np.ndarray, "n pixels"]:
        n, side = len(x), round(x.shape[1] ** 0.5)
        shifts = rng.uniform(-self.shift, self.shift, (n, 2))
        angles = np.radians(rng.uniform(-self.angle, self.angle, n))
        return move_images(x.reshape(n, side, side), shifts, angles).reshape(n, -1)

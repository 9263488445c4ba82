"""Films and their ground truth: labels, joints, masks, and people.

Pixels: the picture spans [0, side] both ways, and the centre of pixel (row i, column j) is the point (j + ½, i + ½).
Joints are points; `to_cells` gives cell coordinates, in which pixel centres are whole numbers. Both conversions are
exact, and a picture of twice the side has joints at twice the coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from common.data.parts import numbered, read_only


@dataclass(frozen=True, eq=False)
class Films:
    """Films and their ground truth, read-only.

    films: uint8 RGB. labels: into classes. joints: (x, y) in the order of bodies.JOINTS. visible: which joints lie
    within the picture (limbs may hide them). masks: pixels that people, and objects in their hands, cover by half or
    more. groups: each film's person. Raises ValueError if lengths differ.
    """

    films: UInt8[np.ndarray, "items frames side side 3"]
    labels: Int64[np.ndarray, "items"]
    joints: Float32[np.ndarray, "items frames 14 2"]
    masks: Bool[np.ndarray, "items frames side side"]
    groups: Int64[np.ndarray, "items"]
    classes: tuple[str, ...]
    credits: tuple[str, ...]
    ids: Int64[np.ndarray, "items"] | None = None

    def __post_init__(self) -> None:
        count = len(self.films)
        for name in ("labels", "joints", "masks", "groups"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{count} films but {len(getattr(self, name))} {name}")
        if self.joints.shape[1] != self.films.shape[1] or self.masks.shape[1] != self.films.shape[1]:
            raise ValueError("films, joints and masks have different numbers of frames")
        object.__setattr__(self, "ids", numbered(self.ids, count))
        for name in ("films", "labels", "joints", "masks", "groups", "ids"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.films)

    @property
    def inputs(self) -> UInt8[np.ndarray, "items frames side side 3"]:
        return self.films

    @property
    def answers(self) -> Int64[np.ndarray, "items"]:
        return self.labels

    @property
    def visible(self) -> Bool[np.ndarray, "items frames 14"]:
        side = self.films.shape[2]
        return ((self.joints >= 0) & (self.joints < side)).all(axis=-1)

    @property
    def boxes(self) -> Float32[np.ndarray, "items frames 4"]:
        """The boxes xyxy in pixels around each frame's mask; zeros if the mask is empty."""
        side, ends = self.masks.shape[2], []
        for axis in (2, 3):
            there = self.masks.any(axis=axis)  # axis 2: which columns, axis 3: which rows
            ends.append((there.argmax(axis=2), np.where(there.any(axis=2), side - there[..., ::-1].argmax(axis=2), 0)))
        (left, right), (top, bottom) = ends
        return np.stack([left, top, right, bottom], axis=-1).astype(np.float32)

    def take(self, indices: np.ndarray | Sequence[int] | slice) -> Films:
        """The films at these indices, in that order."""
        arrays = (getattr(self, name)[indices] for name in ("films", "labels", "joints", "masks", "groups"))
        return Films(*arrays, self.classes, self.credits, self.ids[indices])


def to_cells(points: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Convert points to cell coordinates: the centre of pixel (row i, column j) becomes (j, i)."""
    return points - points.dtype.type(0.5)


def to_points(cells: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Convert cell coordinates to points, the inverse of to_cells."""
    return cells + cells.dtype.type(0.5)

"""Pictures in which every pixel has a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from common.data.parts import read_only

IGNORE = 255  # the label of pixels that are neither trained on nor counted


@dataclass(frozen=True, eq=False)
class SegmentedImages:
    """Pictures of one size and the class of each pixel. All arrays are read-only.

    images: (N, H, W, 3). labels: (N, H, W), counted from 0 in the order of classes; IGNORE where a pixel does not
    count. names: of the pictures. groups: (N,), the same number for pictures that depend on each other (frames of one
    second of film). ids: (N,), each one's place in the part that this one was taken from. Raises ValueError where
    sizes or lengths differ.
    """

    images: UInt8[np.ndarray, "items height width 3"]
    labels: UInt8[np.ndarray, "items height width"]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    groups: Int64[np.ndarray, "items"] | None = None
    ids: Int64[np.ndarray, "items"] | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.shape[:3] != self.labels.shape:
            raise ValueError(f"images {self.images.shape} but labels {self.labels.shape}")
        for name in ("names", "groups", "ids"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise ValueError(f"{n} images but {len(value)} {name}")
        for name in ("images", "labels", "groups"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_only(getattr(self, name)))
        object.__setattr__(self, "ids", read_only(np.arange(n) if self.ids is None else self.ids))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def inputs(self) -> UInt8[np.ndarray, "items height width 3"]:
        """What a model is given: the pictures."""
        return self.images

    @property
    def answers(self) -> UInt8[np.ndarray, "items height width"]:
        """The labels."""
        return self.labels

    def take(self, indices: np.ndarray | Sequence[int] | slice) -> SegmentedImages:
        """The pictures at these indices (or of this mask, or this slice), in that order."""
        places = np.arange(len(self))[indices]
        groups = None if self.groups is None else self.groups[places]
        names = tuple(self.names[place] for place in places)
        return SegmentedImages(self.images[places], self.labels[places], self.classes, names, groups, self.ids[places])

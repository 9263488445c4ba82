"""Checks of pictures and of their label maps, before training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer, UInt8

from common.data.segmented import IGNORE

Pictures = UInt8[np.ndarray, "n height width *channels"]


def check_pictures(images: Pictures, labels: Integer[np.ndarray, "..."] | None = None, classes: int = 0) -> None:
    """Raises ValueError without pictures, for grey ones, for labels of another size or outside the classes."""
    if images.ndim != 4 or images.shape[3] != 3 or not images.size:
        raise ValueError(f"pictures {images.shape}: there must be some, of red, green and blue: (n, height, width, 3)")
    if labels is None:
        return
    if labels.shape != images.shape[:3]:
        raise ValueError(f"labels {labels.shape} for pictures {images.shape[:3]}: there must be one per pixel")
    if (wrong := (labels != IGNORE) & ((labels < 0) | (labels >= classes))).any():
        raise ValueError(f"label {labels[wrong][0]} is none of 0 … {classes - 1}, nor {IGNORE}, which does not count")

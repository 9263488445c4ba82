"""MNIST's digits in the format of the network of 1989: 16×16 pixels, from −1 to 1, filled by the digit.

Method     MNIST's digits fit a box of 20×20 pixels, which was placed in 28×28 by the ink's centre of mass. The box is
           cut out again and reduced: a new pixel is the mean of the 1.25 × 1.25 old ones that it covers.
Differs    The post office's digits of 1989 were reduced to 16×16 from larger scans, each filling the image.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped, UInt8

from common.features.image_kinds import check_bytes

BOX, SIDE = 20, 16


def in_box(inked: Bool[np.ndarray, "n length"]) -> Int[np.ndarray, "n 20"]:
    """The 20 rows (or columns) about the middle of those with ink, as near as the image's border allows."""
    length = inked.shape[1]
    first, behind = inked.argmax(axis=1), length - inked[:, ::-1].argmax(axis=1)
    return np.clip((first + behind) // 2 - BOX // 2, 0, length - BOX)[:, None] + np.arange(BOX)


def cut_ink_boxes(images: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "n 20 20"]:
    """The 20×20 pixels about the middle of each digit's ink. Raises ValueError unless grey and uint8."""
    check_bytes(images, channels=())
    ink = images > 0
    rows, columns = in_box(ink.any(axis=2)), in_box(ink.any(axis=1))
    return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def area_weights(before: int, after: int) -> Float[np.ndarray, "after before"]:
    """Row i: the shares of the old pixels in the new pixel i, which is before / after of them wide."""
    edges, old = np.arange(after + 1)[:, None] * before / after, np.arange(before)
    overlap = np.minimum(edges[1:], old + 1) - np.maximum(edges[:-1], old)
    return np.maximum(overlap, 0) * after / before


def shrink(images: Shaped[np.ndarray, "..."], side: int = SIDE) -> Float32[np.ndarray, "n side side"]:
    """Square images at side × side pixels, each the mean of the pixels it covers, from −1 (background) to 1 (ink).

    Raises ValueError unless they are grey and uint8.
    """
    check_bytes(images, channels=())
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"images must be square, got {images.shape[1]}×{images.shape[2]} pixels")
    shares = area_weights(images.shape[1], side)
    return (shares @ images @ shares.T / 127.5 - 1).astype(np.float32)


def shrink_ink_box(images: Shaped[np.ndarray, "..."]) -> Float32[np.ndarray, "n 16 16"]:
    """The boxes around the ink, reduced to 16×16 pixels."""
    return shrink(cut_ink_boxes(images))

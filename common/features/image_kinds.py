"""Which kind of image this is: bytes from 0 to 255, or numbers from 0 to 1, grey or in colours; asked at the door.

Who divides floats by 255 sees nothing but black, and who makes bytes of them sees 0 and 1, both without a word.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped


def check_bytes(images: Shaped[np.ndarray, "..."], stack: bool = True, channels: tuple[int, ...] = (3,)) -> None:
    """Raise ValueError unless images are uint8, grey or with one of these numbers of channels.

    stack: several of them, (n, height, width) or (n, height, width, channels); False: a single one, without the n.
    """
    lengths = images.ndim - stack
    if images.dtype != np.uint8 or not (lengths == 2 or (lengths == 3 and images.shape[-1] in channels)):
        shape = "(n, height, width)" if stack else "(height, width)"
        colours = "".join(f" or {shape[:-1]}, {number})" for number in channels)
        raise ValueError(f"images must be uint8 {shape}{colours}, got {images.dtype} {images.shape}")


def check_unit_range(image: Shaped[np.ndarray, "..."]) -> None:
    """Raise ValueError unless this is a grey image (height, width) of floats from 0 to 1."""
    if image.ndim != 2 or image.dtype.kind != "f" or not (image.size and image.min() >= 0 and image.max() <= 1):
        ends = f"from {image.min():g} to {image.max():g}" if image.size and image.dtype.kind in "fiub" else ""
        raise ValueError(
            f"image must be grey, (height, width), floats from 0 to 1, got {image.dtype} {image.shape} {ends}"
        )

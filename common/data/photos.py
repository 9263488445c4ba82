"""Photos that come with scikit-image, so that no download is needed."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from common.errors import Problem

PHOTOS = (
    "astronaut", "brick", "camera", "cat", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass",
    "gravel", "hubble_deep_field", "immunohistochemistry", "microaneurysms", "moon", "motorcycle", "page", "retina",
    "rocket", "text",
)  # fmt: skip


def photo(name: str) -> UInt8[np.ndarray, "height width"] | UInt8[np.ndarray, "height width 3"]:
    """A photo by name: (H, W) grey or (H, W, 3) red-green-blue, uint8. The array is the caller's own.

    "motorcycle" is the left view of a stereo pair. Raises Problem for a name that scikit-image doesn't bundle; most of
    its other pictures would be downloaded. Who took them, and the licences: the README in scikit-image's data folder.
    """
    if name not in PHOTOS:
        raise Problem(f"no photo {name!r}: there are {', '.join(PHOTOS)}")
    from skimage import data

    return np.array(data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)())

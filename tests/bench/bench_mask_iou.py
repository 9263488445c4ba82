"""Speed of IoU of masks beside pycocotools': 100 masks with 100 others, of 128² pixels and of a photograph's.

Both are given masks as a network makes them, a boolean a pixel; the peer has to encode them first, as it does whenever
predictions are judged. Blobs are its favourable case, for it keeps runs of equal pixels; noise has long codes.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from pycocotools import mask as mask_codec
from side_by_side import row

from common.metrics.masks import mask_iou

MASKS = 100


def blobs(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Ellipses of an eighth to a half of the image's side."""
    y, x = np.mgrid[:height, :width]
    centre = rng.uniform(0.15, 0.85, (2, MASKS, 1, 1)) * np.array([height, width]).reshape(2, 1, 1, 1)
    radius = rng.uniform(1 / 16, 1 / 4, (2, MASKS, 1, 1)) * min(height, width)
    return ((y - centre[0]) / radius[0]) ** 2 + ((x - centre[1]) / radius[1]) ** 2 < 1


def noise(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    return rng.random((MASKS, height, width)) < 0.5


def peer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """pycocotools' IoU, encoding included."""
    codes = [mask_codec.encode(np.asfortranarray(masks.transpose(1, 2, 0).view(np.uint8))) for masks in (a, b)]
    return mask_codec.iou(*codes, [0] * len(b))


def measure() -> list[dict]:
    """Rows for run.py; both have to agree to the last bit."""
    rows = []
    for name, make, size in [
        ("blobs, 128 × 128", blobs, (128, 128)),
        ("noise, 128 × 128", noise, (128, 128)),
        ("blobs, 512 × 768", blobs, (512, 768)),
    ]:
        rng = np.random.default_rng(0)
        a, b = make(*size, rng), make(*size, rng)
        assert np.array_equal(mask_iou(a, b), peer(a, b))
        title = f"mask IoU: {MASKS} × {MASKS} {name}"
        rows.append(row(title, partial(mask_iou, a, b), "pycocotools", partial(peer, a, b), 1))
    return rows

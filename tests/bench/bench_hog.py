"""Speed of HOG beside scikit-image's, whose inner loop is compiled.

Pixels of uint8, as MNIST and photos come. Floating-point pixels have no table of votes to look up and run at about half
the ratio; the row of float64 says how much that is.
"""

from __future__ import annotations

import numpy as np
from side_by_side import row
from skimage.feature import hog

from common import data
from common.features.hog import HOG


def measure() -> list[dict]:
    """Rows for run.py: 2000 digits in three ways, and one photo in two."""
    digits, photo = data.mnist().test.images[:2000], data.photo("camera")[None]
    rows = []
    for name, images, cell, block, at_least in [
        ("2000 digits 28×28, cells of 4×4", digits, (4, 4), (2, 2), 20),
        ("2000 digits 28×28, cells of 7×7", digits, (7, 7), (2, 2), 20),
        ("2000 digits as float64, cells of 4×4", digits / 255, (4, 4), (2, 2), 10),
        ("photo 512×512, blocks of 2×2", photo, (8, 8), (2, 2), 3),
        ("photo 512×512, blocks of 3×3", photo, (8, 8), (3, 3), 3),
    ]:
        ours = HOG(pixels_per_cell=cell, cells_per_block=block).fit(images)

        def peer(images: np.ndarray = images, cell: tuple = cell, block: tuple = block) -> list:
            return [hog(image, pixels_per_cell=cell, cells_per_block=block) for image in images]

        def transform(ours: HOG = ours, images: np.ndarray = images) -> np.ndarray:
            return ours.transform(images)

        rows.append(row(f"HOG: {name}", transform, "skimage.feature.hog", peer, at_least, runs=9))
    return rows

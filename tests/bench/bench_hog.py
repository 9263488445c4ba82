"""Speed of HOG beside scikit-image's, whose inner loop is compiled: the same images, alternating, in one process.

Pixels of uint8, as MNIST and photos come. Floating-point pixels have no table of votes to look up and run at about half
the ratio; the row of float64 says how much that is.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import numpy as np
from skimage import data
from skimage.feature import hog
from skimage.transform import resize
from sklearn.datasets import load_digits

from common.features.hog import HOG

RUNS = 5


def digits(n: int = 2000) -> np.ndarray:
    """Scikit-learn's 8×8 digits enlarged to 20×20 within 28×28: MNIST's size and margins without its download."""
    small = load_digits().images[np.arange(n) % 1797] / 16
    large = resize(small, (n, 20, 20), order=1)
    return (255 * np.pad(large, ((0, 0), (4, 4), (4, 4)))).astype(np.uint8)


def measure() -> list[dict]:
    """One row a setting; ratio is the peer's median seconds over ours."""
    mnist_like, photo = digits(), data.camera()[None]
    rows = []
    for name, images, cell, block, at_least in [
        ("digits, cells of 4×4", mnist_like, (4, 4), (2, 2), 20),
        ("digits, cells of 7×7", mnist_like, (7, 7), (2, 2), 15),
        ("digits, float64, cells of 4×4", mnist_like / 255, (4, 4), (2, 2), 10),
        ("photo, blocks of 2×2", photo, (8, 8), (2, 2), 3),
        ("photo, blocks of 3×3", photo, (8, 8), (3, 3), 3),
    ]:
        ours = HOG(pixels_per_cell=cell, cells_per_block=block).fit(images)
        ours.transform(images[:1])  # fills the table of votes, once a process
        seconds = {"ours": [], "peer": []}
        for _ in range(RUNS):
            start = perf_counter()
            ours.transform(images)
            middle = perf_counter()
            for image in images:
                hog(image, pixels_per_cell=cell, cells_per_block=block)
            seconds["ours"].append(middle - start)
            seconds["peer"].append(perf_counter() - middle)
        ours_seconds, peer_seconds = median(seconds["ours"]), median(seconds["peer"])
        rows.append(
            {
                "name": f"HOG: {name}",
                "ours_seconds": ours_seconds,
                "peer_seconds": peer_seconds,
                "ratio": peer_seconds / ours_seconds,
                "at_least": at_least,
                "peer": "skimage.feature.hog",
                "n": len(images),
                "runs": RUNS,
            }
        )
    return rows

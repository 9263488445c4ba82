"""Columns made by hand: what describes a pixel and its surroundings at several scales without a network.

Lab colours, blurred by Gaussians of three widths; and HOG (Dalal and Triggs 2005) of cells of 4, 8 and 16 pixels, the
cells around a pixel's own included, so that the widest descriptors cover 48 pixels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

from common.hog_detection.dense_hog import Cells

SCALES = (1.0, 3.0, 8.0)  # σ in pixels
# A block of an odd number of cells has its middle in that of a cell; the padding gives every cell a block.
HOGS = {"HOG 4": Cells(4, 5, padding=2), "HOG 8": Cells(8, 5, padding=2), "HOG 16": Cells(16, 3, padding=1)}


def hand_made_columns(images: UInt8[np.ndarray, "n height width 3"]) -> dict[str, Float32[np.ndarray, "n _ _ _"]]:
    """Maps (n, rows, columns, features): colours per pixel, HOG per cell. 16 has to divide the images' sides."""
    lab = rgb2lab(images).astype(np.float32)
    blurred = [gaussian_filter(lab, (0, sigma, sigma, 0), mode="nearest") for sigma in SCALES]
    return {"colours": np.concatenate(blurred, axis=3)} | {name: cells.blocks(images) for name, cells in HOGS.items()}

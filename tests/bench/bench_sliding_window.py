"""Speed of a sliding window over one frame beside OpenCV's HOGDescriptor.detectMultiScale, two threads each.

The same work: windows of 64×128 pixels, 8 pixels apart, with OpenCV's own weights for people, at the same scales, no
grouping and no padding. OpenCV shares a vote among neighbouring bins and cells and weights a block's pixels; we do not,
so that scores differ, and only the shape of the work and the number of windows are the same.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from side_by_side import row
from skimage import data
from skimage.transform import resize
from threadpoolctl import threadpool_limits

from common.hog_detection.dense_hog import Cells, scores_everywhere
from common.hog_detection.image_pyramid import level_size, resized

SIZE, STEP, LEVELS = (576, 768), 1.2, 9  # OpenCV goes on as long as a window fits into the level
SURE = 0.5
WEIGHTS = 15 * 7 * 36


def frame() -> np.ndarray:
    """A photo of 768 × 576 pixels, in colour."""
    return (255 * resize(data.astronaut(), SIZE, anti_aliasing=False)).astype(np.uint8)


def measure() -> list[dict]:
    """One row for run.py."""
    image, threads, torch_threads = frame(), cv2.getNumThreads(), torch.get_num_threads()
    weights = cv2.HOGDescriptor_getDefaultPeopleDetector().ravel()
    # OpenCV's blocks run down the window's columns, and so do the cells of a block.
    template = weights[:WEIGHTS].reshape(7, 15, 2, 2, 9).transpose(1, 0, 3, 2, 4).reshape(15, 7, 36).copy()
    bias, cells = weights[WEIGHTS], Cells(pixels=8)
    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(weights)

    def level_scores(k: int) -> np.ndarray:
        level = resized(image[None], level_size(SIZE, STEP**-k))
        return scores_everywhere(cells.blocks(level), template) + bias

    def ours() -> list[np.ndarray]:
        """Scores above the threshold, level by level."""
        with ThreadPoolExecutor(2) as pool:
            scores = list(pool.map(level_scores, range(LEVELS)))
        assert all(level.size for level in scores)
        return [np.argwhere(level > SURE) for level in scores]

    def theirs() -> tuple:
        return detector.detectMultiScale(
            image, hitThreshold=SURE, winStride=(8, 8), padding=(0, 0), scale=STEP, groupThreshold=0
        )

    cv2.setNumThreads(2)
    torch.set_num_threads(1)  # a level is one thread's, and two levels are under way
    with threadpool_limits(1):
        measured = row("sliding window: frame 768×576, 9 levels", ours, "cv2 detectMultiScale", theirs, 0.34, runs=5)
    cv2.setNumThreads(threads)
    torch.set_num_threads(torch_threads)
    return [measured]

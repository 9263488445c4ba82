"""Speed of dense SIFT beside OpenCV's and scikit-image's descriptors, at the same keypoints and the same scale.

All on one thread: OpenCV and the matrix products of NumPy are held to it while they are timed.

Neither peer knows grids. OpenCV describes the keypoints it is handed, so it gets the grid's, upright, made once for all
images; the pyramid of blurred images is part of its way and of its time. scikit-image's `extract` describes the
keypoints that its object remembers from `detect`: here the object is told that it found the grid's, upright. It has but
one octave of one scale to blur, enlarges nothing and detects nothing: descriptors are all that is left to time.
"""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from side_by_side import row
from skimage.feature import SIFT
from threadpoolctl import threadpool_limits

from common import data
from common.features.sift import BIN_PER_SCALE, dense_descriptors

BIN_SIZE, STEP = 4, 4
SIGMA = BIN_SIZE / BIN_PER_SCALE


def opencv(images: np.ndarray, keypoints: list) -> np.ndarray:
    """OpenCV's descriptors, image by image."""
    sift = cv2.SIFT_create(sigma=SIGMA)
    return np.concatenate([sift.compute(image, keypoints)[1] for image in images])


def scikit_image(images: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """scikit-image's descriptors at (y, x), image by image. Its patch reaches lambda_descr scales to either side."""
    sift = SIFT(upsampling=1, n_octaves=1, n_scales=1, sigma_min=SIGMA, lambda_descr=2 * BIN_PER_SCALE)
    n = len(positions)
    sift.positions, sift.sigmas, sift.orientations = positions, np.full(n, SIGMA), np.zeros(n)
    sift.scales, sift.octaves = np.zeros(n, int), np.zeros(n, int)
    descriptors = []
    for image in images:
        sift.extract(image)
        descriptors.append(sift.descriptors)
    return np.concatenate(descriptors)


def agreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The median cosine of two ways' descriptors, flat patches aside."""
    ours, theirs = ours.reshape(-1, 128), theirs.astype(float)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    shown = lengths > 0
    return np.median((ours * theirs).sum(axis=1)[shown] / lengths[shown])


def measure() -> list[dict]:
    """Rows for run.py: 28×28 digits and a 512×512 photo, each beside either peer, who must mean the same."""
    digits, photo = data.mnist().test.images[:200], data.photo("camera")[None]
    threads, rows = cv2.getNumThreads(), []
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        for name, images, runs in [("200 digits 28×28", digits, 5), ("photo 512×512", photo, 3)]:
            axis = np.arange(STEP, images.shape[1], STEP)  # whole pixels, to which OpenCV would round
            positions = np.array([(y, x) for y in axis for x in axis], float)
            keypoints = [cv2.KeyPoint(x, y, BIN_SIZE / 1.5, 0.0) for y, x in positions]  # a keypoint has a diameter
            ours = partial(dense_descriptors, images, axis, axis, BIN_SIZE)
            for peer_name, peer, turn, at_least in [
                ("cv2.SIFT.compute", partial(opencv, images, keypoints), 0, 1),
                ("skimage.feature.SIFT.extract", partial(scikit_image, images, positions), 2, 50),  # 0 points down
            ]:
                theirs = np.roll(peer().reshape(-1, 16, 8), -turn, axis=2).reshape(-1, 128)
                assert agreement(ours(), theirs) >= 0.95, peer_name
                title = f"dense SIFT: {name}, {len(positions)} keypoints"
                rows.append(row(title, ours, peer_name, peer, at_least, runs))
    cv2.setNumThreads(threads)
    return rows

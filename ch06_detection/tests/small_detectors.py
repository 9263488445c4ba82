"""Each kind of detector of the chapter, small enough to be fitted in a second: for test_own_photo.py and kept/."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ch06_detection.fast_rcnn import FastRCNN, multi_task_sum
from ch06_detection.geometry.half_size import HalfSize
from ch06_detection.proposals.search import Proposals
from ch06_detection.rcnn import RCNN
from ch06_detection.ssd import SceneSSD, SSDDetector, detection_loss
from common.console import Console
from common.data import Scale
from common.hog_detection.dense_hog import Cells
from common.hog_detection.detector import HOGDetector
from common.proposals.grouping import FAST, propose_all
from common.record import LessonRecord
from common.run import Run
from common.train import Training

PLAIN = np.full((1, 64, 96, 3), 77, np.uint8)


def search(images):
    return propose_all(images, FAST, workers=1)


def squares():
    """Noise with a bright or a dark square in each."""
    rng = np.random.default_rng(0)
    images, targets = rng.integers(90, 160, (8, 64, 64, 3), dtype=np.uint8), []
    for k, image in enumerate(images):
        x, y = rng.integers(2, 34, 2)
        image[y : y + 28, x : x + 28] = 250 * (k % 2)
        box = torch.tensor([[x, y, x + 28, y + 28]]).float()
        targets.append({"boxes": box, "labels": torch.tensor([1 + k % 2])})
    return images, targets


def empty(name, **settings):
    """A detector of that name, not fitted. settings: others than the kind's own."""
    plain = Training(1, 0.002, 4, half=False)
    if name == "HOG + SVM":
        return HOGDetector(Cells(pixels=4, padding=3), random=4, mined=4, negatives=40, **settings)
    if name == "R-CNN":
        return RCNN(Proposals(search, 20), plain, 2, crops=32, **settings)
    if name == "Fast R-CNN":
        return FastRCNN(Proposals(search, 20), replace(plain, loss=multi_task_sum), 2, rois=8, **settings)
    if name == "R-CNN at half the size":
        return HalfSize(RCNN(Proposals(search, 20), plain, 2, crops=32, side=(16, 16), **settings))
    recipe = SceneSSD(width=8)
    return SSDDetector(recipe.network, replace(plain, loss=detection_loss), recipe.shapes(), 2, **settings)


OWN = {  # settings that are not their kind's own, and change what is predicted
    "HOG + SVM": {"suppression": 0.6},
    "R-CNN": {"scorer": "softmax", "side": (24, 12)},
    "Fast R-CNN": {"least": 0.001, "side": (6, 3), "enlarge": 1.0},
    "SSD": {"mirrored": True, "scales": (1.0, 1.5), "least": 0.001},
    "R-CNN at half the size": {"keep": 7},
}


def fit_all():
    """Each of them, fitted, by name."""
    images, targets = squares()
    return {name: empty(name, **settings).fit(images, targets) for name, settings in OWN.items()}


def new_run(folder, seed=0, preset="smoke"):
    """A run of lesson own_photo into the folder, as a process of its own would begin it."""
    return Run("own_photo", seed, Scale(preset), LessonRecord("", ""), folder, Console(quiet=True))

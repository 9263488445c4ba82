"""CamVid in this task's lessons: a held-out drive for choosing settings, and the four numbers that papers print."""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import UInt8

from ch07_applications.segmentation.scoring import score_semantic
from common.data.camvid import CamVid
from common.data.segmented import SegmentedImages
from common.errors import Problem
from common.method import Method
from common.metrics.segmentation import global_accuracy, mean_accuracy

HELD_OUT = "0006R0"
GLOBAL, BY_CLASS = "global accuracy", "class accuracy"


def drives(train: SegmentedImages) -> tuple[SegmentedImages, SegmentedImages]:
    """The training frames without the drive HELD_OUT, and every second frame of that drive, for choosing settings.

    `val` belongs to the same drive as some training frames, so that choosing on it would reward memorised frames.
    Frames are named drive_frame. Raises Problem if all frames, or none, belong to HELD_OUT.
    """
    held = np.array([name.split("_")[0] == HELD_OUT for name in train.names])
    if held.all() or not held.any():
        raise Problem(f"CamVid's training frames must be of the drive {HELD_OUT} and of others, by their files' names")
    return train.take(~held), train.take(np.flatnonzero(held)[::2])


def scored_part(film: CamVid) -> SegmentedImages:
    """The part that finally scores methods: `test` if the folder has it, else `val`; nothing is chosen on it."""
    return film.validation if film.test is None else film.test


def judge_frames(method: Method, part: SegmentedImages) -> UInt8[np.ndarray, "items height width"]:
    """Score method.model by mean IoU, boundary F1, and accuracy over pixels and over classes. Returns its labels."""
    start = time.perf_counter()
    labels = method.model.predict(part.images)
    method.predict_seconds = time.perf_counter() - start
    matrix = score_semantic(method, part, labels)
    for name, metric in ((GLOBAL, global_accuracy), (BY_CLASS, mean_accuracy)):
        method.measure(name, 100 * float(metric(matrix)), n=len(part), unit="%", higher_is_better=True)
    return labels

"""The protocol by which the chapter's detectors compete: all learn from the same scenes, and look once at a test scene.

A scene with many objects teaches more in the same time than one with few, so that crowded scenes are taken. A detector,
its pretrained trunk included, learns from no others.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from common.data.boxed import BoxedImages
from common.data.scale import Scale
from common.data.scenes import scenes

CROWDED = 3  # objects of a scene that is learned from, at least


@cache
def training_scenes(scale: Scale) -> BoxedImages:
    """The training scenes with CROWDED objects and more: at the lecture preset 5042 of 8000."""
    train = scenes(scale).train
    return train.take(np.flatnonzero([len(target["boxes"]) >= CROWDED for target in train.targets]))

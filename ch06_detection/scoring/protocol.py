"""The protocol of the chapter's detectors: the same training scenes for all, and one view of each test scene.

A scene with many objects teaches more in the same time than one with few, so crowded scenes are chosen. A detector, its
pretrained trunk included, is trained on no others.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from common.data.boxed import BoxedImages
from common.data.scale import Scale
from common.data.scenes import scenes

CROWDED = 3  # the least number of objects per training scene


@cache
def training_scenes(scale: Scale) -> BoxedImages:
    """The training scenes with at least CROWDED objects: 5042 of 8000 at the lecture preset."""
    train = scenes(scale).train
    return train.take(np.flatnonzero([len(target["boxes"]) >= CROWDED for target in train.targets]))

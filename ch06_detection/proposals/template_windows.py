"""Proposals from the classical detector: the windows that its template scores highest, its errors included."""

from __future__ import annotations

import copy

from torch import Tensor

from ch06_detection.proposals.search import Proposals
from ch06_detection.trunk.crops import Pictures
from common.hog_detection.detector import HOGDetector

FLOOR = -1.6  # of the SVM's score: far below that of a detection
OVERLAP = 0.7  # IoU with a higher-scoring window above which a window is removed


def template_windows(detector: HOGDetector, most: int) -> Proposals:
    """At most `most` windows per image from a fitted detector, by descending score."""
    lenient = copy.copy(detector)
    lenient.floor, lenient.suppression, lenient.most = FLOOR, OVERLAP, 10 * most

    def propose(images: Pictures) -> list[Tensor]:
        return [found["boxes"] for found in lenient.predict(images)]

    return Proposals(propose, most=most)

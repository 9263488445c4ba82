"""The classical detector's settings for composed scenes, chosen on validation scenes."""

from __future__ import annotations

from common.hog_detection.dense_hog import Cells
from common.hog_detection.detector import HOGDetector
from common.run import Run


def scenes_detector(run: Run) -> HOGDetector:
    """For scenes of 128 × 128 pixels. Not yet fitted."""
    images, random, mined, negatives = run.pick(smoke=(64, 8, 8, 80), lecture=(1500, 100, 150, 2500))
    cells = Cells(pixels=4, padding=3, norm="L2")
    used = {"images": images, "random": random, "mined": mined, "negatives": negatives}
    return HOGDetector(cells, C=0.03, jittered=1, suppression=0.3, seed=run.seed, **used)

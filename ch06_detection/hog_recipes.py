"""The classical detectors of this chapter: settings that were chosen on validation images."""

from __future__ import annotations

from ch06_detection.dense_hog import Cells
from ch06_detection.hog_detector import HOGDetector
from common.run import Run


def scenes_detector(run: Run) -> HOGDetector:
    """For scenes; settings chosen on validation scenes. Not yet fitted."""
    images, random, mined, negatives = run.pick(smoke=(64, 8, 8, 80), lecture=(1500, 100, 150, 2500))
    cells = Cells(pixels=4, padding=3, norm="L2")
    used = {"images": images, "random": random, "mined": mined, "negatives": negatives}
    return HOGDetector(cells, C=0.03, shaken=1, suppression=0.3, seed=run.seed, **used)


def pedestrians_detector(run: Run) -> HOGDetector:
    """For people in frames of 768 × 576; settings chosen on validation frames. Not yet fitted."""
    mined = run.pick(smoke=2, lecture=20)
    cells = Cells(pixels=6, padding=3)
    # People here stand apart and look alike. What counts is to be exact: positives lie just where the people are, and
    # windows that are only half right are negatives.
    settings = {"shaken": 0, "apart": 0.5, "scale_step": 1.15, "suppression": 0.4}
    return HOGDetector(cells, window=48, mined=mined, random=mined, seed=run.seed, **settings)

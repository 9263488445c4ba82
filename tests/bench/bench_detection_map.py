"""Speed of mean average precision beside pycocotools': 500 images, 10 classes, thresholds of IoU from 0.5 to 0.95.

Both judge detections that they have been handed in their own form, at one range of areas and one limit of detections.
The peer is told to evaluate and to accumulate; it is silenced, and summarizes nothing.
"""

from __future__ import annotations

import contextlib
import io
from functools import partial

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from side_by_side import row

from ch06_detection.scoring.made_up import MadeUp
from common.data.boxed import Target
from common.metrics.detection import COCO_THRESHOLDS, Evaluation

IMAGES, CLASSES, SIDE = 500, 10, 128
DETECTORS = {  # what is left after suppression, and nearly everything that a network says
    "few detections": MadeUp(),
    "many detections": MadeUp(copies=6, spread=0.1, nothing=60),
}


def scene(rng: np.random.Generator) -> Target:
    """One to six objects in an image."""
    n = rng.integers(1, 7)
    corner = rng.uniform(0, SIDE - 40, (n, 2))
    boxes = np.hstack([corner, corner + rng.uniform(20, 40, (n, 2))])
    return {"boxes": torch.tensor(boxes).float(), "labels": torch.tensor(rng.integers(1, CLASSES + 1, n))}


def as_coco(ones: list[Target]) -> COCO:
    """Boxes, labels, and scores where there are any, as pycocotools wants them."""
    found: list[dict] = []
    for image, one in enumerate(ones):
        for k, (x1, y1, x2, y2) in enumerate(one["boxes"].double().tolist()):
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            score = {"score": float(one["scores"][k])} if "scores" in one else {}
            found.append({"id": len(found) + 1, "image_id": image, "category_id": int(one["labels"][k])} | box | score)
    coco = COCO()
    categories = [{"id": label} for label in range(1, CLASSES + 1)]
    coco.dataset = {"images": [{"id": k} for k in range(len(ones))], "categories": categories, "annotations": found}
    coco.createIndex()
    return coco


def peer(truths: COCO, said: COCO) -> float:
    """pycocotools' mean average precision."""
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(truths, said, "bbox")
        judge.params.areaRng, judge.params.areaRngLbl, judge.params.maxDets = [[0, 1e10]], ["all"], [100]
        judge.evaluate()
        judge.accumulate()
    return float(judge.eval["precision"].mean())


def ours(targets: list[Target], said: tuple[Target, ...]) -> float:
    return Evaluation(said, targets, CLASSES, COCO_THRESHOLDS).mean_average_precision()


def measure() -> list[dict]:
    """Rows for run.py; both have to say the same."""
    rng = np.random.default_rng(0)
    targets = [scene(rng) for _ in range(IMAGES)]
    rows = []
    for name, detector in DETECTORS.items():
        said = detector(targets, CLASSES, SIDE, rng)
        with contextlib.redirect_stdout(io.StringIO()):
            theirs = partial(peer, as_coco(targets), as_coco(said))
        assert abs(theirs() - ours(targets, said)) < 1e-9
        count = sum(len(one["labels"]) for one in said)
        title = f"mAP: {IMAGES} images, {name} ({count})"
        rows.append(row(title, partial(ours, targets, said), "pycocotools", theirs, 1, runs=3))
    return rows

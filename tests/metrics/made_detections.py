"""Random detections and truths, boxes and masks; and what pycocotools says of them."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import torch
from pycocotools import mask as mask_codec
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CLASSES = 4
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "scores": torch.zeros(0)}


def made(seed: int, images: int = 25, whole: bool = False, levels: int = 20, said: int = 25) -> tuple[list, list]:
    """Detections and truths: some images have none of one or the other; scores are equal here and there.

    whole: coordinates are whole pixels, so that overlaps are equal, too. levels: of scores; 0: all differ.
    """
    rng = np.random.default_rng(seed)
    detections, targets = [], []
    for _ in range(images):
        n, m = rng.integers(0, 7), rng.integers(0, said) * (rng.random() < 0.9)
        corner, size = rng.uniform(0, 60, (n, 2)), rng.uniform(5, 60, (n, 2))
        boxes, labels = np.hstack([corner, corner + size]), rng.integers(1, CLASSES, n)  # the last class is never there
        which = rng.integers(0, max(n, 1), m)
        near = boxes[which] + rng.normal(0, 4, (m, 4)) if n else np.tile([10.0, 10, 40, 40], (m, 1))
        near[:, 2:] = np.maximum(near[:, :2], near[:, 2:])
        own = labels[which] if n else np.ones(m, int)
        guess = np.where(rng.random(m) < 0.8, own, rng.integers(1, CLASSES + 1, m))
        scores = rng.integers(levels, size=m) / levels if levels else rng.random(m)
        if whole:
            boxes, near = boxes.round(), near.round()
        targets.append({"boxes": torch.tensor(boxes).float().reshape(-1, 4), "labels": torch.tensor(labels)})
        detections.append(
            {
                "boxes": torch.tensor(near).float().reshape(-1, 4),
                "labels": torch.tensor(guess),
                "scores": torch.tensor(np.sort(scores)[::-1].copy()),
            }
        )
    return detections, targets


def with_masks(detections: list, targets: list, size: tuple[int, int] = (48, 56), holes: float = 0.0) -> None:
    """Give each object a mask: the ellipse in its box, or, of every other label, the box; holes: pixels that it lacks.

    Boxes are shrunk to half of made()'s, so that most lie in the image; what lies outside has an empty mask.
    """
    rng = np.random.default_rng(0)
    y, x = (np.arange(n)[:, None, None] + 0.5 for n in size)
    for one in (*detections, *targets):
        one["boxes"] = one["boxes"] / 2
        x1, y1, x2, y2 = one["boxes"].double().numpy().T
        across, down = 2 * (x - x1) / np.maximum(x2 - x1, 1e-9) - 1, 2 * (y - y1) / np.maximum(y2 - y1, 1e-9) - 1
        distance = np.where(one["labels"].numpy() % 2, np.hypot(across.transpose(1, 0, 2), down), 0)
        inside = (np.abs(across.transpose(1, 0, 2)) < 1) & (np.abs(down) < 1) & (distance < 1)
        one["masks"] = torch.from_numpy((inside & (rng.random(inside.shape) >= holes)).transpose(2, 0, 1).copy())


def encoded(mask: torch.Tensor) -> dict:
    """A mask as pycocotools keeps it."""
    return mask_codec.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))


def cocos(
    detections: list, targets: list, classes: int, most: int = 100, areas: tuple = (0, 1e9), kind: str = "bbox"
) -> np.ndarray:
    """pycocotools' average precision by threshold and class, NaN for a class that is not there. kind: bbox or segm."""

    def entries(ones: list) -> list[dict]:
        found = []
        for image, one in enumerate(ones):
            for k, (x1, y1, x2, y2) in enumerate(one["boxes"].double().tolist()):
                entry = {"id": len(found) + 1, "image_id": image, "category_id": int(one["labels"][k]), "iscrowd": 0}
                entry |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
                if kind == "segm":
                    entry |= {"segmentation": encoded(one["masks"][k]), "area": float(one["masks"][k].sum())}
                found.append(entry | ({"score": float(one["scores"][k])} if "scores" in one else {}))
        return found

    with contextlib.redirect_stdout(io.StringIO()):
        truth, said = COCO(), COCO()
        for coco, ones in ((truth, targets), (said, detections)):
            categories = [{"id": label} for label in range(1, classes + 1)]
            images = [{"id": image} for image in range(len(targets))]
            if kind == "segm":
                sizes = [target["masks"].shape[1:] for target in targets]
                images = [{"id": k, "height": height, "width": width} for k, (height, width) in enumerate(sizes)]
            coco.dataset = {"images": images, "categories": categories, "annotations": entries(ones)}
            coco.createIndex()
        judge = COCOeval(truth, said, kind)
        judge.params.areaRng, judge.params.areaRngLbl, judge.params.maxDets = [list(areas)], ["these"], [most]
        judge.evaluate()
        judge.accumulate()
    values = judge.eval["precision"][..., 0, 0].mean(axis=1)
    return np.where(values < 0, math.nan, values)

"""The objects of all images as columns, checked: what detections are compared with, and detections themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from common.data.boxed import Target
from common.errors import Problem
from common.metrics.masks import areas as mask_areas


class Objects(NamedTuple):
    """The objects of all images, one after the other.

    items: each one's number in its own image. areas: in square pixels, of the box, or the mask's number of pixels.
    """

    boxes: Float[np.ndarray, "n 4"]
    labels: Int[np.ndarray, "n"]
    images: Int[np.ndarray, "n"]
    items: Int[np.ndarray, "n"]
    areas: Float[np.ndarray, "n"]

    def take(self, which: Int[np.ndarray, "m"]) -> Objects:
        """These of them, in that order."""
        return Objects(*(column[which] for column in self))


def column(targets: Sequence[Target], key: str, *shape: int) -> np.ndarray:
    """One key of all targets, one after the other. shape: of an item, where there is no target at all."""
    columns = [target[key] for target in targets]
    return torch.cat(columns).detach().cpu().numpy() if columns else np.zeros((0, *shape))


def objects(targets: Sequence[Target], classes: int, whose: str, iou_of: str = "boxes") -> Objects:
    """The targets' objects. whose: "detections" or "targets", for messages.

    Raises Problem, with the image's place, where there are not as many labels as boxes, for a corner that is no finite
    number, a box of negative width or height, and for a label outside 1 … classes; with masks also as masks_of does.
    """
    for image, target in enumerate(targets):
        n = len(target["labels"])
        if target["boxes"].shape != (n, 4) or target["labels"].ndim != 1 or len(target.get("scores", range(n))) != n:
            shapes = ", ".join(f"{key} {tuple(value.shape)}" for key, value in target.items())
            raise Problem(f"{whose} of image {image}: {shapes} do not belong together")
    counts = np.array([len(target["labels"]) for target in targets], int)
    images = np.repeat(np.arange(len(targets)), counts)
    items = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    boxes = column(targets, "boxes", 4).astype(float)
    labels = column(targets, "labels").astype(int)
    for wrong, why in [
        (~np.isfinite(boxes).all(axis=1), "box {box} has a corner that is no finite number"),
        ((boxes[:, 2:] < boxes[:, :2]).any(axis=1), "box {box} ends before it begins; it needs x1 ≤ x2 and y1 ≤ y2"),
        ((labels < 1) | (labels > classes), "label {label} is none of 1 … {classes}; 0 is the background's"),
    ]:
        if wrong.any():
            first = int(wrong.argmax())
            text = why.format(box=tuple(boxes[first].tolist()), label=labels[first], classes=classes)
            raise Problem(f"{whose} of image {images[first]}: {text}")
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    if iou_of == "masks":
        areas = np.concatenate([np.zeros(0), *(mask_areas(masks_of(t, k, whose)) for k, t in enumerate(targets))])
    return Objects(boxes, labels, images, items, areas)


def masks_of(target: Target, image: int, whose: str) -> Bool[np.ndarray, "n height width"]:
    """The masks of one image, as booleans.

    Raises Problem, with the image's place, where masks are missing, are not (n, H, W), or are neither booleans nor
    whole numbers 0 and 1: probabilities have to be compared with a threshold first.
    """
    if "masks" not in target:
        raise Problem(f"{whose} of image {image}: there are no masks, only {', '.join(target)}")
    found, n = torch.as_tensor(target["masks"]).detach().cpu().numpy(), len(target["labels"])
    if found.ndim != 3 or len(found) != n:
        raise Problem(f"{whose} of image {image}: masks {found.shape} are not ({n}, height, width)")
    if found.dtype != bool and (found.dtype.kind not in "iu" or not np.isin(found, (0, 1)).all()):
        raise Problem(f"{whose} of image {image}: masks of {found.dtype} are not true and false, or 0 and 1")
    return found.astype(bool, copy=False)


def checked_scores(detections: Sequence[Target], images: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The score of each detection. Raises Problem where a score is missing or not a number."""
    for image, detection in enumerate(detections):
        if "scores" not in detection:
            raise Problem(f"detections of image {image}: there are no scores, only {', '.join(detection)}")
    scores = column(detections, "scores").astype(float)
    if np.isnan(scores).any():
        raise Problem(f"detections of image {images[np.isnan(scores).argmax()]}: a score is not a number (NaN)")
    return scores

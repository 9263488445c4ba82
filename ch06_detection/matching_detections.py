"""Which detection has found which object: greedily, the surest first, in every image and class by itself.

The rule is that of COCO (Lin et al. 2014, and the code they published): a detection takes that object, of those nobody
has taken yet, with which its IoU is highest, if that reaches the threshold. Some objects are to be ignored, as if they
were not there: those that are marked as difficult (Everingham et al. 2010, §4), and those whose size is not asked for.
A detection takes such an object only if no other is left for it, and then counts neither as true nor as false.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from ch06_detection.boxes import iou_of_pairs
from common.data.boxed import Target
from common.errors import Problem

ALMOST_ONE = 1 - 1e-10  # a threshold of 1 asks for the same box, not for a quotient without rounding


class Objects(NamedTuple):
    """What lies in all images, one after the other. items: each one's number in its own image."""

    boxes: Float[np.ndarray, "n 4"]
    labels: Int[np.ndarray, "n"]
    images: Int[np.ndarray, "n"]
    items: Int[np.ndarray, "n"]

    def take(self, which: Int[np.ndarray, "m"]) -> Objects:
        """These of them, in that order."""
        return Objects(*(column[which] for column in self))

    @property
    def areas(self) -> Float[np.ndarray, "n"]:
        return (self.boxes[:, 2:] - self.boxes[:, :2]).prod(axis=1)


class Matches(NamedTuple):
    """Every detection, class by class, the surest first; and, for each threshold, the object that it took.

    truth: its number among `truths`; −1 where it took none. iou: with that object, 0 where there is none. ignored: true
    where the detection counts neither as true nor as false, or where the object is no one that has to be found.
    """

    detections: Objects
    scores: Float[np.ndarray, "n"]
    truth: Int[np.ndarray, "thresholds n"]
    iou: Float[np.ndarray, "thresholds n"]
    ignored: Bool[np.ndarray, "thresholds n"]
    truths: Objects
    truth_ignored: Bool[np.ndarray, "m"]

    @property
    def true(self) -> Bool[np.ndarray, "thresholds n"]:
        """Detections that have found an object."""
        return (self.truth >= 0) & ~self.ignored

    @property
    def false(self) -> Bool[np.ndarray, "thresholds n"]:
        """Detections of what is not there, or of what had been found already."""
        return (self.truth < 0) & ~self.ignored


def column(targets: Sequence[Target], key: str, *shape: int) -> np.ndarray:
    """One key of all targets, one after the other; numbers in double precision. shape: of an empty one's items."""
    columns = [target[key] for target in targets]
    return torch.cat(columns).detach().cpu().numpy() if columns else np.zeros((0, *shape))


def objects(targets: Sequence[Target], classes: int, whose: str) -> Objects:
    """The targets' objects. whose: what a message calls them.

    Raises Problem, with the image's place, where there are not as many labels as boxes, for a corner that is no finite
    number, a box of negative width or height, and for a label outside 1 … classes.
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
            said = why.format(box=tuple(boxes[first].tolist()), label=labels[first], classes=classes)
            raise Problem(f"{whose} of image {images[first]}: {said}")
    return Objects(boxes, labels, images, items)


def checked_scores(detections: Sequence[Target], images: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """How sure each detection is. Raises Problem where a score is missing or not a number."""
    for image, detection in enumerate(detections):
        if "scores" not in detection:
            raise Problem(f"detections of image {image}: there are no scores, only {', '.join(detection)}")
    scores = column(detections, "scores").astype(float)
    if np.isnan(scores).any():
        raise Problem(f"detections of image {images[np.isnan(scores).argmax()]}: a score is not a number (NaN)")
    return scores


def place_in_group(group: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """0, 1, 2, … within each run of equal numbers."""
    return np.arange(len(group)) - np.searchsorted(group, group)


class Pairs(NamedTuple):
    """Detections beside objects of their class in their image. Of one detection, the object it likes best is first."""

    turn: Int[np.ndarray, "pairs"]  # how many detections of that class and image, with any pair, come before
    detection: Int[np.ndarray, "pairs"]
    truth: Int[np.ndarray, "pairs"]
    iou: Float[np.ndarray, "pairs"]


def pairs(
    detections: Objects,
    group: Int[np.ndarray, "n"],
    truths: Objects,
    truth_group: Int[np.ndarray, "m"],
    *,
    later: Bool[np.ndarray, "m"],
    least: float,
) -> Pairs:
    """Those whose IoU is at least that. group: numbers of class and image, in order. later: objects liked least."""
    order = np.argsort(truth_group, kind="stable")
    first, last = (np.searchsorted(truth_group[order], group, side=side) for side in ("left", "right"))
    counts = last - first
    detection = np.repeat(np.arange(len(group)), counts)
    beside = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts - first, counts)
    truth = order[beside]
    overlap = iou_of_pairs(*map(torch.from_numpy, (detections.boxes[detection], truths.boxes[truth]))).numpy()
    near = overlap >= least
    detection, truth, overlap = detection[near], truth[near], overlap[near]
    some, which = np.unique(detection, return_inverse=True)
    turn = place_in_group(group[some])[which]
    best_first = np.lexsort((-truth, -overlap, later[truth], detection, turn))  # of equal ones the last, as COCO's code
    return Pairs(*(values[best_first] for values in (turn, detection, truth, overlap)))


def match(
    detections: Sequence[Target],
    targets: Sequence[Target],
    classes: int,
    thresholds: Sequence[float] = (0.5,),
    *,
    most: int = 100,
    areas: tuple[float, float] = (0.0, math.inf),
) -> Matches:
    """Greedy matching at every threshold. most: detections of one class in one image, the surest, that are looked at.

    areas: objects outside these limits, in square pixels, are ignored, and so are detections that find none and lie
    outside them. Raises Problem for what cannot be judged; ValueError where detections and targets are not as many.
    """
    if len(detections) != len(targets):
        raise ValueError(f"detections of {len(detections)} images, but targets of {len(targets)}")
    found, truths = objects(detections, classes, "detections"), objects(targets, classes, "targets")
    scores = checked_scores(detections, found.images)
    group, truth_group = (table.labels * len(targets) + table.images for table in (found, truths))
    order = np.lexsort((-scores, group))
    order = order[place_in_group(group[order]) < most]
    found, scores, group = found.take(order), scores[order], group[order]

    difficult = [t.get("difficult", torch.zeros(len(t["labels"]), dtype=torch.bool)) for t in targets]
    difficult = column([{"difficult": flags} for flags in difficult], "difficult").astype(bool)
    outside, found_outside = ((t.areas < areas[0]) | (t.areas > areas[1]) for t in (truths, found))
    ignored = difficult | outside
    limits = np.minimum(np.array(thresholds, float), ALMOST_ONE)
    near = pairs(found, group, truths, truth_group, later=ignored, least=limits.min())
    truth, overlap = taken_in_turn(near, limits, len(found.labels), difficult)
    neither = np.where(truth >= 0, np.append(ignored, False)[truth], found_outside)
    surest = np.lexsort((-scores, found.labels))
    return Matches(
        found.take(surest), scores[surest], truth[:, surest], overlap[:, surest], neither[:, surest], truths, ignored
    )


def taken_in_turn(
    near: Pairs, limits: Float[np.ndarray, "thresholds"], n: int, endless: Bool[np.ndarray, "m"]
) -> tuple[Int[np.ndarray, "thresholds n"], Float[np.ndarray, "thresholds n"]]:
    """The object that each of n detections takes, and its IoU: first the surest of every class and image, and so on.

    Detections of one turn are of different classes or images, so that none takes what another one wants: a turn is
    worked off at once, at all thresholds. endless: objects that may be taken again and again.
    """
    truth = np.full((len(limits), n), -1)
    overlap = np.zeros((len(limits), n))
    taken = np.zeros((len(limits), len(endless)), bool)
    ends = np.searchsorted(near.turn, np.arange(near.turn.max(initial=-1) + 2))
    for begin, end in pairwise(ends):
        detection, wanted, value = (column[begin:end] for column in near[1:])
        free = (value >= limits[:, None]) & ~taken[:, wanted]
        starts = np.flatnonzero(np.diff(detection, prepend=-1))
        first = np.minimum.reduceat(np.where(free, np.arange(end - begin), end - begin), starts, axis=1)
        row, which = np.nonzero(first < end - begin)
        pair = first[row, which]
        truth[row, detection[pair]] = wanted[pair]
        overlap[row, detection[pair]] = value[pair]
        taken[row, wanted[pair]] = ~endless[wanted[pair]]
    return truth, overlap

"""Which detection matches which object: greedily, the highest score first, per image and class.

The rule is COCO's (Lin et al. 2014, and their published code): a detection takes the object, of those not yet taken,
with which its IoU is highest, if that reaches the threshold. Some objects are ignored, as if they were not there: those
that are marked as difficult (Everingham et al. 2010, §4), and those whose area lies outside given limits. A detection
takes an ignored object only if no other is left for it, and then counts neither as true nor as false.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from common.data.boxed import Target
from common.errors import Problem
from common.metrics.masks import ALMOST_ONE, mask_iou
from common.metrics.objects import Objects, checked_scores, column, masks_of, objects

IOU_OF = ("boxes", "masks")


def box_iou_of_pairs(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n"]:
    """|A ∩ B| / |A ∪ B| of boxes side by side, xyxy. It is 0, not 0 / 0, where neither box has an area."""
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    common = np.maximum(sides, 0).prod(axis=1)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - common
    return common / np.maximum(union, np.finfo(float).tiny)


class Matches(NamedTuple):
    """Every detection, class by class, the highest score first; and, for each threshold, the object that it took.

    truth: its number among `truths`; −1 where it took none. iou: with that object, 0 where there is none. ignored: true
    where the detection counts neither as true nor as false. truth_ignored: objects that need not be found.
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


def place_in_group(group: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """0, 1, 2, … within each run of equal numbers."""
    return np.arange(len(group)) - np.searchsorted(group, group)


class Pairs(NamedTuple):
    """Detections beside objects of their class in their image. Of one detection, the object it takes first is first."""

    turn: Int[np.ndarray, "pairs"]  # how many detections of that class and image, with any pair, come before
    detection: Int[np.ndarray, "pairs"]
    truth: Int[np.ndarray, "pairs"]
    iou: Float[np.ndarray, "pairs"]


def neighbours(
    group: Int[np.ndarray, "n"], truth_group: Int[np.ndarray, "m"]
) -> tuple[Int[np.ndarray, "pairs"], Int[np.ndarray, "pairs"]]:
    """Every detection with every object of its group, as two columns of numbers. group: in ascending order."""
    order = np.argsort(truth_group, kind="stable")
    first, last = (np.searchsorted(truth_group[order], group, side=side) for side in ("left", "right"))
    counts = last - first
    beside = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts - first, counts)
    return np.repeat(np.arange(len(group)), counts), order[beside]


def mask_iou_of_pairs(
    found: Objects, truths: Objects, detections: Sequence[Target], targets: Sequence[Target]
) -> Float[np.ndarray, "pairs"]:
    """The IoU of masks side by side, image by image. Raises Problem where an image's masks differ in size."""
    overlap = np.zeros(len(found.images))
    for image in np.unique(found.images).tolist():
        a, b = masks_of(detections[image], image, "detections"), masks_of(targets[image], image, "targets")
        if a.shape[1:] != b.shape[1:]:
            raise Problem(f"image {image}: its detections' masks are {a.shape[1:]} pixels, its targets' {b.shape[1:]}")
        own = found.images == image
        overlap[own] = mask_iou(a, b)[found.items[own], truths.items[own]]
    return overlap


def candidates(
    group: Int[np.ndarray, "n"],
    detection: Int[np.ndarray, "pairs"],
    truth: Int[np.ndarray, "pairs"],
    overlap: Float[np.ndarray, "pairs"],
    *,
    later: Bool[np.ndarray, "m"],
    least: float,
) -> Pairs:
    """Pairs whose IoU is at least that, in the order in which they are tried. later: objects that are tried last."""
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
    iou_of: str = "boxes",
) -> Matches:
    """Greedy matching at every threshold. most: detections per class and image that count, those of highest score.

    areas: objects outside these limits, in square pixels, are ignored, and so are detections outside them that match no
    object. iou_of: "boxes" or "masks"; masks (n, H, W) stand in detections and targets beside the boxes. Raises Problem
    for what cannot be judged; ValueError where detections and targets are not as many, and for another iou_of.
    """
    if iou_of not in IOU_OF:
        raise ValueError(f"iou_of is {iou_of!r}, but must be one of {IOU_OF}")
    if len(detections) != len(targets):
        raise ValueError(f"detections of {len(detections)} images, but targets of {len(targets)}")
    found, truths = objects(detections, classes, "detections", iou_of), objects(targets, classes, "targets", iou_of)
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
    a, b = neighbours(group, truth_group)
    if iou_of == "masks":
        overlap = mask_iou_of_pairs(found.take(a), truths.take(b), detections, targets)
    else:
        overlap = box_iou_of_pairs(found.boxes[a], truths.boxes[b])
    near = candidates(group, a, b, overlap, later=ignored, least=limits.min())
    truth, overlap = taken_in_turn(near, limits, len(found.labels), difficult)
    neither = np.where(truth >= 0, np.append(ignored, False)[truth], found_outside)
    order = np.lexsort((-scores, found.labels))
    return Matches(
        found.take(order), scores[order], truth[:, order], overlap[:, order], neither[:, order], truths, ignored
    )


def taken_in_turn(
    near: Pairs, limits: Float[np.ndarray, "thresholds"], n: int, endless: Bool[np.ndarray, "m"]
) -> tuple[Int[np.ndarray, "thresholds n"], Float[np.ndarray, "thresholds n"]]:
    """The object that each of n detections takes, and its IoU: first the best of every class and image, then the next.

    Detections of one turn are of different classes or images, so that no two of them want the same object: a turn is
    computed at once, at all thresholds. endless: objects that may be taken again and again.
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

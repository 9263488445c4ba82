"""Training examples from proposals: the best few of each object, others per scene, and the objects' own masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchvision.ops import masks_to_boxes

from ch07_applications.segmentation.region_crops import Describe, Described, describe_masks
from common.data.boxed import BoxedImages
from common.metrics.masks import mask_iou
from common.proposals.regions import Regions

POSITIVE = 0.5  # IoU with an object from which a region is a positive: §3.3
PER_OBJECT, OTHERS = 3, 8  # the most regions per object, and others per scene


class Examples(NamedTuple):
    """Training examples.

    truths: the objects' own masks, described. truth_labels: from 1. regions: proposals, described. owner: the object
    that each overlaps most, −1 for none. overlaps: the IoU with it. of_class: the highest IoU with an object of each
    class. masks, segments, wanted: the mask, the superpixels of its hierarchy and the owner's mask, for each region
    that overlaps its owner by POSITIVE, in order.
    """

    truths: Described
    truth_labels: Int[np.ndarray, "objects"]
    regions: Described
    owner: Int[np.ndarray, "n"]
    overlaps: Float[np.ndarray, "n"]
    of_class: Float[np.ndarray, "n classes"]
    masks: Bool[Tensor, "positives height width"]
    segments: Int[Tensor, "positives height width"]
    wanted: Bool[Tensor, "positives height width"]


def gather(describe: Describe, part: BoxedImages, found: Sequence[Regions], seed: int) -> Examples:
    """Examples from scenes with masks and proposals `found`. A scene without objects gives background.

    Raises ValueError if no region of any scene overlaps an object by POSITIVE.
    """
    rng, scenes, objects = np.random.default_rng(seed), [], 0
    for k, regions in enumerate(found):
        scenes.append(examples_of(describe, part, k, regions, rng))
        owner = scenes[-1].owner
        owner[owner >= 0] += objects
        objects += len(scenes[-1].truth_labels)
    joined = Examples(*(join(values) for values in zip(*scenes, strict=True)))
    if not len(joined.wanted):
        raise ValueError("no scene to learn from has an object that a proposed region covers")
    return joined


def examples_of(
    describe: Describe, part: BoxedImages, scene: int, regions: Regions, rng: np.random.Generator
) -> Examples:
    """The examples of one scene: first the regions that overlap an object by POSITIVE, then the others."""
    image, masks, labels = part.images[scene], part.masks[scene], part.targets[scene]["labels"].numpy()
    overlaps = np.pad(mask_iou(regions.masks(), masks), ((0, 0), (0, 1)))  # the last column stands for no object
    best, owner = overlaps.max(axis=1), overlaps.argmax(axis=1)
    first = [np.flatnonzero((owner == k) & (best >= POSITIVE)) for k in range(len(labels))]
    first = [own[np.argsort(-best[own], kind="stable")][:PER_OBJECT] for own in first]
    positives = np.concatenate([np.zeros(0, int), *first])
    chosen = np.concatenate([positives, rng.permutation(np.flatnonzero(best < POSITIVE))[:OTHERS]])

    few, own = regions.take(chosen), torch.from_numpy(masks).float()
    same = np.append(labels, 0)[:, None] == np.arange(1, len(part.classes) + 1)
    few_masks = torch.from_numpy(few.masks())
    segments = [torch.from_numpy(few.segments(k)) for k in range(len(positives))]
    return Examples(
        truths=describe_masks(describe, image, own, boxes_of(own)),
        truth_labels=labels,
        regions=describe_masks(describe, image, few_masks.float(), few.boxes),
        owner=np.where(best[chosen] > 0, owner[chosen], -1),
        overlaps=best[chosen],
        of_class=(overlaps[chosen, :, None] * same).max(axis=1),
        masks=few_masks[: len(positives)],
        segments=torch.stack([torch.zeros(image.shape[:2], dtype=torch.int16), *segments])[1:],
        wanted=torch.from_numpy(masks[owner[positives]]),
    )


def boxes_of(masks: Float[Tensor, "n height width"] | Bool[Tensor, "n height width"]) -> Float[np.ndarray, "n 4"]:
    """The box xyxy of each non-empty mask; x2 and y2 are the first column and row beyond it."""
    return masks_to_boxes(masks).numpy().astype(float) + np.array([0.0, 0, 1, 1])


def join(values: Sequence[np.ndarray | Tensor | Described]) -> np.ndarray | Tensor | Described:
    """The values concatenated."""
    if isinstance(values[0], Described):
        return Described(*map(torch.cat, zip(*values, strict=True)))
    return np.concatenate(values) if isinstance(values[0], np.ndarray) else torch.cat(list(values))

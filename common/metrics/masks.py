"""Masks: the IoU of every two, and which predicted instance matches which object.

A mask is an image's pixels, true where the object is. Masks are compared at full resolution, as COCO does (Lin et al.
2014, §3), not on a reduced grid, where thin parts and the rounding of edges would count differently.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64, UInt64

MaskStack = Bool[np.ndarray, "n height width"]
ALMOST_ONE = 1 - 1e-10  # a threshold of 1 asks for the same pixels, not for a quotient without rounding


def pack(masks: MaskStack) -> UInt64[np.ndarray, "n words"]:
    """The same masks, 64 pixels to a word, rows one after the other, zeros at the end: 8 bytes instead of 64."""
    n, height, width = masks.shape
    packed = np.packbits(masks.reshape(n, height * width), axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def extent(words: UInt64[np.ndarray, "n words"]) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"]]:
    """For each mask the first word that is not zero, and the one after the last; 0 and 0 for an empty mask."""
    some = np.pad(words != 0, ((0, 0), (0, 1)))  # one more, so that a mask without words has an argmax
    last = some.shape[1] - some[:, ::-1].argmax(axis=1)
    return some.argmax(axis=1), np.where(some.any(axis=1), last, 0)


def mask_iou(a: MaskStack, b: Bool[np.ndarray, "m rows columns"]) -> Float64[np.ndarray, "n m"]:
    """|A ∩ B| / |A ∪ B| of every mask of a with every mask of b, in pixels. Two empty masks have an IoU of 0.

    The intersection of packed masks is a bitwise and, its area the number of ones. Only words within both masks'
    extents are looked at. Raises ValueError where the masks of a and b differ in size.
    """
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(f"masks of {a.shape[1:]} pixels and of {b.shape[1:]} pixels cannot be compared")
    packed, others = pack(a), pack(b)
    first, last = extent(others)
    common = np.zeros((len(a), len(b)), np.int64)
    for k, (begin, end) in enumerate(zip(*(ends.tolist() for ends in extent(packed)), strict=True)):
        near = np.flatnonzero((first < end) & (last > begin))
        both = packed[k, begin:end] & others[near, begin:end]
        common[k, near] = np.bitwise_count(both).sum(axis=1, dtype=np.uint32)
    union = ones(packed)[:, None] + ones(others) - common
    return common / np.maximum(union, 1)


def ones(words: UInt64[np.ndarray, "n words"]) -> Int64[np.ndarray, "n"]:
    """How many pixels each packed mask has."""
    return np.bitwise_count(words).sum(axis=1, dtype=np.int64)


def areas(masks: MaskStack) -> Int64[np.ndarray, "n"]:
    """How many pixels each mask has."""
    return ones(pack(masks))


def match_masks(
    masks: Bool[np.ndarray, "n height width"],
    scores: Float[np.ndarray, "scores"],
    objects: Bool[np.ndarray, "m rows columns"],
    threshold: float = 0.5,
) -> tuple[Int[np.ndarray, "n"], Float64[np.ndarray, "n"]]:
    """For each predicted mask of one image the object that it matches, −1 where it matches none; and their IoU, else 0.

    Greedy, the highest score first (of equal ones the first): each prediction takes the object, of those not yet taken,
    with the highest IoU, if that reaches the threshold. Of objects with equal IoU it takes the last, as COCO's code
    does. Raises ValueError for masks of different sizes, another number of scores than of masks, and a NaN score.
    """
    if len(scores) != len(masks):
        raise ValueError(f"{len(masks)} masks but {len(scores)} scores")
    if np.isnan(scores).any():
        raise ValueError(f"the score of mask {np.isnan(scores).argmax()} is not a number (NaN)")
    overlaps = mask_iou(masks, objects)
    matched, value = np.full(len(masks), -1), np.zeros(len(masks))
    if not len(objects):
        return matched, value
    free = np.ones(len(objects), bool)
    for k in np.argsort(-scores.astype(float), kind="stable"):
        candidates = np.where(free, overlaps[k], -1.0)
        best = len(objects) - 1 - int(candidates[::-1].argmax())
        if candidates[best] >= min(threshold, ALMOST_ONE):
            matched[k], value[k], free[best] = best, overlaps[k, best], False
    return matched, value

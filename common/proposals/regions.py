"""Proposals as regions: the pixels of each segment and union, not their boxes alone.

A region is a set of segments. Each hierarchy keeps one map of its segments and, for each region, which of them belong
to it, so that a picture's regions take a few kilobytes; masks are made when they are asked for.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int, Int16, UInt8

from common.data.checked_inputs import Given, colour_picture, colour_pictures
from common.pools import map_chunks
from common.proposals.hierarchy import FAST, Hierarchy, Settings, grouped_maps

LARGEST_SHARE = 0.7  # of the picture's pixels, that a proposed region covers at most: more is no object


@dataclass(frozen=True, eq=False)
class Regions:
    """n proposed regions of one picture, the likeliest first.

    maps: each hierarchy's segments, as a number per pixel of the reduced picture. source: each region's hierarchy.
    members: which segments of its hierarchy it consists of. boxes: xyxy, in pixels of the picture. step: how many times
    the picture was reduced. size: its height and width.
    """

    maps: Int16[np.ndarray, "maps rows columns"]
    source: Int[np.ndarray, "n"]
    members: Bool[np.ndarray, "n segments"]
    boxes: Float[np.ndarray, "n 4"]
    step: int
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.source)

    def take(self, order: np.ndarray | slice) -> Regions:
        """The regions with these numbers, in this order."""
        return replace(self, source=self.source[order], members=self.members[order], boxes=self.boxes[order])

    def reduced_masks(self) -> Bool[np.ndarray, "n rows columns"]:
        """The masks of all regions on the reduced picture."""
        masks = np.zeros((len(self), *self.maps.shape[1:]), bool)
        for number, labels in enumerate(self.maps):
            own = np.flatnonzero(self.source == number)
            masks[own] = self.members[own][:, labels]
        return masks

    def masks(self) -> Bool[np.ndarray, "n height width"]:
        """The masks of all regions at full size. What the reduction cut off belongs to none."""
        return enlarged(self.reduced_masks(), self.step, self.size)

    def segments(self, region: int | np.integer) -> Int16[np.ndarray, "height width"]:
        """The segments of a region's hierarchy, as a number per pixel at full size; −1 for what was cut off."""
        labels = self.maps[self.source[region]]
        return enlarged(labels[None] + np.int16(1), self.step, self.size)[0] - np.int16(1)


def enlarged(maps: np.ndarray, step: int, size: tuple[int, int]) -> np.ndarray:
    """Maps (n, rows, columns) with each value at step × step pixels, and zeros (False) as far as `size` beyond."""
    large = np.zeros((len(maps), *size), maps.dtype)
    rows, columns = (step * length for length in maps.shape[1:])
    large[:, :rows, :columns] = maps.repeat(step, axis=1).repeat(step, axis=2)
    return large


def members_of(tree: Hierarchy) -> Bool[np.ndarray, "regions segments"]:
    """Which segments each region of a hierarchy consists of."""
    members = np.zeros((len(tree.extents), tree.segments), bool)
    members[: tree.segments] = np.eye(tree.segments, dtype=bool)
    for union, (a, b) in enumerate(tree.parts):
        members[tree.segments + union] = members[a] | members[b]
    return members


def propose_regions(image: Given, settings: Settings = FAST, seed: int = 0) -> Regions:
    """Regions that may be objects, in the random order of §3.3, Uijlings et al. 2013; each mask once.

    Left out are those whose box has not the settings' size, and those that cover nearly all of the picture. Where none
    is left, there are none. Raises Problem for an image that is too small, or of the wrong kind.
    """
    image, rng = colour_picture(image), np.random.default_rng(seed)
    maps, source, members, boxes, ranks = [], [], [], [], []
    for number, (labels, tree) in enumerate(grouped_maps(image, settings)):
        own = members_of(tree)
        corners = tree.boxes * settings.step
        sides = corners[:, 2:] - corners[:, :2]
        share = own @ np.bincount(labels.ravel(), minlength=tree.segments) / labels.size
        wanted = (sides.min(axis=1) >= settings.smallest) & (sides.max(axis=1) <= settings.largest)
        wanted &= share <= LARGEST_SHARE
        maps.append(labels.astype(np.int16))
        source.append(np.full(np.count_nonzero(wanted), number))
        members.append(own[wanted])
        boxes.append(corners[wanted])
        ranks.append((np.arange(len(own), 0, -1) * rng.random(len(own)))[wanted])
    width = max(own.shape[1] for own in members)
    padded = [np.pad(own, ((0, 0), (0, width - own.shape[1]))) for own in members]
    found = Regions(
        np.stack(maps), np.concatenate(source), np.concatenate(padded), np.concatenate(boxes), settings.step,
        image.shape[:2],
    )  # fmt: skip
    found = found.take(np.argsort(np.concatenate(ranks), kind="stable"))
    if not len(found):
        return found
    packed = np.packbits(found.reduced_masks().reshape(len(found), -1), axis=1)
    _, first = np.unique(packed, axis=0, return_index=True)
    return found.take(np.sort(first)[: settings.most])


def regions_of_each(images: UInt8[np.ndarray, "items height width 3"], settings: Settings, seed: int) -> list[Regions]:
    """propose_regions of each of the images: what a process is given to do."""
    return [propose_regions(image, settings, seed) for image in images]


def propose_all_regions(
    images: Given,
    settings: Settings = FAST,
    workers: int = 2,
    seed: int = 0,
    pool: ProcessPoolExecutor | None = None,
) -> list[Regions]:
    """propose_regions for each image, in so many processes (pools.map_chunks).

    Raises Problem for images that are too small, or of the wrong kind.
    """
    propose_some = partial(regions_of_each, settings=settings, seed=seed)
    return map_chunks(propose_some, colour_pictures(images), workers=workers, pool=pool)

"""Segments grow together, the most alike neighbours first, until one is left; each that ever was is a proposal.

Hierarchical grouping: Uijlings, van de Sande, Gevers and Smeulders 2013, Algorithm 1 and §3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from common.proposals.segments import Segments, colour_bins, cut_up, in_space, measured, texture_bins


@dataclass(frozen=True)
class Settings:
    """What is varied, so that one grouping finds what another one misses: §3.2.

    spaces, ks: each colour space is cut up with each k. similarities: sets of colour, texture, size and fill, by their
    first letters; each segmentation is grouped once with each set. sigma: of a segmentation's blur. min_size: pixels of
    a segment, at least. step: how many times smaller the picture is made first. smallest: pixels, the shorter side of a
    proposal, at least. largest: its longer side, at most. most: proposals of an image.
    """

    spaces: tuple[str, ...] = ("HSV", "Lab")
    ks: tuple[float, ...] = (25.0,)
    similarities: tuple[str, ...] = ("csf",)
    sigma: float = 0.4
    min_size: int = 5
    step: int = 2
    smallest: float = 8
    largest: float = math.inf
    most: int = 300


FAST = Settings()  # chosen on training scenes: few proposals, and twenty milliseconds for a scene
QUALITY = Settings(
    ("HSV", "Lab", "rgI", "I"), ks=(25.0, 100.0), similarities=("ctsf",), sigma=0.8, min_size=20, step=1, most=2000
)


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Every region: the segments, then the unions in the order in which they were made. The last is the whole picture.

    parts: the numbers of the two regions that each union was made of.
    """

    segments: int
    extents: Float[np.ndarray, "regions 4"]
    parts: Int[np.ndarray, "unions 2"]

    @property
    def boxes(self) -> Float[np.ndarray, "regions 4"]:
        """xyxy, in pixels of the picture that was cut up."""
        return self.extents * (-1, -1, 1, 1)

    def regions_of(self, left: int) -> Int[np.ndarray, "segments"]:
        """Each segment's region at the moment when so many regions are left."""
        region = np.arange(len(self.extents))
        for union in range(self.segments - left)[::-1]:  # from the last one back
            region[self.parts[union]] = region[self.segments + union]
        return region[: self.segments]


def likeness(
    these: Segments, i: Int[np.ndarray, "pairs"] | int, j: Int[np.ndarray, "pairs"], which: str
) -> Float[np.ndarray, "pairs"]:
    """s(i, j): Eqs. (1) – (6), summed, of Uijlings et al. 2013; of size and fill those that which asks for.

    Colour and texture are Σ min of two histograms each; where both stand side by side, one sum gives both.
    """
    alike = np.minimum(these.histograms[i], these.histograms[j]).sum(axis=1)
    share = (these.sizes[i] + these.sizes[j]) / these.pixels
    if "s" in which:
        alike += 1 - share
    if "f" in which:
        left, top, right, bottom = np.maximum(these.extents[i], these.extents[j]).T
        alike += 1 - ((left + right) * (top + bottom) / these.pixels - share)
    return alike


def grow(segments: Segments, which: str) -> Hierarchy:
    """Algorithm 1. A union takes the place of its first part, and only its neighbours are compared anew.

    Each region remembers which other one it is most like, so that nobody looks through the whole table.
    """
    n = len(segments.sizes)
    now = replace(
        segments, sizes=segments.sizes.copy(), extents=segments.extents.copy(), histograms=segments.histograms.copy()
    )
    table = np.full((n, n), -np.inf)  # how alike two regions are; −∞ where they do not touch
    a, b = now.pairs.T
    table[a, b] = table[b, a] = likeness(now, a, b, which)
    best, partner = table.max(axis=1), table.argmax(axis=1)
    extents = np.concatenate([segments.extents, np.empty((n - 1, 4))])
    parts, number = np.empty((n - 1, 2), int), np.arange(n)  # number: of the region that has this place now
    for union in range(n - 1):
        i = int(best.argmax())
        j = int(partner[i])
        parts[union] = number[[i, j]]
        number[i] = n + union

        # what is known of the union is made of what is known of its parts: no pixel is looked at
        share = now.sizes[j] / (now.sizes[i] + now.sizes[j])
        now.histograms[i] += share * (now.histograms[j] - now.histograms[i])
        now.sizes[i] += now.sizes[j]
        now.extents[i] = extents[n + union] = np.maximum(now.extents[i], now.extents[j])

        touches = np.maximum(table[i], table[j]) > -np.inf
        touches[[i, j]] = False
        near = np.flatnonzero(touches)
        table[j] = table[:, j] = -np.inf
        table[i, near] = table[near, i] = likeness(now, i, near, which)
        changed = np.append(near, (i, j))
        partner[changed] = table[changed].argmax(axis=1)
        best[changed] = table[changed, partner[changed]]
    return Hierarchy(n, extents, parts)


def reduced(image: UInt8[np.ndarray, "height width 3"], step: int) -> UInt8[np.ndarray, "rows columns 3"]:
    """Means of step × step pixels, which have less noise. What is left over on the right and below is cut off."""
    if step == 1:
        return image
    rows, columns = (length // step for length in image.shape[:2])
    blocks = image[: rows * step, : columns * step].reshape(rows, step, columns, step, 3)
    return (blocks.mean(axis=(1, 3), dtype=np.float32) + 0.5).astype(np.uint8)


def grouped_maps(
    image: UInt8[np.ndarray, "height width 3"], settings: Settings
) -> Iterator[tuple[Int[np.ndarray, "rows columns"], Hierarchy]]:
    """For each colour space, k and set of similarities: a map of segments, and the hierarchy that is grown from it.

    In pixels of the reduced picture.
    """
    asked = "".join(settings.similarities)
    for space in settings.spaces:
        picture = in_space(reduced(image, settings.step), space)
        bins = {kind: into(picture) for kind, into in [("c", colour_bins), ("t", texture_bins)] if kind in asked}
        for k in settings.ks:
            labels = cut_up(picture, k, settings.sigma, settings.min_size)
            for which in settings.similarities:
                yield labels, grow(measured(labels, {kind: bins[kind] for kind in bins if kind in which}), which)


def ranked(found: Sequence[Float[np.ndarray, "_ 4"]], rng: np.random.Generator) -> Float[np.ndarray, "n 4"]:
    """The boxes of all hierarchies, each once, in the order of their ranks: §3.3.

    The i-th from the top of its hierarchy has the rank i × a random number from 0 to 1: the whole picture and what is
    nearly that would otherwise come first.
    """
    ranks = np.concatenate([np.arange(len(boxes), 0, -1) * rng.random(len(boxes)) for boxes in found])
    boxes = np.concatenate(found)[np.argsort(ranks, kind="stable")]
    _, first = np.unique(boxes, axis=0, return_index=True)
    return boxes[np.sort(first)]


def proposals(image: UInt8[np.ndarray, "height width 3"], settings: Settings, seed: int) -> Float[np.ndarray, "n 4"]:
    """Boxes xyxy that may hold an object, the likeliest first; all, where none has the size that is wanted."""
    found = [tree.boxes * settings.step for _, tree in grouped_maps(image, settings)]
    boxes = ranked(found, np.random.default_rng(seed))
    sides = boxes[:, 2:] - boxes[:, :2]
    wanted = (sides.min(axis=1) >= settings.smallest) & (sides.max(axis=1) <= settings.largest)
    return boxes[wanted if wanted.any() else slice(None)][: settings.most]


def proposals_of_each(
    images: UInt8[np.ndarray, "items height width 3"], settings: Settings, seed: int
) -> list[Float[np.ndarray, "_ 4"]]:
    """proposals of each of the images: what a process is given to do."""
    return [proposals(image, settings, seed) for image in images]

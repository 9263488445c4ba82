"""Proposed regions, ranked by a regression that predicts how much of an object each covers.

Selective search proposes some 300 regions per scene in an almost random order. Classifying a region costs far more than
proposing it, so that only the first few tens can be classified. Multiscale combinatorial grouping (Arbeláez et al.
2014, §5) ranks its candidates by what a random forest regresses from size, place, shape and strength of contours; so
does this module, with boosted trees. Of regions that are nearly equal only the first is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from skimage.color import rgb2lab
from sklearn.ensemble import HistGradientBoostingRegressor

from common.data.boxed import BoxedImages
from common.metrics.masks import mask_iou
from common.proposals.hierarchy import FAST, Settings, reduced
from common.proposals.regions import Regions, propose_all_regions

ALIKE = 0.85  # IoU above which two regions count as nearly equal
MOST = 32  # regions kept per picture
EDGES = (5.0, 10.0, 20.0)  # of Lab colours: the least difference of neighbouring pixels at a contour
Masks = Bool[np.ndarray, "n rows columns"]


def contour_features(image: UInt8[np.ndarray, "rows columns 3"], masks: Masks) -> Float[np.ndarray, "n features"]:
    """Size, place, shape and contour of non-empty regions: features that do not depend on a class."""
    n, rows, columns = masks.shape
    lab = rgb2lab(image).astype(np.float32)
    flat = masks.reshape(n, -1).astype(np.float32)
    area = flat.sum(axis=1)
    down, across = masks.any(axis=2), masks.any(axis=1)
    top, left = down.argmax(axis=1), across.argmax(axis=1)
    bottom, right = rows - down[:, ::-1].argmax(axis=1), columns - across[:, ::-1].argmax(axis=1)
    height, width = bottom - top, right - left

    # The contour is where a mask changes between neighbours; its strength is the picture's change there.
    contour = [(masks[:, 1:] != masks[:, :-1]).reshape(n, -1), (masks[:, :, 1:] != masks[:, :, :-1]).reshape(n, -1)]
    steps = [np.linalg.norm(np.diff(lab, axis=axis), axis=2).ravel() for axis in (0, 1)]
    values = [np.stack([step, *(step > edge for edge in EDGES)], axis=1).astype(np.float32) for step in steps]
    length = sum(own.sum(axis=1) for own in contour)
    strength = sum(own.astype(np.float32) @ value for own, value in zip(contour, values, strict=True))
    strength = strength / np.maximum(length, 1)[:, None]

    grown = masks.copy()  # by two pixels: the ring around the region
    for _ in range(2):
        grown[:, 1:] |= grown[:, :-1].copy()
        grown[:, :-1] |= grown[:, 1:].copy()
        grown[:, :, 1:] |= grown[:, :, :-1].copy()
        grown[:, :, :-1] |= grown[:, :, 1:].copy()
    ring = grown.reshape(n, -1).astype(np.float32) - flat
    colours = np.concatenate([lab, lab**2], axis=2).reshape(-1, 6)
    inside, outside = (part @ colours / np.maximum(part.sum(axis=1), 1)[:, None] for part in (flat, ring))
    spread = np.sqrt(np.maximum(inside[:, 3:] - inside[:, :3] ** 2, 0))
    away = np.linalg.norm(inside[:, :3] - outside[:, :3], axis=1)

    border = np.stack([top == 0, left == 0, bottom == rows, right == columns], axis=1).sum(axis=1)
    shape = [
        area,
        height,
        width,
        area / (height * width),
        length / np.sqrt(area),
        top,
        left,
        bottom,
        right,
        border,
        away,
    ]
    return np.concatenate([np.stack(shape, axis=1), strength, spread], axis=1).astype(np.float32)


@dataclass(eq=False)
class RankedRegions:
    """fit(scenes with masks), propose(images): Regions of each image, ranked, at most `most`.

    settings: of selective search. alike: IoU above which the lower-ranked of two regions is removed.
    """

    settings: Settings = FAST
    most: int = MOST
    alike: float = ALIKE
    seed: int = 0
    model_: HistGradientBoostingRegressor | None = field(default=None, init=False)

    def fit(self, part: BoxedImages) -> RankedRegions:
        """Regress the highest IoU with an object. Without objects or regions, the order stays random."""
        found = propose_all_regions(part.images, self.settings, seed=self.seed)
        x, y = [], []
        for k, regions in enumerate(found):
            if len(regions):
                overlap = mask_iou(regions.masks(), part.masks[k])
                x.append(self.describe(part.images[k], regions))
                y.append(overlap.max(axis=1, initial=0))
        if y and np.concatenate(y).any():
            model = HistGradientBoostingRegressor(max_iter=80, random_state=self.seed, early_stopping=False)
            self.model_ = model.fit(np.concatenate(x), np.concatenate(y))
        return self

    def describe(self, image: UInt8[np.ndarray, "height width 3"], regions: Regions) -> Float[np.ndarray, "n features"]:
        """The contour_features at the size at which selective search segmented the picture."""
        return contour_features(reduced(image, self.settings.step), regions.reduced_masks())

    def propose(self, images: UInt8[np.ndarray, "items height width 3"]) -> list[Regions]:
        """The ranked regions of each image; none if selective search has none."""
        found = propose_all_regions(images, self.settings, seed=self.seed)
        return [self.rank(image, regions) for image, regions in zip(images, found, strict=True)]

    def rank(self, image: UInt8[np.ndarray, "height width 3"], regions: Regions) -> Regions:
        """The regions, ranked, without near duplicates."""
        if self.model_ is not None and len(regions):
            scores = self.model_.predict(self.describe(image, regions))
            regions = regions.take(np.argsort(-scores, kind="stable"))
        masks = regions.reduced_masks()
        return regions.take(suppress(mask_iou(masks, masks), -np.arange(len(regions)), self.alike, self.most))


def suppress(
    overlaps: Float[np.ndarray, "n n"], scores: Shaped[np.ndarray, "n"], limit: float, most: int | None = None
) -> Int[np.ndarray, "stay"]:
    """Greedy non-maximum suppression by the overlap of regions. Returns the kept ones, by descending score.

    overlaps: IoU of all pairs. A region is removed if its IoU with a kept region of a higher score exceeds the limit.
    most: the largest number of regions kept.
    """
    stay: list[int] = []
    for k in np.argsort(-scores.astype(float), kind="stable"):
        if len(stay) == most:
            break
        if not (overlaps[k, stay] > limit).any():
            stay.append(int(k))
    return np.array(stay, int)


def recall_of_regions(
    found: Sequence[Regions],
    part: BoxedImages,
    thresholds: Sequence[float],
    numbers: Sequence[int] | Int[np.ndarray, "numbers"],
) -> Float[np.ndarray, "thresholds numbers"]:
    """The share of objects that one of the scene's first n regions covers with this IoU: the upper bound.

    NaN if there are no objects.
    """
    best = []
    for k, regions in enumerate(found):
        overlap = mask_iou(part.masks[k], regions.masks())
        so_far = np.maximum.accumulate(np.pad(overlap, ((0, 0), (1, 0))), axis=1)
        best.append(so_far[:, np.minimum(numbers, so_far.shape[1] - 1)])
    best = np.concatenate(best)
    if not len(best):
        return np.full((len(thresholds), len(numbers)), np.nan)
    return np.stack([(best >= threshold).mean(axis=0) for threshold in thresholds])

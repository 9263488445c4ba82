"""Refining the masks of regions: a coarse mask from the top down, and the region from the bottom up.

Method     Hariharan et al. 2014, §3.4. For each cell of a 10 × 10 grid over the region's box a logistic regression
           predicts whether it is foreground, from the features of both crops and the region's own mask on the grid.
           The coarse mask is upsampled to full resolution, and a second logistic regression classifies each pixel.
Differs    The paper has a coarse model per class, and its last stage classifies whole superpixels. Here classes share
           both stages, because each class has only some hundred regions to learn from. The last stage classifies
           pixels and also sees the mean over the superpixel: superpixels of a scene are made of 2 × 2 pixel blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional

from ch07_applications.segmentation.convex_fits import Features, Standardised, minimise
from ch07_applications.segmentation.mask_pasting import paste
from ch07_applications.segmentation.region_crops import GRID, Described, project
from ch07_applications.segmentation.region_examples import POSITIVE, Examples

PENALTY = 1e-4  # of the squared weights of the grid's cells
LAST = 0.25  # the share of regions that trains the last stage
PIXELS = 100  # per region


def evidence(
    coarse: Float[Tensor, "n cells cells"],
    boxes: Float[Tensor, "n 4"],
    masks: Bool[Tensor, "n height width"],
    segments: Int[Tensor, "n height width"],
) -> Float[Tensor, "n height width 5"]:
    """The last stage's features of a pixel: the coarse mask there and its mean over the superpixel, the region, and the
    products of the region with both.
    """
    fine = paste(coarse, boxes, masks.shape[1:])
    place = (segments + 1).flatten(1).long()
    sums, counts = (torch.zeros(len(masks), int(place.max()) + 1) for _ in range(2))
    sums.scatter_add_(1, place, fine.flatten(1))
    counts.scatter_add_(1, place, torch.ones_like(fine).flatten(1))
    mean = (sums / counts.clamp(min=1)).gather(1, place).view_as(fine)
    region = masks.float()
    return torch.stack([fine, mean, region, region * fine, region * mean], dim=-1)


@dataclass(eq=False)
class Refinement:
    """fit(examples), coarse(described), refine(described, masks, segments): §3.4."""

    penalty: float = PENALTY
    seed: int = 0

    def fit(self, examples: Examples) -> Refinement:
        """Fit both stages to the proposals that overlap an object by POSITIVE.

        The last stage is fitted to proposals that the coarse stage has not seen (LAST): on its own training regions the
        coarse masks are better than on new ones, so the last stage would trust them too much.
        """
        own = examples.regions.take(np.flatnonzero(examples.overlaps >= POSITIVE))
        self.scales_ = [Standardised.of(block) for block in (own.box, own.region, own.grid)]
        seen = max(1, round((1 - LAST) * len(own.boxes)))
        x, y = self.inputs(own)[:seen], project(examples.wanted[:seen].float(), own.boxes[:seen]).flatten(1)
        self.weights_ = torch.zeros(x.shape[1], GRID**2, requires_grad=True)
        self.offsets_ = torch.zeros(GRID**2, requires_grad=True)

        def loss() -> Tensor:
            logits = x @ self.weights_ + self.offsets_
            entropy = functional.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(dim=1).mean()
            return entropy + self.penalty * self.weights_.square().sum()

        minimise(loss, (self.weights_, self.offsets_), steps=40)
        self.weights_, self.offsets_ = self.weights_.detach(), self.offsets_.detach()

        rng, rows, truths = np.random.default_rng(self.seed), [], []
        unseen = np.arange(seen if seen < len(own.boxes) else 0, len(own.boxes))
        for chunk in np.array_split(unseen, -(-len(unseen) // 100)):
            known = evidence(
                self.coarse(own.take(chunk)), own.boxes[chunk], examples.masks[chunk], examples.segments[chunk]
            )
            for k, number in enumerate(chunk):
                inside = np.flatnonzero((known[k, :, :, 0] > 0).flatten() | examples.masks[number].flatten())
                pixels = rng.choice(inside, PIXELS)
                rows.append(known[k].flatten(0, 1)[pixels])
                truths.append(examples.wanted[number].flatten()[pixels])
        truth = torch.cat(truths).numpy()
        self.last_ = LogisticRegression().fit(torch.cat(rows).numpy(), truth) if 0 < truth.mean() < 1 else None
        return self

    def inputs(self, own: Described) -> Features:
        """The features of both crops and the region's own mask on the grid, each block standardised to length 1.

        Without that, the penalty would shrink the grid's hundred numbers, which matter most, like any of thousands of
        features.
        """
        blocks = zip(self.scales_, (own.box, own.region, own.grid), strict=True)
        return torch.cat([scale(block) for scale, block in blocks], dim=1)

    def coarse(self, own: Described) -> Float[Tensor, "n cells cells"]:
        """The probability that each cell is foreground."""
        logits = self.inputs(own) @ self.weights_ + self.offsets_
        return logits.sigmoid().unflatten(1, (GRID, GRID))

    def refine(
        self, own: Described, masks: Bool[Tensor, "n height width"], segments: Int[Tensor, "n height width"]
    ) -> Bool[Tensor, "n height width"]:
        """The refined masks at full resolution. A region that would become empty stays unchanged."""
        if not len(masks) or self.last_ is None:
            return masks
        known = evidence(self.coarse(own), own.boxes, masks, segments)
        slopes, offset = torch.from_numpy(self.last_.coef_[0]).float(), float(self.last_.intercept_[0])
        found = known @ slopes + offset > 0
        empty = ~found.flatten(1).any(dim=1)
        found[empty] = masks[empty]
        return found

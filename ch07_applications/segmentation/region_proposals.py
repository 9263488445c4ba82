"""Region proposals: anchors, the boxes decoded from offsets, the network's loss, the proposals that are kept.

Method     Ren et al. 2015 (Faster R-CNN), §3.1: at each place of a map k anchors, each with an objectness score and
           four offsets (Eq. 2); the loss of Eq. (1) over a random sample of anchors; suppression at an IoU of 0.7.
Differs    An anchor is positive from an IoU of 0.6 on, not 0.7: in a scene of 128 pixels a cell is a large step
           relative to a small object. Offsets are divided by VARIANCES, so that one smooth L1 loss fits both anchors
           and proposals.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image

VARIANCES = (0.1, 0.1, 0.2, 0.2)  # of centres in box sides, of log sides: what offsets are divided by
GROWTH = 8.0  # the largest of a side: exp of an untrained output must not overflow
OBJECT, BACKGROUND, NEITHER = 1, 0, -1
NARROWEST = 2.0  # pixels: a box with a shorter side is not a proposal


def anchors(
    grid: tuple[int, int], stride: int, sizes: tuple[float, ...], ratios: tuple[float, ...]
) -> Float[Tensor, "anchors 4"]:
    """Boxes of each size (√area, pixels) and ratio (height / width) at each cell's centre, row by row. §3.1.1."""
    rows, columns = grid
    side, ratio = torch.tensor([(size, ratio) for size in sizes for ratio in ratios]).T
    half = torch.stack([side / ratio.sqrt(), side * ratio.sqrt()], dim=1) / 2
    down, across = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centre = (torch.stack([across, down], dim=-1).reshape(-1, 1, 2) + 0.5) * stride
    return torch.cat([centre - half, centre + half], dim=-1).flatten(0, 1)


def encode(boxes: Float[Tensor, "*n 4"], anchor: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """t = ((x − x_a) / w_a, (y − y_a) / h_a, log w / w_a, log h / h_a), divided by VARIANCES. Eq. (2)."""
    side, own = (b[..., 2:] - b[..., :2] for b in (anchor, boxes))
    shift = (boxes[..., :2] + boxes[..., 2:] - anchor[..., :2] - anchor[..., 2:]) / 2 / side
    return torch.cat([shift, (own / side).log()], dim=-1) / boxes.new_tensor(VARIANCES)


def decode(offsets: Float[Tensor, "*n 4"], anchor: Float[Tensor, "*m 4"]) -> Float[Tensor, "*n 4"]:
    """The boxes with these offsets from the anchors: encode's inverse while no side grows more than eightfold."""
    t = offsets.float() * anchor.new_tensor(VARIANCES)
    side = anchor[..., 2:] - anchor[..., :2]
    centre = (anchor[..., :2] + anchor[..., 2:]) / 2 + t[..., :2] * side
    half = side * t[..., 2:].exp().clamp(max=GROWTH) / 2
    return torch.cat([centre - half, centre + half], dim=-1)


class Matched(NamedTuple):
    """The targets of boxes. kind: OBJECT, BACKGROUND or NEITHER. truth: the index of the object."""

    kind: Int64[Tensor, "batch n"]
    truth: Int64[Tensor, "batch n"]


def match(
    boxes: Float[Tensor, "batch n 4"],
    truths: Float[Tensor, "batch objects 4"],
    labels: Int64[Tensor, "batch objects"],
    *,
    low: float,
    high: float,
    best_too: bool = False,
) -> Matched:
    """Match boxes: OBJECT from an IoU of `high` on, BACKGROUND below `low`, NEITHER in between. §3.1.2.

    labels: 0 if a row of `truths` is padding. best_too: the box with the highest IoU for an object is matched to it,
    too.
    """
    overlap = torch.stack([box_iou(own, truth) for own, truth in zip(boxes, truths, strict=True)])
    overlap = overlap.masked_fill((labels == 0)[:, None], 0.0)
    best, truth = overlap.max(dim=2)
    kind = torch.full_like(truth, NEITHER)
    kind[best < low] = BACKGROUND
    kind[best >= high] = OBJECT
    if best_too:
        highest = overlap.amax(dim=1, keepdim=True)
        kind[((overlap == highest) & (highest > 0)).any(dim=2)] = OBJECT
    return Matched(kind, truth)


def sample(
    kind: Int64[Tensor, "batch n"], count: int, most: int
) -> tuple[Int64[Tensor, "batch count"], Int64[Tensor, "batch count"]]:
    """Draw `count` boxes per image at random, at most `most` of them objects, which come first; and their kinds.
    §3.1.3.

    If an image has too few of either kind, the remaining places have the kind NEITHER and do not count.
    """
    chance = torch.rand(kind.shape, device=kind.device)
    positive = kind == OBJECT
    place = (positive + chance).argsort(dim=1, descending=True).argsort(dim=1)  # objects in random order, then others
    chosen = positive & (place < most)
    key = torch.where(chosen, 2 + chance, torch.where(kind == BACKGROUND, 1 + chance, 0.0))
    value, index = key.topk(min(count, kind.shape[1]), dim=1)
    kinds = torch.where(value >= 2, OBJECT, torch.where(value >= 1, BACKGROUND, NEITHER))
    return index, kinds


def picked(values: Tensor, index: Int64[Tensor, "batch k"]) -> Tensor:
    """The values[b, index[b, k]] of each image b: (batch, n, …) to (batch, k, …)."""
    return values[torch.arange(len(index), device=index.device)[:, None], index]


def proposal_loss(
    scores: Float[Tensor, "batch n"],
    offsets: Float[Tensor, "batch n 4"],
    anchor: Float[Tensor, "n 4"],
    truths: Float[Tensor, "batch objects 4"],
    labels: Int64[Tensor, "batch objects"],
    *,
    count: int = 64,
) -> Float[Tensor, ""]:
    """Eq. (1), summed over images: log loss of objectness, smooth L1 of objects' offsets, over `count` anchors."""
    matched = match(anchor.expand(len(truths), -1, -1), truths, labels, low=0.3, high=0.6, best_too=True)
    index, kind = sample(matched.kind, count, count // 2)
    counts, positive = kind != NEITHER, kind == OBJECT
    objectness = functional.binary_cross_entropy_with_logits(
        picked(scores.float(), index)[counts], positive[counts].float(), reduction="sum"
    )
    wanted = encode(picked(truths, picked(matched.truth, index))[positive], anchor[index][positive])
    moved = functional.smooth_l1_loss(picked(offsets.float(), index)[positive], wanted, reduction="sum")
    return (objectness + moved) / count


class Proposals(NamedTuple):
    """The same number of boxes for each image. there: False for padding."""

    boxes: Float[Tensor, "batch n 4"]
    there: Bool[Tensor, "batch n"]


@torch.no_grad()
def propose(
    scores: Float[Tensor, "batch n"],
    offsets: Float[Tensor, "batch n 4"],
    anchor: Float[Tensor, "n 4"],
    size: tuple[int, int],
    *,
    keep: int,
    candidates: int = 300,
    suppression: float = 0.7,
) -> Proposals:
    """The boxes with the highest scores, clipped to the image, without those that overlap a higher one. §3.1.3, §4.1.

    size: height and width of the images. keep: boxes per image, of the `candidates` with the highest scores.
    """
    best, which = scores.float().topk(min(candidates, scores.shape[1]), dim=1)  # highest first
    boxes = clip_boxes_to_image(decode(picked(offsets, which), anchor[which]), size)
    wide = (boxes[..., 2:] - boxes[..., :2] >= NARROWEST).all(dim=-1)
    image = torch.arange(len(boxes), device=boxes.device)[:, None].expand_as(best)
    kept = batched_nms(boxes[wide], best[wide], image[wide], suppression)
    stays = wide.flatten().nonzero()[:, 0][kept]
    there = torch.zeros_like(wide).flatten().index_fill(0, stays, True).view_as(wide)
    order = there.int().argsort(dim=1, descending=True, stable=True)[:, :keep]  # kept ones first, by score
    return Proposals(picked(boxes, order), picked(there, order))


class ProposalHead(nn.Module):
    """A 3×3 convolution and two 1×1 convolutions, the same on every map: k scores and 4 k offsets per cell. Fig. 3."""

    def __init__(self, channels: int, k: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(channels, channels, 3, padding=1)
        self.scores, self.offsets = nn.Conv2d(channels, k, 1), nn.Conv2d(channels, 4 * k, 1)
        for layer in (self.scores, self.offsets):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(
        self, maps: list[Float[Tensor, "batch channels _ _"]]
    ) -> tuple[Float[Tensor, "batch n"], Float[Tensor, "batch n 4"]]:
        """Scores and offsets of all anchors of all maps, in the order of `anchors`: cell by cell, k of each."""
        hidden = [functional.relu(self.shared(x)) for x in maps]
        scores = torch.cat([self.scores(x).permute(0, 2, 3, 1).flatten(1) for x in hidden], dim=1)
        offsets = torch.cat([self.offsets(x).permute(0, 2, 3, 1).flatten(1) for x in hidden], dim=1)
        return scores, offsets.unflatten(1, (-1, 4))

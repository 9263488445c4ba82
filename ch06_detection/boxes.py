"""Boxes: how two of them are compared, written as offsets from a default box, and thinned out.

Question   A detector predicts a hundred boxes per object. How much do two of them overlap, and which one is kept?
Method     Intersection over union (Everingham et al. 2010, Eq. 3); centre form and offsets (Girshick et al. 2014,
           App. C), divided by variances (Liu et al. 2016, their published code); greedy non-maximum suppression.
Rival      Non-maximum suppression one box after the other, as papers describe it; torchvision's, which is compiled.
Differs    Two boxes without an area have an IoU of 0, where other code has 0 / 0. Coordinates are edges, not pixels: a
           box is x2 − x1 wide, without the one that VOC's code adds. Half precision and integers are computed in single
           precision. NaN is checked when data are read, not here.
Costs      4 s on two cores, besides the scenes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, Real
from torch import Tensor
from torchvision import ops

from ch06_detection.drawings.boxes import draw_kept, draw_neighbours, draw_offset, draw_offsets, draw_overlaps
from common.data.checked_inputs import as_many, precise
from common.data.scenes import scenes
from common.run import Run

Boxes = Float[Tensor, "n 4"]
BLOCK, FEW = 128, 800  # boxes per block of nms; boxes that are faster together than class by class
THRESHOLDS = (0.3, 0.5, 0.7)  # of suppression
NEIGHBOURS = np.linspace(0, 0.9, 19)  # IoU of two objects
FAR, NEAR = (0.5, 0.7), (0.15, 0.2)  # spreads of boxes: of centres relative to sizes, of log sizes
BESIDE = {  # a unit square and …
    "a tenth aside": (0.1, 0.0, 1.1, 1.0), "a third aside": (1 / 3, 0.0, 4 / 3, 1.0),
    "a third both ways": (1 / 3, 1 / 3, 4 / 3, 4 / 3), "half the size": (0.25, 0.25, 0.75, 0.75),
}  # fmt: skip
VARIANCES = (0.1, 0.2)  # of centres, of log sizes: what offsets are divided by, so that they are of about one size


def area(boxes: Real[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Width × height of boxes (x1, y1, x2, y2)."""
    boxes = precise(boxes)
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou_of_pairs(a: Real[Tensor, "*n 4"], b: Real[Tensor, "*m 4"]) -> Float[Tensor, "*k"]:
    """|A ∩ B| / |A ∪ B| of boxes side by side, xyxy, shapes broadcast; 0, not 0 / 0, where the union has no area."""
    (left, top, right, bottom), (left_b, top_b, right_b, bottom_b) = (
        precise(x).movedim(-1, 0).contiguous() for x in (a, b)
    )
    # In place where possible: matrices of pairs are large, and allocating memory costs more than the arithmetic.
    width = torch.minimum(right, right_b).sub_(torch.maximum(left, left_b)).clamp_(min=0)
    height = torch.minimum(bottom, bottom_b).sub_(torch.maximum(top, top_b)).clamp_(min=0)
    common = width.mul_(height)
    union = ((right - left) * (bottom - top) + (right_b - left_b) * (bottom_b - top_b)).sub_(common)
    return common.div_(union.clamp_(min=torch.finfo(union.dtype).tiny))


def iou(a: Real[Tensor, "n 4"], b: Real[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """The IoU of every box of a with every box of b, xyxy."""
    return iou_of_pairs(a[:, None], b)


def centre_form(boxes: Real[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Convert (x1, y1, x2, y2) to (cx, cy, w, h)."""
    boxes = precise(boxes)
    size = boxes[..., 2:] - boxes[..., :2]
    return torch.cat([boxes[..., :2] + size / 2, size], dim=-1)


def corner_form(boxes: Real[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Convert (cx, cy, w, h) to (x1, y1, x2, y2)."""
    boxes = precise(boxes)
    half = boxes[..., 2:] / 2
    return torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], dim=-1)


def encode(
    boxes: Real[Tensor, "*n 4"], defaults: Real[Tensor, "*m 4"], variances: tuple[float, float] = VARIANCES
) -> Float[Tensor, "*n 4"]:
    """The offsets (Δcx, Δcy, Δw, Δh) from each default box to its box; both xyxy. Eq. (2), Liu et al. 2016."""
    boxes, defaults = centre_form(boxes), centre_form(defaults)
    centres = (boxes[..., :2] - defaults[..., :2]) / defaults[..., 2:] / variances[0]
    return torch.cat([centres, torch.log(boxes[..., 2:] / defaults[..., 2:]) / variances[1]], dim=-1)


def decode(
    offsets: Float[Tensor, "*n 4"], defaults: Real[Tensor, "*m 4"], variances: tuple[float, float] = VARIANCES
) -> Float[Tensor, "*n 4"]:
    """The boxes, xyxy, from default boxes and offsets: encode's inverse."""
    offsets, defaults = precise(offsets), centre_form(defaults)
    centres = defaults[..., :2] + variances[0] * offsets[..., :2] * defaults[..., 2:]
    return corner_form(torch.cat([centres, defaults[..., 2:] * torch.exp(variances[1] * offsets[..., 2:])], dim=-1))


def clip(boxes: Real[Tensor, "*n 4"], height: int, width: int) -> Float[Tensor, "*n 4"]:
    """The parts of the boxes that lie in an image."""
    boxes = precise(boxes)
    limits = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), limits)


def nms_one_by_one(boxes: Real[Tensor, "n 4"], scores: Real[Tensor, "..."], threshold: float) -> Int[Tensor, "kept"]:
    """Indices of the kept boxes, highest score first: each removes those whose IoU with it is above the threshold."""
    as_many(boxes, scores=scores)
    order = scores.argsort(descending=True, stable=True)
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        order = order[~(iou(boxes[first, None], boxes[order])[0] > threshold)]
    return torch.stack(kept) if kept else order


def nms(boxes: Real[Tensor, "n 4"], scores: Real[Tensor, "..."], threshold: float) -> Int[Tensor, "kept"]:
    """The same, by blocks: decide which of the BLOCK highest-scoring boxes are kept, then remove what these overlap.

    Within a block, a box is kept if and only if no kept box with a higher score overlaps it: an equation, stay =
    f(stay). The first k entries of the solution determine the next, so that iterating f from any start reaches it,
    usually in few rounds. Of equal scores the first ranks higher. Raises ValueError unless there are n scores.
    """
    as_many(boxes, scores=scores)
    order = scores.argsort(descending=True, stable=True)
    left, kept = boxes[order], [order[:0]]
    while len(order):
        head = left[:BLOCK]
        over = (iou(head, head) > threshold).triu(diagonal=1)  # over[i, j]: i has the higher score, and overlaps j
        stay, before = ~over.any(dim=0), None
        while before is None or not torch.equal(stay, before):
            stay, before = ~(over & stay[:, None]).any(dim=0), stay
        kept.append(order[:BLOCK][stay])
        clear = ~(iou(head[stay], left[BLOCK:]) > threshold).any(dim=0)
        left, order = left[BLOCK:][clear], order[BLOCK:][clear]
    return torch.cat(kept)


def nms_by_class(
    boxes: Real[Tensor, "n 4"], scores: Real[Tensor, "..."], labels: Integer[Tensor, "..."], threshold: float
) -> Int[Tensor, "kept"]:
    """The same as nms within each label. If boxes are few, labels are moved far apart, so that they do not overlap."""
    as_many(boxes, scores=scores, labels=labels)
    if len(boxes) > FEW:
        members = [torch.nonzero(labels == label)[:, 0] for label in labels.unique()]
        kept = torch.cat([own[nms(boxes[own], scores[own], threshold)] for own in members]).sort().values
        return kept[scores[kept].argsort(descending=True, stable=True)]
    boxes = boxes.double()  # far from 0, single precision is coarse
    side = boxes.max() - boxes.min() + 1 if len(boxes) else 0
    return nms(boxes + labels[:, None] * side, scores, threshold)


class Crowd(NamedTuple):
    """Many boxes around each of some objects. objects: the index of each box's object."""

    boxes: Float[Tensor, "n 4"]
    scores: Float[Tensor, "n"]
    objects: Int[Tensor, "n"]


def crowd(
    boxes: Float[Tensor, "objects 4"], copies: int, reach: tuple[float, float], rng: np.random.Generator
) -> Crowd:
    """Boxes at uniform random offsets within reach, if their IoU is at least one half. Scores: that IoU plus noise."""
    objects = torch.arange(len(boxes)).repeat_interleave(copies)
    offsets = torch.from_numpy(rng.uniform(-1, 1, (len(objects), 4))).float()
    around = decode(offsets, boxes[objects], variances=reach)
    overlap = iou_of_pairs(around, boxes[objects])
    scores = overlap + 0.1 * torch.from_numpy(rng.normal(size=len(objects))).float()
    near = overlap >= 0.5
    return Crowd(around[near], scores[near], objects[near])


def adjacent_crowd(overlap: float, pairs: int, rng: np.random.Generator) -> Crowd:
    """Pairs of adjacent unit squares with that IoU, and ten boxes around each. Pairs lie far apart."""
    aside = (1 - overlap) / (1 + overlap)
    left = 10 * torch.arange(pairs).float().repeat_interleave(2) + aside * torch.arange(2).repeat(pairs)
    zero = torch.zeros(2 * pairs)
    return crowd(torch.stack([left, zero, left + 1, zero + 1], dim=1), 10, NEAR, rng)


def count_errors(crowded: Crowd, threshold: float) -> tuple[float, float]:
    """Objects that keep no box, and boxes beyond an object's first, both in per cent of the objects."""
    there, left = len(crowded.objects.unique()), crowded.objects[nms(crowded.boxes, crowded.scores, threshold)]
    return 100 * (there - len(left.unique())) / there, 100 * (len(left) - len(left.unique())) / there


def lesson(run: Run) -> None:
    square = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    beside = {name: torch.tensor([box]) for name, box in BESIDE.items()}
    run.figure(
        "overlap", draw_overlaps, square, list(beside.values()),
        [f"{name}\nIoU {iou(square, box).item():.2f}" for name, box in beside.items()],
        caption="A unit square, and other boxes beside it or within it, with the IoU of each pair.",
    )  # fmt: skip

    default, box = torch.tensor([[40.0, 40, 80, 80], [50, 36, 82, 84]])  # the example that the README computes
    run.figure(
        "example", draw_offset, default, box, encode(box, default), VARIANCES,
        caption="A default box and the box of an object: how far the centre moves, both sizes, and the four offsets.",
    )  # fmt: skip
    # What a network has to learn: the offsets that lead to an object from boxes that lie near enough.
    part = scenes(run.scale).validation
    truths = torch.cat([target["boxes"] for target in part.targets])
    far = crowd(truths, run.pick(smoke=20, lecture=100), FAR, run.rng)
    bare, divided = (encode(truths[far.objects], far.boxes, by) for by in ((1.0, 1.0), VARIANCES))
    spread = [(offsets[:, :2].std().item(), offsets[:, 2:].std().item()) for offsets in (bare, divided)]
    for k, what in enumerate(("centres", "logarithms of sizes")):
        run.fact(f"standard deviation of offsets, {what}", spread[0][k])
        run.fact(f"the same, divided by {VARIANCES[k]}", spread[1][k])
    run.figure(
        "offsets", draw_offsets, bare, divided,
        caption=f"Offsets to objects from boxes whose IoU with them is a half or more; right: divided by {VARIANCES}.",
    )  # fmt: skip

    shown = int(np.argmax([len(target["labels"]) for target in part.targets]))
    crowded = crowd(part.targets[shown]["boxes"], 25, NEAR, run.rng)
    stays = {f"{t:g}": crowded.boxes[nms(crowded.boxes, crowded.scores, t)] for t in THRESHOLDS}
    run.figure(
        "kept", draw_kept, part.images[shown], {"all": crowded.boxes, **stays},
        caption=f"{len(crowded.boxes)} boxes around some objects, and those that non-maximum suppression keeps at "
        "thresholds of 0.3, 0.5 and 0.7.",
    )  # fmt: skip
    pairs = run.pick(smoke=20, lecture=400)
    wrong = np.array(
        [[count_errors(adjacent_crowd(q, pairs, run.rng), t) for t in THRESHOLDS] for q in NEIGHBOURS.tolist()]
    )
    lost, twice = wrong[10, :, 0], wrong[0, :, 1]
    for k, threshold in enumerate(THRESHOLDS):
        run.fact(f"neighbours of IoU 0.5 that are lost at {threshold}", lost[k], "%")
        run.fact(f"duplicates kept at {threshold}, objects side by side", twice[k], "%")
    run.figure(
        "neighbours", draw_neighbours, NEIGHBOURS, wrong, THRESHOLDS,
        caption="Pairs of equal objects, ten boxes around each: objects that suppression loses, and duplicates.",
    )  # fmt: skip

    n = run.pick(smoke=300, lecture=4000)
    corner = torch.from_numpy(run.rng.uniform(0, 1000, (n, 2)))
    random = torch.cat([corner, corner + torch.from_numpy(run.rng.uniform(10, 200, (n, 2)))], dim=1).float()
    scores = torch.from_numpy(run.rng.random(n)).float()
    for name, work in {"one by one": nms_one_by_one, "by blocks": nms, "torchvision": ops.nms}.items():
        with run.method(f"suppression, {name}", kind="reference" if work is ops.nms else "from scratch") as method:
            stay = method.time(work, random, scores, 0.5)
            method.measure(f"boxes that stay of {n}", len(stay), n=n)
    run.note(
        f"Near enough to matter, offsets of centres have a σ of {spread[0][0]:.2f}, logarithms of sizes one of "
        f"{spread[0][1]:.2f}; divided by {VARIANCES}, {spread[1][0]:.2f} and {spread[1][1]:.2f}."
    )
    run.note(
        f"Of equal neighbours that share a half, suppression at 0.3 loses {lost[0]:.0f} % and at 0.7 {lost[2]:.0f} %; "
        f"of a hundred objects side by side (IoU 0), it leaves {twice[0]:.0f} and {twice[2]:.0f} duplicates."
    )

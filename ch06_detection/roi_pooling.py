"""One feature map for every proposal: a window of any size becomes a grid of a fixed size.

Question   The proposals of one picture overlap. Must a network process each of them from the pixels on?
Method     RoI max pooling: Girshick 2015 (Fast R-CNN), §2.1. The RoI is divided into bins, and each bin keeps its
           largest value. All bins at once: the largest values of all h×w rectangles of cells come from those of
           smaller ones, one comparison each; every bin is one of these rectangles.
Rival      The same trunk on every proposal cut out; torchvision's roi_pool; RoI Align (He et al. 2017), which does
           not round.
Differs    The paper leaves open how edges are rounded. Here it is as in its author's program and in torchvision.
Costs      2 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64, Real
from torch import Tensor, nn
from torchvision import ops

from ch06_detection.drawings.roi_pooling import draw_pooling, draw_shift
from ch06_detection.trunk.crops import cut
from ch06_detection.trunk.layers import STRIDE, small_trunk
from common.data.checked_inputs import as_many, precise
from common.data.scenes import scenes
from common.image_classifier import Pixels
from common.proposals.grouping import propose_all
from common.run import Run
from common.seeding import build_seeded

CHANNELS = 128  # that are pooled at once: the rectangles of more would take much memory
SIDE = 6  # bins of an RoI along each axis
SHOWN = 1  # the scene that is drawn
Maps = Float[Tensor, "batch channels height width"]
Pooled = Float[Tensor, "n channels rows columns"]


def bin_edges(
    low: Float[Tensor, "n"], high: Float[Tensor, "n"], bins: int, scale: float, cells: int
) -> tuple[Int64[Tensor, "n bins"], Int64[Tensor, "n bins"]]:
    """First cell of every bin, and the one after its last, along one axis of `cells` cells.

    An RoI's ends are rounded to cells, halves away from 0, and both belong to it; it has at least one cell. A bin
    reaches from floor(k · size) to ceil((k + 1) · size): bins share cells where sizes are not whole.
    """
    first, last = ((x * scale).abs().add(0.5).floor() * x.sign() for x in (low, high))
    size = ((last - first + 1).clamp(min=1) / bins)[:, None]
    k = torch.arange(bins, device=low.device)
    start, end = first[:, None] + (k * size).floor(), first[:, None] + ((k + 1) * size).ceil()
    return start.clamp(0, cells).long(), end.clamp(0, cells).long()


def roi_pool_one_by_one(
    features: Maps, boxes: Real[Tensor, "..."], output_size: tuple[int, int], spatial_scale: float
) -> Pooled:
    """§2.1 word for word: for each RoI (image, x1, y1, x2, y2), for each bin, its largest value."""
    boxes = check_rois(features, boxes)
    (rows, columns), (height, width) = output_size, features.shape[2:]
    top, bottom = bin_edges(boxes[:, 2], boxes[:, 4], rows, spatial_scale, height)
    left, right = bin_edges(boxes[:, 1], boxes[:, 3], columns, spatial_scale, width)
    pooled = features.new_zeros(len(boxes), features.shape[1], rows, columns)
    for n, image in enumerate(boxes[:, 0].long()):
        for i in range(rows):
            for j in range(columns):
                cells = features[image, :, top[n, i] : bottom[n, i], left[n, j] : right[n, j]]
                if cells[0].numel():  # a bin that lies outside the map is empty: 0
                    pooled[n, :, i, j] = cells.amax(dim=(1, 2))
    return pooled


def roi_pool(
    features: Maps,
    boxes: Real[Tensor, "..."] | Sequence[Tensor],
    output_size: tuple[int, int],
    spatial_scale: float,
) -> Pooled:
    """The largest value in each bin of each RoI: Girshick 2015, §2.1. Gradients go to it alone: Eq. (4).

    boxes: in pixels of the image, (image, x1, y1, x2, y2) or a (n, 4) for each image. spatial_scale: cells a pixel.
    Values and gradients are torchvision's. Raises ValueError for features in double precision, whose places would not
    fit in a key, for RoIs of another shape, and for the number of an image that isn't there.
    """
    if features.dtype == torch.float64:
        raise ValueError("roi_pool takes at most single precision")
    boxes = check_rois(features, boxes).float()
    (height, width), image = features.shape[2:], boxes[:, 0].long()
    if not len(boxes):
        return features.sum() * 0 + features.new_zeros(0, features.shape[1], *output_size)
    top, bottom = bin_edges(boxes[:, 2], boxes[:, 4], output_size[0], spatial_scale, height)
    left, right = bin_edges(boxes[:, 1], boxes[:, 3], output_size[1], spatial_scale, width)
    rows, columns = (bottom - top).clamp(min=1), (right - left).clamp(min=1)
    most = int(rows.max()), int(columns.max())
    which = (image[:, None] * most[0] + rows - 1)[:, :, None] * most[1] + columns[:, None] - 1
    start = top.clamp(max=height - 1)[:, :, None] * width + left.clamp(max=width - 1)[:, None]
    bins = (which * (height * width) + start).flatten()
    empty = (bottom <= top)[:, :, None] | (right <= left)[:, None]
    pooled = []
    for part in features.split(CHANNELS, dim=1):
        cells = part.permute(0, 2, 3, 1)
        if part.requires_grad and torch.is_grad_enabled():
            with torch.no_grad():
                best = rectangle_maxima(ordered_keys(cells), *most).flatten(0, 4)[bins]
                place = height * width - 1 - (best & 0xFFFFFFFF)
                place += image.repeat_interleave(empty[0].numel())[:, None] * (height * width)
            values = cells.flatten(0, 2).gather(0, place)
        else:
            values = rectangle_maxima(cells, *most).flatten(0, 4)[bins]
        pooled.append(values.view(*empty.shape, -1).masked_fill(empty[..., None], 0))
    return torch.cat(pooled, dim=3).permute(0, 3, 1, 2)


def rectangle_maxima(cells: Tensor, rows: int, columns: int) -> Tensor:
    """[b, h, w, y, x] is the largest of the (h + 1) × (w + 1) cells of image b from (y, x) on, channel by channel.

    cells: (B, H, W, C). Each maximum is one comparison: with the cell to the right, with the row below. Rectangles that
    reach beyond the map are left undefined.
    """
    batch, height, width, channels = cells.shape
    table = cells.new_empty(batch, rows, columns, height, width, channels)
    table[:, 0, 0] = cells
    for w in range(1, columns):
        ahead = width - w
        torch.maximum(table[:, 0, w - 1, :, :ahead], cells[:, :, w:], out=table[:, 0, w, :, :ahead])
    for h in range(1, rows):
        above = height - h
        torch.maximum(table[:, h - 1, :, :above], table[:, 0, :, h:], out=table[:, h, :, :above])
    return table


def ordered_keys(cells: Float[Tensor, "batch height width channels"]) -> Int64[Tensor, "batch height width channels"]:
    """Whole numbers in the order of the values; of equal values, the one that comes first in its map is largest.

    High 32 bits: the value as an ordered integer; low 32 bits: the number of cells behind it. The largest key thus
    carries its own place.
    """
    bits = (cells.float() + 0.0).contiguous().view(torch.int32)  # −0 becomes 0
    order = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32
    behind = torch.arange(cells.shape[1] * cells.shape[2] - 1, -1, -1, device=cells.device)
    return order | behind.view(*cells.shape[1:3], 1)


def check_rois(features: Maps, boxes: Real[Tensor, "..."] | Sequence[Tensor]) -> Float[Tensor, "n 5"]:
    """The RoIs as roi_pool takes them, beside the features. Raises ValueError where they do not fit to them."""
    if not isinstance(boxes, Tensor):
        if len(boxes) != len(features):
            raise ValueError(f"maps of {len(features)} images need as many sets of boxes, got {len(boxes)}")
        boxes = number_boxes(boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(f"windows must be (n, 5), (image, x1, y1, x2, y2), got {tuple(boxes.shape)}")
    image = boxes[:, 0]
    if len(wrong := image[~((image >= 0) & (image < len(features)) & (image == image.floor()))]):
        raise ValueError(f"maps of {len(features)} images have no image {wrong[0].item():g}")
    return precise(boxes.detach().to(features.device))


def number_boxes(boxes: Sequence[Tensor]) -> Float[Tensor, "n 5"]:
    """(image, x1, y1, x2, y2) of the boxes of several images. Raises ValueError where some are not (n, 4)."""
    for own in boxes:
        as_many(own)
    boxes = [precise(own) for own in boxes]
    counts = torch.tensor([len(own) for own in boxes])
    together = torch.cat([*boxes, torch.zeros(0, 4, device=boxes[0].device if boxes else None)])
    image = torch.arange(len(boxes)).repeat_interleave(counts).to(together)
    return torch.cat([image[:, None], together], dim=1)


def edge_map(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1 rows columns"]:
    """The mean steepness of brightness in cells of STRIDE pixels: a map that a reader can check by eye."""
    grey = images.mean(dim=1, keepdim=True)
    steep = grey.diff(dim=2)[..., 1:].abs() + grey.diff(dim=3)[:, :, 1:].abs()
    return nn.functional.adaptive_avg_pool2d(steep, (images.shape[2] // STRIDE, images.shape[3] // STRIDE))


def median_seconds(work: Callable[[], Tensor], times: int) -> float:
    """Median seconds of a call, after one to warm up."""
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def largest_change(pooled: Float[Tensor, "positions features"]) -> float:
    """Between neighbouring positions, relative to the length of the features at the first."""
    return float(pooled.diff(dim=0).norm(dim=1).max() / pooled[0].norm())


def lesson(run: Run) -> None:
    part = scenes(run.scale).validation
    image = part.images[SHOWN]
    trunk = build_seeded(lambda: small_trunk()[0], run.seed).eval()  # speed does not depend on the weights
    pixels = Pixels.of(part.images)
    inputs = pixels(part.images[: run.pick(smoke=2, lecture=10)])
    boxes = [proposals[:150] for proposals in propose_all(part.images[: len(inputs)], workers=1, seed=run.seed)]
    several, times = number_boxes(boxes), run.pick(smoke=1, lecture=5)
    with torch.inference_mode():
        maps = trunk(inputs)
        windows = {
            "roi_pool": lambda: roi_pool(maps, several, (SIDE, SIDE), 1 / STRIDE),
            "one by one": lambda: roi_pool_one_by_one(maps, several[: len(boxes[0])], (SIDE, SIDE), 1 / STRIDE),
            "torchvision's roi_pool": lambda: ops.roi_pool(maps, several, (SIDE, SIDE), 1 / STRIDE),
            "the trunk, once an image": lambda: trunk(inputs),
            "the trunk on every crop": lambda: trunk(cut(inputs[:1], boxes[:1], (8 * SIDE, 8 * SIDE))),
        }
        of_one = ("one by one", "the trunk on every crop")  # are slow: the first image is enough
        taken = {n: median_seconds(work, times) / (1 if n in of_one else len(inputs)) for n, work in windows.items()}
        same = torch.equal(windows["roi_pool"](), windows["torchvision's roi_pool"]())
        shifts = np.linspace(0, STRIDE, run.pick(smoke=5, lecture=65))
        moved = torch.tensor([0.0, 20.0, 20.0, 70.0, 80.0]) + torch.tensor(shifts[:, None] * [0, 1, 0, 1, 0]).float()
        pools = {"RoI pooling": roi_pool, "RoI Align": ops.roi_align}
        pooled = {n: pool(maps[:1], moved, (SIDE, SIDE), 1 / STRIDE).flatten(1) for n, pool in pools.items()}
        changes = {n: ((p - p[0]).norm(dim=1) / p[0].norm()).numpy().astype(float) for n, p in pooled.items()}
        steps = {name: 100 * largest_change(own) for name, own in pooled.items()}
    for name, value in taken.items():
        run.fact(f"milliseconds an image, {name}", 1000 * value, "ms")
    count, theirs = run.fact("proposals an image", len(several) / len(inputs)), 1000 * taken["torchvision's roi_pool"]
    run.fact("equal to torchvision's, 1 for yes", float(same))
    saved = run.fact("a trunk on every crop, over trunk and pooling", taken["the trunk on every crop"]
                     / (taken["the trunk, once an image"] + taken["roi_pool"]), "times")  # fmt: skip
    for name, step in steps.items():
        run.fact(f"largest change when an RoI moves by {shifts[1]:g} pixels, {name}", step, "%")
    shown = torch.tensor([[36.0, 68.0, 76.0, 108.0], [40.0, 45.0, 60.0, 76.0]])  # 6×6 cells, and 4×5 cells
    edges = edge_map(pixels(image[None]))
    bins = [bin_edges(shown[:, k], shown[:, k + 2], 2, 1 / STRIDE, edges.shape[3 - k]) for k in (0, 1)]
    run.figure(
        "pooled", draw_pooling, image, edges[0, 0], shown, roi_pool(edges, [shown], (2, 2), 1 / STRIDE)[:, 0], bins,
        caption="Two RoIs, one per row: in the scene; on a map of 16×16 cells, the mean steepness of brightness, dark "
        "where it is steep (dashed: the RoI; solid: rounded to whole cells); its cells, with 100 times their values, "
        "2×2 bins and the maximum of each bin circled; these maxima, the output. The second RoI has five rows of "
        "cells, so that upper and lower bins share the middle one.",
    )  # fmt: skip
    run.figure(
        "shift", draw_shift, shifts, changes,
        caption="How far the features of an RoI are from those before it moved, in per cent of their length. RoI "
        "pooling rounds the RoI to whole cells; RoI Align interpolates.",
    )  # fmt: skip
    run.note(
        f"{count:.0f} RoIs of a scene: the trunk once and RoI pooling are {saved:.0f} times as "
        f"fast as the trunk on every crop. Pooling takes {1000 * taken['roi_pool']:.1f} ms, torchvision's "
        f"{theirs:.1f} ms, bin by bin {1000 * taken['one by one']:.0f} ms."
    )
    run.note(
        f"An RoI moves by {shifts[1]:g} pixels: RoI pooling's features change by up to {steps['RoI pooling']:.1f} %, "
        f"RoI Align's by at most {steps['RoI Align']:.1f} %."
    )

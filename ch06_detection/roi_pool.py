"""RoI max pooling: bin by bin, as the paper describes it, and all bins at once.

Method     Girshick 2015 (Fast R-CNN), §2.1. Rectangles of cells: the largest value of each comes from those of two
           smaller ones, and every bin is such a rectangle. Edges are rounded as in torchvision.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64, Real
from torch import Tensor

from common.data.checked_inputs import as_many, precise

CHANNELS = 128  # that are pooled at once: the rectangles of more would take much memory
Maps = Float[Tensor, "batch channels height width"]
Pooled = Float[Tensor, "n channels rows columns"]


def numbered(boxes: Sequence[Tensor]) -> Float[Tensor, "n 5"]:
    """(image, x1, y1, x2, y2) of the boxes of several images. Raises ValueError where some are not (n, 4)."""
    for own in boxes:
        as_many(own)
    boxes = [precise(own) for own in boxes]
    counts = torch.tensor([len(own) for own in boxes])
    together = torch.cat([*boxes, torch.zeros(0, 4, device=boxes[0].device if boxes else None)])
    image = torch.arange(len(boxes)).repeat_interleave(counts).to(together)
    return torch.cat([image[:, None], together], dim=1)


def windows_of(features: Maps, boxes: Real[Tensor, "..."] | Sequence[Tensor]) -> Float[Tensor, "n 5"]:
    """The windows as roi_pool takes them, beside the features. Raises ValueError where they do not fit to them."""
    if not isinstance(boxes, Tensor):
        if len(boxes) != len(features):
            raise ValueError(f"maps of {len(features)} images need as many sets of boxes, got {len(boxes)}")
        boxes = numbered(boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(f"windows must be (n, 5), (image, x1, y1, x2, y2), got {tuple(boxes.shape)}")
    image = boxes[:, 0]
    if len(wrong := image[~((image >= 0) & (image < len(features)) & (image == image.floor()))]):
        raise ValueError(f"maps of {len(features)} images have no image {wrong[0].item():g}")
    return precise(boxes.detach().to(features.device))


def bin_edges(
    low: Float[Tensor, "n"], high: Float[Tensor, "n"], bins: int, scale: float, cells: int
) -> tuple[Int64[Tensor, "n bins"], Int64[Tensor, "n bins"]]:
    """First cell of every bin, and the one after its last, along one axis of `cells` cells.

    A window's ends are rounded to cells, halves away from 0, and both belong to it; it has at least one cell. A bin
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
    """§2.1 word for word: for each window (image, x1, y1, x2, y2), for each bin, its largest value."""
    boxes = windows_of(features, boxes)
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


def largest(cells: Tensor, rows: int, columns: int) -> Tensor:
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


def keys(cells: Float[Tensor, "batch height width channels"]) -> Int64[Tensor, "batch height width channels"]:
    """Whole numbers in the order of the values; of equal values, the one that comes first in its map is largest.

    High 32 bits: the value as an ordered integer; low 32 bits: the number of cells behind it. The largest key thus
    carries its own place.
    """
    bits = (cells.float() + 0.0).contiguous().view(torch.int32)  # −0 becomes 0
    order = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32
    behind = torch.arange(cells.shape[1] * cells.shape[2] - 1, -1, -1, device=cells.device)
    return order | behind.view(*cells.shape[1:3], 1)


def roi_pool(
    features: Maps,
    boxes: Real[Tensor, "..."] | Sequence[Tensor],
    output_size: tuple[int, int],
    spatial_scale: float,
) -> Pooled:
    """The largest value in each bin of each window: Girshick 2015, §2.1. Gradients go to it alone: Eq. (4).

    boxes: in pixels of the image, (image, x1, y1, x2, y2) or a (n, 4) for each image. spatial_scale: cells a pixel.
    Values and gradients are torchvision's. Raises ValueError for features in double precision, whose places would not
    fit in a key, for windows of another shape, and for the number of an image that isn't there.
    """
    if features.dtype == torch.float64:
        raise ValueError("roi_pool takes at most single precision")
    boxes = windows_of(features, boxes).float()
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
                best = largest(keys(cells), *most).flatten(0, 4)[bins]
                place = height * width - 1 - (best & 0xFFFFFFFF)
                place += image.repeat_interleave(empty[0].numel())[:, None] * (height * width)
            values = cells.flatten(0, 2).gather(0, place)
        else:
            values = largest(cells, *most).flatten(0, 4)[bins]
        pooled.append(values.view(*empty.shape, -1).masked_fill(empty[..., None], 0))
    return torch.cat(pooled, dim=3).permute(0, 3, 1, 2)

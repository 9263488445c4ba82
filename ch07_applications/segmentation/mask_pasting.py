"""Masks in boxes and in images: a full-size mask becomes a box's m × m grid, and the grid a full-size mask again.

Method     He et al. 2017 (Mask R-CNN), §3.1, "Inference": the m × m output is resized to the RoI and binarised at 0.5.
           Both directions are bilinear sampling: along one axis the value at a continuous place p is Σ_i max(0, 1 − |p
           − i|) x_i (Jaderberg et al. 2015, Eq. 5). The weights of both axes multiply, so that sampling a grid is two
           matrix products, rows · image · columnsᵀ.
Places     Pixel i covers [i, i + 1] and its centre is i + ½; the centre of cell k of a box's m cells is x1 + (k + ½)
           (x2 − x1) / m. Pasting uses exactly the inverse of that map, which half a pixel would spoil.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

THRESHOLD = 0.5


def bilinear_weights(places: Float[Tensor, "*n"], cells: int) -> Float[Tensor, "*n cells"]:
    """max(0, 1 − |p − i|): the weight of each of `cells` values at place p; value i lies at p = i.

    Beyond the first and the last value, these are repeated.
    """
    index = torch.arange(cells, device=places.device, dtype=places.dtype)
    return (1 - (places.clamp(0, cells - 1)[..., None] - index).abs()).clamp(min=0)


def cell_places(
    low: Float[Tensor, "*n"], high: Float[Tensor, "*n"], cells: int, samples: int = 1
) -> Float[Tensor, "*n places"]:
    """The continuous places of cells between two ends, `samples` in each cell, evenly spaced."""
    share = (torch.arange(cells * samples, device=low.device, dtype=low.dtype) + 0.5) / (cells * samples)
    return low[..., None] + (high - low)[..., None] * share


def crop_masks(
    masks: Bool[Tensor, "n height width"], boxes: Float[Tensor, "n 4"], side: int
) -> Bool[Tensor, "n side side"]:
    """Each mask within its box, as a grid of side × side cells: the target of the mask head. §3.1.

    If a cell is larger than a pixel, its value is the mean of samples about a pixel apart.
    """
    samples = max(1, round(masks.shape[1] / side / 2))
    rows, columns = (
        bilinear_weights(cell_places(boxes[:, k], boxes[:, k + 2], side, samples) - 0.5, length)
        for k, length in ((1, masks.shape[1]), (0, masks.shape[2]))
    )
    rows, columns = (weights.unflatten(1, (side, samples)).mean(dim=2) for weights in (rows, columns))
    return rows @ masks.to(rows) @ columns.mT >= THRESHOLD


def paste(
    grids: Float[Tensor, "n side side"], boxes: Float[Tensor, "n 4"], size: tuple[int, int]
) -> Float[Tensor, "n height width"]:
    """Each grid of probabilities resized to its box in an image (height, width); 0 outside the box. §3.1."""
    side, ways = grids.shape[1], []
    for k, length in ((1, size[0]), (0, size[1])):
        centre = torch.arange(length, device=boxes.device, dtype=boxes.dtype) + 0.5
        low, high = boxes[:, k, None], boxes[:, k + 2, None]
        weights = bilinear_weights((centre - low) / (high - low) * side - 0.5, side)
        ways.append(weights * ((centre >= low) & (centre <= high))[..., None])
    rows, columns = ways
    return rows @ grids.to(rows) @ columns.mT


def paste_masks(
    grids: Float[Tensor, "n side side"], boxes: Float[Tensor, "n 4"], size: tuple[int, int]
) -> Bool[Tensor, "n height width"]:
    """The masks of an image: probabilities at full resolution, binarised at one half. §3.1."""
    return paste(grids, boxes, size) >= THRESHOLD

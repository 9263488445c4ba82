"""Windows of the classical detector: their size per class, their places, and what an object looks like in one.

A window is measured in cells. The object fills its middle; around it lies a margin of context, which helps (Dalal &
Triggs 2005, §6.6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor
from torchvision.ops import box_area, box_convert

from common.hog_detection.dense_hog import Cells

PIXELS = 1 << 19  # of images at work at a time
CHUNK = 1 << 17  # pixels of crops at work at a time: they stay in the processor's cache


@dataclass(frozen=True)
class Window:
    """rows, columns: of cells, the margin included. height, width: of the object in the middle, in pixels."""

    rows: int
    columns: int
    height: float
    width: float
    cells: Cells

    @classmethod
    def of_aspect(cls, aspect: float, cells: Cells, area: float, margin: int) -> Window:
        """The window for objects of this width / height, of so many cells in area."""
        high, wide = math.sqrt(area / aspect), math.sqrt(area * aspect)
        least = max(1, cells.block - 2 * margin)  # a window holds one block at least
        rows, columns = (max(least, round(side)) + 2 * margin for side in (high, wide))
        return cls(rows, columns, high * cells.pixels, wide * cells.pixels, cells)

    @property
    def shape(self) -> tuple[int, int]:
        """Blocks down and across."""
        return self.rows - self.cells.block + 1, self.columns - self.cells.block + 1

    def boxes(
        self, row: Int[np.ndarray, "n"], column: Int[np.ndarray, "n"], scale: tuple[float, float]
    ) -> Float32[np.ndarray, "n 4"]:
        """Where the objects lie, xyxy, in a picture of which the level is scale (down, across) times as large."""
        y = (row - self.cells.padding + self.rows / 2) * self.cells.pixels
        x = (column - self.cells.padding + self.columns / 2) * self.cells.pixels
        high, wide = self.height / 2, self.width / 2
        corners = np.stack([x - wide, y - high, x + wide, y + high], axis=-1)
        return (corners / [scale[1], scale[0], scale[1], scale[0]]).astype(np.float32)


class Found(NamedTuple):
    """Windows of a chunk of images: the boxes, clipped; score, class, image and level; the first block."""

    boxes: Float[Tensor, "n 4"]
    scores: Float[Tensor, "n"]
    labels: Int[Tensor, "n"]
    images: Int[Tensor, "n"]
    levels: Int[Tensor, "n"]
    rows: Int[Tensor, "n"]
    columns: Int[Tensor, "n"]

    def take(self, which: Int[Tensor, "m"] | Bool[Tensor, "n"]) -> Found:
        """These of them, in that order."""
        return Found(*(column[which] for column in self))


def place_windows(
    window: Window, boxes: Float[Tensor, "n 4"], least: float
) -> tuple[Float[Tensor, "m 4"], Bool[Tensor, "n"]]:
    """The windows' middles, upon objects: centre and area of the boxes, the aspect the window's; (cx, cy, w, h).

    Left out are objects that the middle fits badly: their IoU is below `least`. The second result says which stay.
    """
    centres, area = box_convert(boxes, "xyxy", "cxcywh"), box_area(boxes)
    factor = (area / (window.height * window.width)).sqrt()[:, None]
    middles = torch.cat([centres[:, :2], factor * torch.tensor([[window.width, window.height]])], dim=1)
    common = torch.minimum(middles[:, 2:], centres[:, 2:]).prod(dim=1)  # of two boxes around one centre
    fits = common / (2 * area - common) >= least
    return middles[fits], fits


def jitter_windows(
    middles: Float[Tensor, "n 4"], cell: Float[Tensor, "n"], copies: int, step: float, seed: int
) -> Float[Tensor, "m 4"]:
    """Each window and copies of it, moved by up to half a cell and resized by up to half a step of the pyramid.

    So far may an object be from the nearest window that the detector will look at.
    """
    u = torch.rand((len(middles), copies + 1, 3), generator=torch.Generator().manual_seed(seed)) - 0.5
    u[:, 0] = 0
    moved = middles[:, None].repeat(1, copies + 1, 1)
    moved[..., :2] += u[..., :2] * cell[:, None, None]
    moved[..., 2:] *= step ** u[..., 2:]
    return moved.flatten(0, 1)


def crops(
    images: UInt8[np.ndarray, "n height width 3"],
    owners: Int[Tensor, "m"],
    middles: Float[Tensor, "m 4"],
    window: Window,
) -> UInt8[np.ndarray, "m high wide 3"]:
    """What each window shows, brought to one size, with a cell more on every side; owners: each window's image.

    What lies outside an image repeats its border.
    """
    from torchvision.ops import roi_align

    pixels = window.cells.pixels
    high, wide = (window.rows + 2) * pixels, (window.columns + 2) * pixels
    larger = torch.tensor([wide / window.width, high / window.height])
    regions = box_convert(torch.cat([middles[:, :2], middles[:, 2:] * larger], dim=1), "cxcywh", "xyxy")
    out = np.empty((len(owners), high, wide, 3), np.uint8)
    step = max(1, PIXELS // math.prod(images.shape[1:3]))
    used, place = owners.unique(return_inverse=True)
    for first in range(0, len(used), step):
        own = (place >= first) & (place < first + step)
        chunk = torch.from_numpy(images[used[first : first + step].numpy()]).permute(0, 3, 1, 2).float()
        beyond = torch.cat([-regions[own, :2], regions[own, 2:] - torch.tensor(chunk.shape[:1:-1])])
        border = 2 + max(0, math.ceil(beyond.max().item()))
        chunk = torch.nn.functional.pad(chunk, (border,) * 4, mode="replicate")
        rois = torch.cat([(place[own] - first)[:, None].float(), regions[own] + border], dim=1)
        cut = roi_align(chunk, rois, (high, wide), sampling_ratio=-1, aligned=True)
        out[own.numpy()] = cut.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return out


def describe(
    cut: UInt8[np.ndarray, "n high wide 3"], window: Window, mirrored: bool
) -> Float32[np.ndarray, "m features"]:
    """The descriptors of crops, without the cell more on every side; and after them those of their mirror images."""
    bare, step = replace(window.cells, padding=0), max(1, CHUNK // math.prod(cut.shape[1:3]))
    views = [cut, cut[:, :, ::-1]] if mirrored else [cut]
    out = np.empty((len(views), len(cut), math.prod(window.shape) * bare.numbers), np.float32)
    for view, rows in zip(views, out, strict=True):
        for first in range(0, len(cut), step):
            cells = bare.histograms(np.ascontiguousarray(view[first : first + step]))[:, 1:-1, 1:-1]
            rows[first : first + step] = bare.normalised(cells).reshape(len(cells), -1)
    return out.reshape(-1, out.shape[-1])

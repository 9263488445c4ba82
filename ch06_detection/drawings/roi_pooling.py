"""Drawings of roi_pooling.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from ch06_detection.boxes import Boxes
from ch06_detection.drawings.boxes import outline
from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_pooling(
    image: UInt8[np.ndarray, "height width 3"],
    map_: Float[Tensor, "map_rows map_columns"],
    boxes: Boxes,
    pooled: Float[Tensor, "n rows columns"],
    bins: Sequence[tuple[Int64[Tensor, "n bins"], Int64[Tensor, "n bins"]]],
) -> Figure:
    """A row per RoI: in the image, on the map, its cells with the bins and their maxima, and what pooling returns.

    bins: of each axis, across first: the first cell of every bin, and the one after its last. Values are printed times
    100.
    """
    figure, axes = plots.panels(4, len(boxes), width=2.3, height=2.5)
    (height, width), stride, most = image.shape[:2], image.shape[0] / map_.shape[0], float(map_.max())
    grey = {"cmap": "Greys", "vmin": 0, "vmax": most}
    titles = ("an RoI in the scene", "on the map", "its cells, in 2×2 bins", "pooled")
    across, down = ([ends.tolist() for ends in axis] for axis in bins)
    for k, row in enumerate(axes):
        (left, right), (top, bottom) = ([ends[k] for ends in axis] for axis in (across, down))
        (x1, y1), (x2, y2) = (left[0], top[0]), (right[-1], bottom[-1])
        row[0].imshow(image)
        row[1].imshow(map_.numpy(), extent=(0, width, height, 0), **grey)
        for axis in row[:2]:
            outline(axis, boxes[k : k + 1], plots.ORANGE, 1.8, dashed=axis is row[1])
        outline(row[1], stride * torch.tensor([[x1, y1, x2, y2]]).float(), plots.ORANGE, 1.8)
        row[2].imshow(map_[y1:y2, x1:x2].numpy(), extent=(x1, x2, y2, y1), **grey)
        for y in range(y1, y2):
            for x in range(x1, x2):
                _print_value(row[2], (x, y), float(map_[y, x]), most, 8)
        row[3].imshow(pooled[k].numpy(), extent=(0, len(left), len(top), 0), **grey)
        for (i, j), colour in zip(np.ndindex(*pooled[k].shape), plots.CYCLE, strict=False):
            ends = torch.tensor([[left[j], top[i], right[j], bottom[i]]]).float()
            inside = torch.tensor([[1, 1, -1, -1]])
            outline(row[2], ends + (0.06 + 0.06 * i) * inside, colour, 1.8)
            cells = map_[top[i] : bottom[i], left[j] : right[j]]
            y, x = divmod(int(cells.argmax()), cells.shape[1])
            at = (left[j] + x + 0.5, top[i] + y + 0.5)
            row[2].plot(*at, "o", ms=16, mfc="none", mec=colour, mew=1.6)
            outline(row[3], torch.tensor([[j, i, j + 1, i + 1]]) + 0.04 * inside, colour, 2.5)
            _print_value(row[3], (j, i), float(pooled[k, i, j]), most, 11)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
    return figure


def _print_value(axis: Axes, cell: tuple[int, int], value: float, most: float, size: float) -> None:
    """A hundred times a cell's value, in its middle, in ink on light cells and in white on dark ones."""
    colour = "white" if value > 0.6 * most else plots.INK
    axis.text(cell[0] + 0.5, cell[1] + 0.5, f"{100 * value:.0f}", color=colour, fontsize=size, ha="center", va="center")


def draw_shift(shifts: Float[np.ndarray, "n"], changes: dict[str, Float[np.ndarray, "n"]]) -> Figure:
    """How far an RoI's pooled features are from those at the start, as the RoI moves."""
    figure, axis = plots.panels(width=5.4, height=3.2)
    for (name, change), colour in zip(changes.items(), plots.CYCLE, strict=False):
        axis.plot(shifts, 100 * change, color=colour, label=name)
    axis.set(xlabel="RoI moved to the right, pixels", ylabel="change, %", title="An RoI moves; a cell is 8 pixels")
    axis.legend()
    return figure

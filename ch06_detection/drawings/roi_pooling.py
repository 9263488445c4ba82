"""Drawings of roi_pooling.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from ch06_detection.boxes import Boxes
from ch06_detection.drawings.boxes import outline
from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_pooling(
    image: UInt8[np.ndarray, "height width 3"],
    map_: Float[Tensor, "map_rows map_columns"],
    boxes: Boxes,
    pooled: Float[Tensor, "n channels rows columns"],
) -> Figure:
    """The image with some windows, a channel of its map with the same, and what pooling makes of each."""
    figure, axes = plots.panels(2 + len(boxes), width=1.9, height=2.2)
    height, width = image.shape[:2]
    for axis, picture, title in zip(axes, (image, map_.numpy()), ("the scene", "one of its maps"), strict=False):
        axis.imshow(picture, extent=(0, width, height, 0), cmap="gray_r")
        axis.set_title(title, fontsize=9)
    for k, (axis, colour) in enumerate(zip(axes[2:], plots.CYCLE, strict=False)):
        for whole in axes[:2]:
            outline(whole, boxes[k : k + 1], colour, 1.8)
        axis.imshow(pooled[k, 0].numpy(), cmap="gray_r", vmin=0, vmax=float(map_.max()))
        axis.set_title(f"window {k + 1}, pooled", fontsize=9, color=colour)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
    return figure


def draw_shift(shifts: Float[np.ndarray, "n"], changes: dict[str, Float[np.ndarray, "n"]]) -> Figure:
    """How far a window's pooled features are from those at the start, as the window moves."""
    figure, axis = plots.panels(width=5.4, height=3.2)
    for (name, change), colour in zip(changes.items(), plots.CYCLE, strict=False):
        axis.plot(shifts, 100 * change, color=colour, label=name)
    axis.set(xlabel="window moved to the right, pixels", ylabel="change, %", title="A window moves; a cell is 8 pixels")
    axis.legend()
    return figure

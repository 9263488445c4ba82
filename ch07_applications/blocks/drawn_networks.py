"""Drawings of networks: their maps to scale, and their parameters and multiplications by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Polygon

from ch07_applications.blocks.counting import Layer
from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SLANT = 0.35  # how far a map's depth goes up and to the right, as a share of its length
LABEL = 34.0  # the width of a label in the units of the drawing
UNITS = ((1e9, "billion "), (1e6, "million "), (1e3, "thousand "), (1, ""))
FACES = ("#dfe9f5", "#c3d7ec", "#a9c4e2")  # front, top, side


def draw_maps(layers: Sequence[Layer], image: tuple[int, ...], labels: Sequence[str] | None = None) -> Figure:
    """Every map as a box: its height is the map's side, its breadth the channels, all to one scale; dense layers are
    bars whose height is the number of units, on a scale of their own.

    layers: those to draw, in order, maps first. image: (channels, height, width) of the input. labels: under each.
    """
    shapes = [image, *(layer.map for layer in layers)]
    labels = ["input", *(labels or [layer.name for layer in layers])]
    side = max(shape[1] for shape in shapes if len(shape) == 3)
    widest = max(shape[0] for shape in shapes if len(shape) == 3)
    most = max((shape[0] for shape in shapes if len(shape) == 1), default=1)
    figure, axis = plots.panels(width=min(11.0, 1.0 + 0.85 * len(shapes)), height=2.6)
    at = 0.0
    for shape, label in zip(shapes, labels, strict=True):
        if len(shape) == 3:
            breadth, height = max(2.0, 60.0 * shape[0] / widest), 100.0 * shape[1] / side
            text = f"{shape[1]}²×{shape[0]}"
        else:
            breadth, height = 6.0, max(2.0, 90.0 * shape[0] / most)
            text = f"{shape[0]}"
        depth = SLANT * height if len(shape) == 3 else 4.0
        room = max(0.0, LABEL - breadth - depth / 2)  # a narrow box is centred above its label
        reach = breadth + depth / 2
        draw_box(axis, at + room / 2, breadth, height, depth)
        middle = at + room / 2 + reach / 2
        axis.text(middle, height / 2 + depth / 2 + 4, text, ha="center", va="bottom", fontsize=7.5)
        axis.text(middle, -height / 2 - 4, label, ha="center", va="top", fontsize=7.5, color=plots.INK)
        at += room + reach + 8
    axis.set(xlim=(-6, at), ylim=(-74, 88), aspect="equal")
    axis.axis("off")
    return figure


def draw_box(axis: Axes, left: float, breadth: float, height: float, depth: float) -> None:
    """A box in parallel projection, centred at height 0, that reaches from `left` to breadth + depth / 2 beyond it."""
    low, high, back = -height / 2, height / 2, np.array([0.5 * depth, 0.5 * depth])
    front = np.array([[left, low], [left + breadth, low], [left + breadth, high], [left, high]])
    faces = (
        front,
        np.array([front[3], front[2], front[2] + back, front[3] + back]),
        np.array([front[1], front[2], front[2] + back, front[1] + back]),
    )
    for points, colour in zip(faces, FACES, strict=True):
        axis.add_patch(Polygon(points, closed=True, facecolor=colour, edgecolor=plots.INK, linewidth=0.7))


def draw_where(layers: Sequence[Layer], labels: Sequence[str] | None = None) -> Figure:
    """Two panels of bars, layer by layer: each one's share of the parameters, and of the multiplications."""
    own = [layer for layer in layers if layer.weighted]
    names = list(labels or [layer.name for layer in own])
    figure, axes = plots.panels(2, width=4.4, height=0.8 + 0.19 * len(own), sharey=True)
    for axis, what, colour in zip(axes, ("parameters", "multiplications"), (plots.ORANGE, plots.BLUE), strict=True):
        values = np.array([getattr(layer, what) for layer in own], float)
        unit, word = next((unit, word) for unit, word in UNITS if values.sum() >= unit)
        axis.barh(range(len(own)), 100 * values / values.sum(), color=colour)
        axis.set(title=f"{values.sum() / unit:.3g} {word}{what}", xlabel="share (%)")
        axis.grid(visible=False, axis="y")
    axes[0].set_yticks(range(len(own)), names, fontsize=7.5)
    axes[0].invert_yaxis()
    return figure

"""The pictures of `lenet1989`: errors pass by pass, predictions of digits, the weights of the first layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Shaped

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP = 2  # pixels between digits
ERROR_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)

Labels = Shaped[np.ndarray, "..."]


def draw_passes(curves: Float[np.ndarray, "passes 2"], papers: tuple[float, float]) -> Figure:
    """Training and test error after every pass, and where the paper ended. papers: its two errors, in %."""
    figure, axis = plots.panels(width=6.4, height=3.6)
    last = len(curves)
    for name, paper, colour, values in zip(
        ("training", "test"), papers, (plots.BLUE, plots.ORANGE), curves.T, strict=True
    ):
        axis.semilogy(range(1, last + 1), np.maximum(values, 0.01), "o-", markersize=4, color=colour)
        axis.annotate(
            f"{name} digits", (last, values[-1]), (6, 0), textcoords="offset points", color=colour, va="center"
        )
        axis.axhline(paper, color=colour, linestyle="--", linewidth=1)
        above = {"xytext": (0, 3), "textcoords": "offset points", "color": colour, "ha": "right"}
        axis.annotate(f"paper, {name}: {paper:.2f} %", (1.25 * last, paper), **above)
    axis.set_xticks([1, *range(5, last, 5), last])
    axis.set_yticks(ERROR_TICKS, [f"{tick:g}" for tick in ERROR_TICKS])
    axis.set(title="LeNet 1989, digit by digit", xlabel="pass", ylabel="digits misclassified (%)")
    axis.set_xlim(0, 1.25 * last)
    return figure


def draw_strip(axis: Axes, tiles: Float[np.ndarray, "n side side"], **shown: Any) -> None:
    """The tiles side by side, each with a gap after it."""
    axis.imshow(np.hstack(np.pad(tiles, ((0, 0), (0, 0), (0, GAP)), constant_values=np.nan)), **shown)
    axis.axis("off")


def draw_readings(
    images: Float32[np.ndarray, "n side side"], read: Labels, labels: Labels, columns: int = 12
) -> Figure:
    """First row: digits classified correctly. Below: mistakes, with the predicted and the true class."""
    right, wrong = np.flatnonzero(read == labels)[:columns], np.flatnonzero(read != labels)[: 2 * columns]
    figure, axes = plots.panels(1, 3, width=9.0, height=0.95)
    side = images.shape[1]
    for axis, items in zip(axes, (right, wrong[:columns], wrong[columns:]), strict=True):
        blank = np.full((columns - len(items), side, side), np.nan)
        draw_strip(axis, -np.concatenate([images[items], blank]), vmin=-1, vmax=1)
        for place, item in enumerate(items):
            mistaken = read[item] != labels[item]
            title = f"{read[item]}, is {labels[item]}" if mistaken else f"{read[item]}"
            colour = plots.RED if mistaken else plots.GREEN
            axis.text((side + GAP) * place + side / 2, -1.5, title, fontsize=9, ha="center", color=colour)
    return figure


def draw_first_layer(
    weights: Float32[np.ndarray, "maps kernel kernel"], biases: Float32[np.ndarray, "maps side side"]
) -> Figure:
    """The weights of H1, a kernel per map, and below each the biases of its units. Blue is positive, red negative."""
    figure, axes = plots.panels(1, 2, width=9.0, height=0.9)
    for axis, maps in zip(axes, (weights, biases), strict=True):
        draw_strip(axis, maps, cmap="RdBu", vmin=-np.abs(maps).max(), vmax=np.abs(maps).max())
    axes[0].set_title("5×5 weights, shared in a map", fontsize=9)
    axes[1].set_title("8×8 biases, one per unit", fontsize=9)
    return figure

"""Paths down two valleys: a panel for each rule, so that no path hides another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOXES = {"Rosenbrock": (-2.1, 2.1, -1.2, 4.4), "Beale": (-2.4, 4.2, -2.4, 2.2)}
COLOURS = (*plots.CYCLE, plots.INK)


def draw_valleys(
    races: dict[str, dict], heights: dict[str, Callable], least: dict[str, tuple[float, float]], shown: int
) -> Figure:
    """For each valley a row of maps, one per rule with its first steps, and below them the lowest height so far."""
    figure, axes = plots.panels(4, 4, width=2.6, height=2.3)
    for (name, paths), rows in zip(races.items(), (axes[:2], axes[2:]), strict=True):
        panels = rows.ravel()
        for (rule, (points, _)), axis, colour in zip(paths.items(), panels, COLOURS, strict=False):
            draw_map(axis, name, heights[name], least[name])
            axis.plot(*points[: shown + 1].T, ".-", color=colour, linewidth=1.2, markersize=3.5)
            axis.plot(*points[0], "o", color=plots.INK, markersize=5)
            axis.set_title(f"{name}: {rule}", fontsize=9.5)
        for (rule, (_, lowest)), colour in zip(paths.items(), COLOURS, strict=False):
            so_far = np.maximum(np.minimum.accumulate(lowest), 1e-12)
            panels[-1].semilogy(so_far, color=colour, linewidth=1.4, label=rule)
        panels[-1].set_title(f"{name}: lowest height so far", fontsize=9.5)
        panels[-1].set(xlabel="gradients computed", ylim=(1e-10, None))
    figure.legend(*axes[1][-1].get_legend_handles_labels(), loc="outside lower center", ncols=7)
    return figure


def draw_map(axis: Axes, name: str, height: Callable, least: tuple[float, float]) -> None:
    """Lines of equal height, and a star at the minimum."""
    box = BOXES[name]
    x, y = np.meshgrid(np.linspace(*box[:2], 140), np.linspace(*box[2:], 140))
    axis.contour(x, y, np.log10(height(np.array([x, y])) + 1e-3), levels=14, cmap="Blues_r", linewidths=0.6)
    axis.plot(*least, "*", color=plots.RED, markersize=11)
    axis.set(xlim=box[:2], ylim=box[2:], xticks=(), yticks=())
    axis.grid(visible=False)

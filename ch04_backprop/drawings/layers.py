"""A network drawn as a graph: a node for each unit, an arrow for each weight, one path in another colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP = 2.6  # between the columns of nodes


def draw_network(
    weights: Sequence[Float[np.ndarray, "inputs outputs"]],
    values: Sequence[Float[np.ndarray, "units"]],
    columns: Sequence[str],
    path: Sequence[int],
) -> Figure:
    """Columns of units with their values; each weight is beside its arrow, whose width shows its size.

    values: of the units of each column. columns: their names. path: in each column, the unit that it leads through.
    """
    figure, axis = plots.panels(width=7.6, height=3.4)
    axis.set(xlim=(-0.6, GAP * (len(values) - 1) + 0.6), ylim=(-1.15, 1.5))
    axis.axis("off")
    places = [
        [np.array([GAP * number, y]) for y in np.linspace(0.8, -0.8, len(units))] for number, units in enumerate(values)
    ]
    largest = max(float(np.abs(matrix).max()) for matrix in weights)
    for number, matrix in enumerate(weights):
        for (i, k), weight in np.ndenumerate(matrix):
            on_path = (i, k) == (path[number], path[number + 1])
            ends = places[number][i], places[number + 1][k]
            draw_weight(axis, ends, float(weight), abs(weight) / largest, on_path)
    for number, (name, units) in enumerate(zip(columns, values, strict=True)):
        axis.text(GAP * number, 1.3, name, ha="center", va="bottom", weight="bold")
        for k, (place, value) in enumerate(zip(places[number], units, strict=True)):
            edge = plots.ORANGE if k == path[number] else plots.GREY
            style = {"boxstyle": "circle,pad=0.4", "fc": "white", "ec": edge, "lw": 2 if k == path[number] else 1}
            axis.text(*place, f"{value:.2f}".replace("-", "−"), ha="center", va="center", fontsize=9, bbox=style)
    return figure


def draw_weight(axis: Axes, ends: tuple[np.ndarray, np.ndarray], weight: float, share: float, on_path: bool) -> None:
    """One arrow, with its weight a third of the way along."""
    colour = plots.ORANGE if on_path else plots.BLUE if weight > 0 else plots.RED
    start, end = ends
    along = (end - start) / np.linalg.norm(end - start)
    arrow = {"xy": tuple(end - 0.3 * along), "xytext": tuple(start + 0.3 * along)}
    alpha = 1.0 if on_path else 0.55
    axis.annotate("", **arrow, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 0.7 + 3 * share, "alpha": alpha})
    box = {"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none"}
    text = f"{weight:g}".replace("-", "−")
    axis.text(*(start + 0.34 * (end - start)), text, ha="center", va="center", color=colour, fontsize=9, bbox=box)

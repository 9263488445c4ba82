"""The graph of f(g(u, v), h(u, v)), with the two paths from u to f."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLACES = ((0.0, 1.0), (0.0, -1.0), (2.6, 1.0), (2.6, -1.0), (5.2, 0.0))  # of u, v, g, h, f


def draw_two_paths(named: dict[str, Any]) -> Figure:
    """Five nodes by name, u first, each with its value and its grad; a derivative on each arrow."""
    figure, axis = plots.panels(width=7.6, height=3.2)
    axis.set(xlim=(-0.8, 6.0), ylim=(-1.6, 1.6))
    axis.axis("off")
    place = {id(node): np.array(at) for node, at in zip(named.values(), PLACES, strict=True)}
    first, *_, last = named.values()
    for node in named.values():
        for operand, slope in node.made_of:
            thick = operand is first or node is last
            start, end = place[id(operand)], place[id(node)]
            along = (end - start) / np.linalg.norm(end - start)
            arrow = {"arrowstyle": "-|>", "color": plots.ORANGE if thick else plots.GREY, "lw": 2.6 if thick else 1.2}
            before = 0.35 if start[0] == 0 else 0.66  # u and v are narrower
            axis.annotate("", xy=tuple(end - 0.66 * along), xytext=tuple(start + before * along), arrowprops=arrow)
            box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"}
            axis.text(*(start + 0.4 * (end - start)), f"{slope:g}", ha="center", va="center", fontsize=10, bbox=box)
    for name, node in named.items():
        x, y = place[id(node)]
        box = {"boxstyle": "round,pad=0.45", "fc": "white", "ec": plots.GREY}
        axis.text(x, y, f"{name}\n\n", ha="center", va="center", bbox=box, linespacing=1.3)
        axis.text(x, y - 0.01, f"{node.data:g}", ha="center", va="center", color=plots.BLUE)
        axis.text(x, y - 0.27, f"{node.grad:g}", ha="center", va="center", color=plots.ORANGE)
    return figure

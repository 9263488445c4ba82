"""How many nodes the graphs of the two engines have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_nodes(nodes: dict[int, tuple[int, int]]) -> Figure:
    """Nodes by the side of the matrix: of Tensors, and of Values. nodes: for each side both numbers."""
    figure, axis = plots.panels(width=5.0)
    for which, (name, colour) in enumerate((("arrays (Tensor)", plots.BLUE), ("single numbers (Value)", plots.ORANGE))):
        axis.loglog(list(nodes), [both[which] for both in nodes.values()], "o-", color=colour, label=name, base=2)
    axis.set_yscale("log")
    axis.set(xlabel="side of the matrix", ylabel="nodes", title="One expression, two engines")
    axis.set_xticks(list(nodes), list(map(str, nodes)))
    axis.legend()
    return figure

"""Drawing of the number of nodes in the graphs of both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_nodes(nodes: dict[int, tuple[int, int]]) -> Figure:
    """The number of nodes by the side of the matrix, for Tensors and for Values. nodes: both numbers for each side."""
    figure, axis = plots.panels(width=5.0)
    for which, (name, colour) in enumerate((("arrays (Tensor)", plots.BLUE), ("single numbers (Value)", plots.ORANGE))):
        axis.loglog(list(nodes), [both[which] for both in nodes.values()], "o-", color=colour, label=name, base=2)
    axis.set_yscale("log")
    axis.set(xlabel="side of the matrix", ylabel="nodes", title="One expression, two engines")
    axis.set_xticks(list(nodes), list(map(str, nodes)))
    axis.legend()
    return figure

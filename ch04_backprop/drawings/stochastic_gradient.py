"""Drawing of gradients of single examples and of batches beside the full one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_estimates(
    projections: Float[np.ndarray, "n"],
    sizes: list[int],
    spreads: dict[str, list[float]],
    theory: dict[str, list[float]],
    costs: dict[str, list[float]],
) -> Figure:
    """One-example gradients along the full one; the spread of batches by size, with dashed theory; cost by passes."""
    figure, (along, spread, cost) = plots.panels(3, width=3.7, height=3.3)
    along.hist(projections, bins=30, color=plots.SKY)
    along.axvline(0, color=plots.INK, linewidth=0.8)
    along.axvline(projections.mean(), color=plots.ORANGE)
    along.set(title="One example's gradient", xlabel="along ∇C, in units of ‖∇C‖", ylabel="examples")
    for (name, values), colour in zip(spreads.items(), plots.CYCLE, strict=False):
        spread.loglog(sizes, values, "o", color=colour, label=name)
        spread.loglog(sizes, theory[name], "--", color=colour, linewidth=1.2)
    spread.set(title="A batch's gradient", xlabel="batch size B", ylabel="rms distance from ∇C")
    spread.set_xticks(sizes, [str(size) for size in sizes])
    spread.minorticks_off()
    spread.legend(fontsize=8)
    for (name, values), colour in zip(costs.items(), plots.CYCLE, strict=False):
        cost.plot(values, "o-", color=colour, markersize=4, label=name)
    cost.set(title="Cost", xlabel="passes over the examples", ylabel="C (nats)", ylim=(0, None))
    cost.legend(fontsize=8)
    return figure

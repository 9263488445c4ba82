"""The picture of `modernised`: the error of every rung of the ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_ladder(errors: dict[str, Float[np.ndarray, "seeds"]], base: str) -> Figure:
    """The error of every rung: a dot per seed, a line through the means. base: the name of the lowest rung."""
    figure, axis = plots.panels(width=6.4, height=3.4)
    rungs = range(len(errors))
    for rung, values in zip(rungs, errors.values(), strict=True):
        axis.plot(np.full(len(values), rung), values, "o", color=plots.BLUE, alpha=0.5, markersize=5)
    axis.plot(rungs, [values.mean() for values in errors.values()], color=plots.BLUE)
    axis.set_xticks(rungs, ["1989, in batches" if name == base else name for name in errors], rotation=30, ha="right")
    axis.set(title="From 1989 to today, step upon step", ylabel="test digits misclassified (%)", ylim=(0, None))
    return figure

"""Drawing of a plane: its weights as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_weights(weights: Float[np.ndarray, "m"], names: Sequence[str]) -> Figure:
    """One bar per weight."""
    figure, axis = plots.panels(width=6.4, height=3.2)
    axis.barh(names, weights, color=[plots.BLUE if w > 0 else plots.ORANGE for w in weights])
    axis.axvline(0, color=plots.INK, linewidth=0.8)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set(title="Weights of the plane", xlabel="change of the score per standard deviation of the input")
    return figure

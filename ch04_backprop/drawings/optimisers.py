"""Drawing of the length of each rule's steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_steps(lengths: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Each rule's step length in units of η, for equal gradients and for alternating ones."""
    figure, axes = plots.panels(2, width=4.8, height=3.5)
    for (name, both), colour in zip(lengths.items(), plots.CYCLE, strict=True):
        style = {"linewidth": 5, "alpha": 0.35} if name == "SGD" else {"linewidth": 1.6}  # wide, because Adam coincides
        for axis, length in zip(axes, both, strict=True):
            axis.semilogy(np.arange(1, len(length) + 1), length, color=colour, label=name, **style)
    axes[0].set(title="Every gradient is 1", xlabel="step", ylabel="length of the step / η")
    axes[1].set(title="Gradients alternate: 1, −1, 1, …", xlabel="step")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure

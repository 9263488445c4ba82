"""Drawings of a neuron that learns: its mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_mistakes(bounds: tuple[float, ...], mistakes: tuple[list[int], ...], passes: dict[str, list[int]]) -> Figure:
    """All mistakes against Novikoff's bound; mistakes per pass."""
    figure, (theory, practice) = plots.panels(2)
    theory.plot(bounds, bounds, color=plots.GREY)
    theory.plot(bounds, mistakes, ".", color=plots.BLUE, markersize=5)
    theory.set(xscale="log", yscale="log", title="Mistakes (dots) and their bound", xlabel=r"$(R/\gamma)^2$")
    for name, counts in passes.items():
        number = np.arange(1, len(counts) + 1)
        (line,) = practice.plot(number, np.cumsum(counts) / number, label=name)
        practice.plot(number, counts, linewidth=0.6, alpha=0.25, color=line.get_color())
    practice.set(title="Mistakes in a pass, and mean so far", xlabel="pass", xscale="log")
    practice.legend()
    return figure

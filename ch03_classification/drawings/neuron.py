"""Drawings of a neuron that learns: its mistakes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPS = 30  # ends of groups of passes, spread evenly over the logarithmic axis


def draw_mistakes(bounds: tuple[float, ...], mistakes: tuple[list[int], ...], passes: dict[str, list[int]]) -> Figure:
    """All mistakes against Novikoff's bound; mistakes per pass, as mean and range of groups of successive passes."""
    figure, (theory, practice) = plots.panels(2)
    theory.plot(bounds, bounds, color=plots.GREY)
    theory.plot(bounds, mistakes, ".", color=plots.BLUE, markersize=5)
    theory.set(xscale="log", yscale="log", title="Mistakes and Novikoff's bound", ylabel="mistakes")
    theory.set_xlabel(r"bound $(R/\gamma)^2$")
    for name, counts in passes.items():
        edges = np.unique(np.geomspace(1, len(counts) + 1, GROUPS).astype(int))
        groups = [counts[a - 1 : b - 1] for a, b in pairwise(edges)]
        middles = np.sqrt(edges[:-1] * (edges[1:] - 1))
        (line,) = practice.plot(middles, [np.mean(group) for group in groups], "o-", markersize=3, label=name)
        low, high = ([extreme(group) for group in groups] for extreme in (min, max))
        practice.fill_between(middles, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    practice.set(title="Mistakes per pass", xlabel="pass", ylabel="mistakes", xscale="log", ylim=(0, None))
    practice.legend()
    return figure

"""The picture of `loading`: images per second of each loading method, and of two networks in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_rates(rates: dict[str, float], trained: dict[str, float]) -> Figure:
    """A dot for each loading method, and a line for each network: its training speed in images per second."""
    figure, axis = plots.panels(width=7.6, height=3.6)
    for row, (name, rate) in enumerate(rates.items()):
        colour = plots.SKY if "moved" in name else plots.BLUE
        axis.axhline(row, color=plots.PALE, linewidth=1, zorder=0)
        axis.plot(rate, row, "o", color=colour, markersize=9)
        number = axis.annotate(f"{rate:,.0f}", (rate, row), (9, 0), textcoords="offset points", va="center")
        number.set_bbox({"color": "white", "pad": 1})  # over a dashed line, a number can still be read
    for (name, rate), colour in zip(trained.items(), (plots.ORANGE, plots.RED), strict=True):
        axis.axvline(rate, color=colour, linestyle="--", label=f"{name} trains on {rate:,.0f}")
    axis.set_yticks(range(len(rates)), list(rates))
    axis.set_xscale("log")
    axis.set_xlim(min([*rates.values(), *trained.values()]) / 2, 5 * max(rates.values()))
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set(xlabel="images per second (each gridline: ten times as many)")
    figure.legend(loc="outside upper center", ncols=2)
    return figure

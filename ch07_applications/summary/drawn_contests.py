"""The tally of contests as bars, and their costs as points, a row per chapter or task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ch07_applications.summary.contest import LOST, OUTCOMES, TIED, WON, Contest
from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {WON: plots.GREEN, TIED: plots.GREY, LOST: plots.RED}


def draw_contests(places: Mapping[str, Sequence[Contest]], first: int) -> Figure:
    """Three panels that share their rows: the tally, seconds, size. first: rows above the dashed line."""
    height = 0.9 + 0.3 * len(places)
    figure, axes = plots.panels(3, width=3.1, height=height, sharey=True, gridspec_kw={"width_ratios": (1, 1.1, 1.1)})
    draw_tally(axes[0], list(places.values()))
    for axis, what in zip(axes[1:], ("seconds", "size"), strict=True):
        draw_costs(axis, list(places.values()), what)
    axes[0].set(title="contests", xlabel="won, tied, lost")
    axes[1].set(title="seconds to fit", xlabel="network over rival")
    axes[2].set(title="numbers kept", xlabel="network over rival")
    axes[0].set_yticks(range(len(places)), places)
    axes[0].set_ylim(len(places) - 0.5, -0.5)
    for axis in axes if 0 < first < len(places) else ():
        axis.axhline(first - 0.5, color=plots.INK, linewidth=0.8, linestyle="--")
    return figure


def draw_tally(axis: Axes, places: Sequence[Sequence[Contest]]) -> None:
    """Draw stacked bars with their counts."""
    left = np.zeros(len(places))
    for outcome in OUTCOMES:
        counts = np.array([sum(contest.outcome == outcome for contest in some) for some in places])
        axis.barh(range(len(places)), counts, left=left, height=0.72, color=COLOURS[outcome], label=outcome)
        for row, (start, count) in enumerate(zip(left, counts, strict=True)):
            if count:
                axis.text(start + count / 2, row, f"{count}", color="white", ha="center", va="center", fontsize=9)
        left += counts
    axis.grid(visible=False, axis="y")
    axis.xaxis.get_major_locator().set_params(integer=True)


def draw_costs(axis: Axes, places: Sequence[Sequence[Contest]], what: str) -> None:
    """A point per contest on a logarithmic axis; the outcomes of a row lie a little above one another."""
    for outcome, shift in zip(OUTCOMES, (-0.22, 0.0, 0.22), strict=True):
        points = [
            (ratio, row + shift)
            for row, some in enumerate(places)
            for contest in some
            if contest.outcome == outcome and (ratio := getattr(contest, what)) is not None
        ]
        if points:
            axis.plot(*zip(*points, strict=True), "o", color=COLOURS[outcome], alpha=0.75, markersize=5, mew=0)
    axis.set_xscale("log")
    axis.axvline(1, color=plots.INK, linewidth=1)
    axis.grid(visible=False, axis="y")

"""Drawings of googlenet.py: a module with its widths to scale, where multiplications sit, accuracy against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Polygon, Rectangle

from ch07_applications.classification.inception import Row
from common import plots
from common.ablation import draw_differences

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from common.record import LessonRecord

COLOURS = {"1×1": plots.SKY, "3×3": plots.BLUE, "5×5": plots.ORANGE, "pool": plots.GREY}
GAP = 34.0  # white space between branches, in channels


def draw_module(name: str, before: int, row: Row, side: int) -> Figure:
    """The module without and with reductions. Heights are proportional to channels; numbers are millions of
    multiplications on a map of side².
    """
    figure, axes = plots.panels(2, width=4.7, height=4.2, sharey=True)
    for axis, variant, title in (
        (axes[0], row.naive(), f"{name} without 1×1 reductions"),
        (axes[1], row, f"{name} with reductions"),
    ):
        draw_branches(axis, before, variant, side**2 / 1e6, title)
        axis.set(xlim=(-0.2, 3.1), ylim=(-285, 285))
        axis.axis("off")
    return figure


def draw_branches(axis: Axes, before: int, row: Row, scale: float, title: str) -> None:
    """Input, reductions, branches and their outputs side by side; the title states the multiplications times scale."""
    branches = [  # (reduction or None, outputs, kernel)
        (None, row.one, "1×1"),
        (row.reduce3 or None, row.three, "3×3"),
        (row.reduce5 or None, row.five, "5×5"),
        (None, row.pool or before, "pool"),
    ]
    lanes = sum(outputs for _, outputs, _ in branches) + GAP * (len(branches) - 1)
    top, total, stacked = lanes / 2, 0.0, row.outputs(before) / 2
    axis.add_patch(Rectangle((-0.06, -before / 2), 0.12, before, color=plots.INK))
    axis.text(0, before / 2 + 8, f"{before}", ha="center", fontsize=8.5)
    for reduction, outputs, kernel in branches:
        middle, start, size = top - outputs / 2, 0.06, before
        place = 0.0
        if reduction:
            cost = before * reduction * scale
            flow(axis, (0.06, 0.94), (0.0, middle), (before, reduction), COLOURS["1×1"])
            axis.add_patch(Rectangle((0.94, middle - reduction / 2), 0.12, reduction, color=COLOURS["1×1"]))
            axis.text(1.0, middle + reduction / 2 + 5, f"1×1: {reduction}\n{cost:.1f}", ha="center", fontsize=7.5)
            start, size, place, total = 1.06, reduction, middle, total + cost
        flow(axis, (start, 1.94), (place, middle), (size, outputs), COLOURS[kernel])
        axis.add_patch(Rectangle((1.94, middle - outputs / 2), 0.12, outputs, color=COLOURS[kernel]))
        weights = {"1×1": 1, "3×3": 9, "5×5": 25}.get(kernel, 1 if row.pool else 0) * size * outputs
        label = {"pool": "3×3 max, 1×1" if row.pool else "3×3 max"}.get(kernel, kernel)
        axis.text(2.0, middle + outputs / 2 + 4, f"{label}: {outputs}", ha="center", fontsize=7.5)
        axis.text(2.12, middle, f"{weights * scale:.1f}" if weights else "0", va="center", fontsize=8, color=plots.INK)
        total += weights * scale
        axis.add_patch(Rectangle((2.85, stacked - outputs), 0.12, outputs, color=COLOURS[kernel]))
        stacked -= outputs
        top -= outputs + GAP
    axis.text(2.91, row.outputs(before) / 2 + 8, f"{row.outputs(before)}", ha="center", fontsize=8.5)
    axis.set_title(f"{title}: {total:.0f} million")


def flow(
    axis: Axes,
    x: tuple[float, float],
    y: tuple[float, float],
    heights: tuple[float, float],
    colour: str,
) -> None:
    """A band from one bar to another."""
    (left, right), (first, last), (high, low) = x, y, heights
    points = [(left, first + high / 2), (right, last + low / 2), (right, last - low / 2), (left, first - high / 2)]
    axis.add_patch(Polygon(np.array(points), closed=True, color=colour, alpha=0.28, linewidth=0))


def draw_costs(tables: Mapping[str, Mapping[str, Row]], before: int, sides: Mapping[str, int]) -> Figure:
    """Bars per module: millions of multiplications by the size of the filters, a panel per table of channels.

    before: input channels of the first module. sides: the map side of each module.
    """
    figure, axes = plots.panels(len(tables), width=3.6, height=3.2, sharex=True, sharey=True)
    for axis, (title, table) in zip(axes, tables.items(), strict=True):
        channels, whole = before, 0.0
        for place, (name, row) in enumerate(table.items()):
            left = 0.0
            for kernel, weights in row.weights(channels).items():
                millions = weights * sides[name] ** 2 / 1e6
                axis.barh(place, millions, left=left, color=COLOURS[kernel], label=None if place else kernel)
                left += millions
            channels, whole = row.outputs(channels), whole + left
        axis.set(title=f"{title}: {whole / 1e3:.1f} billion", xlabel="million multiplications")
        axis.grid(visible=False, axis="y")
    axes[0].set_yticks(range(len(sides)), list(sides))
    axes[0].invert_yaxis()
    axes[0].legend(loc="lower right", title="filters")
    return figure


def draw_sizes(record: LessonRecord, kinds: Mapping[str, Sequence[str]]) -> Figure:
    """Accuracy on validation images against multiplications, with intervals over seeds. kinds: methods of each line."""
    figure, axis = plots.panels(width=5.0, height=3.4)
    scores = {row.method: row for row in record.scores() if row.metric == "accuracy"}
    facts = {name: value for name, (value, _) in record.findings().items()}
    for (kind, methods), colour in zip(kinds.items(), plots.CYCLE, strict=False):
        costs = [facts[f"multiplications of {method}"].value for method in methods]
        rows = [scores[method] for method in methods]
        axis.plot(costs, [row.value for row in rows], "o-", color=colour, label=kind)
        for x, row in zip(costs, rows, strict=True):
            axis.plot([x, x], [row.low, row.high], color=colour, linewidth=1.2)
    axis.set(xlabel="million multiplications per image", ylabel="accuracy on validation images (%)", xscale="log")
    ticks = sorted(
        {round(facts[f"multiplications of {method}"].value, 1) for line in kinds.values() for method in line}
    )
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    axis.tick_params(which="minor", bottom=False, labelbottom=False)
    axis.legend(loc="lower right")
    return figure


def draw_changes(record: LessonRecord, changes: Sequence[str]) -> Figure:
    """The effect of each change of the ablation, over all seeds."""
    return draw_differences([c for c in record.comparisons if c.a in changes])

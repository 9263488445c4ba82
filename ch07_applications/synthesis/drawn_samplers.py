"""Pictures of the comparison of samplers: all measures in one figure, and likelihood against samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ch07_applications.synthesis.sampler_bench import APART, FRECHET, PRECISION, RECALL
from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTIONS = {
    "clothes": "The first test images of Fashion-MNIST, and the first samples of each sampler.",
    "striped clothes": "The first striped test clothes, their grey versions, and the grey ones with stripes put on.",
    "digits": "The first binary test digits, and the first samples of each sampler.",
    "measures": "All samplers on three kinds of images, means over seeds. Fréchet distance: lower is better; the "
    "dashed line is the distance of real images from real ones. Filled: precision, hollow: recall; higher is better. "
    "Distance to the nearest training image: 100 % is that of test images. Deep models are blue.",
    "likelihood": "Nats per test digit against the Fréchet distance of the samples, means over seeds; for both, lower "
    "is better. Deep models are blue.",
}


def draw_measures(
    record: LessonRecord, groups: Mapping[str, Sequence[str]], milliseconds: str, floor: str = "floor of the "
) -> Figure:
    """A block of rows per kind of images, a row per sampler, a column per measure."""
    rows = {(row.method, row.metric): row for row in record.scores()}
    floors = record.findings()
    sizes = [len(names) for names in groups.values()]
    columns = (FRECHET, "precision, recall", APART, milliseconds)
    figure, axes = plots.panels(
        len(columns), len(groups), width=2.9, height=0.27 * sum(sizes) / len(groups) + 0.55, squeeze=False,
        sharex="col", gridspec_kw={"height_ratios": sizes, "width_ratios": (1.2, 1, 1, 1)},
    )  # fmt: skip
    for line, (kind, names) in zip(axes, groups.items(), strict=True):
        names = [name for name in names if (name, FRECHET) in rows]
        for axis, column in zip(line, columns, strict=True):
            pair = column == columns[1]
            draw_column(axis, rows, names, (PRECISION, RECALL) if pair else (column,))
            if column in (FRECHET, milliseconds):
                axis.set_xscale("log")
        line[0].axvline(floors[f"{floor}{FRECHET}, {kind}"][0].value, color=plots.GREY, linestyle="--", linewidth=1)
        line[0].set_yticks(np.arange(len(names))[::-1], names)
        line[0].set_title(kind, loc="left")
        line[1].set_xlim(0, 103)
        line[2].axvline(100, color=plots.GREY, linestyle="--", linewidth=1)
    units = ("", " [%]", " [%]", "")
    for axis, column, unit in zip(axes[-1], columns, units, strict=True):
        axis.set_xlabel(column + unit)
    return figure


def draw_column(axis: Axes, rows: Mapping, names: Sequence[str], metrics: Sequence[str]) -> None:
    """A point per sampler, filled for the first metric and hollow for the second."""
    for place, name in zip(np.arange(len(names))[::-1], names, strict=True):
        colour = plots.BLUE if rows[name, FRECHET].kind == "deep" else plots.GREY
        for metric, face in zip(metrics, (colour, "white"), strict=False):
            axis.plot(rows[name, metric].value, place, "o", color=colour, markerfacecolor=face, markersize=6)
    axis.set_yticks(np.arange(len(names)), [""] * len(names))
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.grid(axis="y", alpha=0.3)


def draw_likelihood(record: LessonRecord, names: Sequence[str], nats: str, distance: str) -> Figure:
    """A point per density, with its name."""
    rows = {(row.method, row.metric): row for row in record.scores()}
    figure, axis = plots.panels(width=7.2, height=4.0)
    places = {name: (rows[name, nats].value, rows[name, distance].value) for name in names if (name, nats) in rows}
    for name, (x, y) in places.items():
        axis.plot(x, y, "o", color=plots.BLUE if rows[name, nats].kind == "deep" else plots.GREY, markersize=7)
        level = sorted(other for other, height in places.values() if abs(np.log(height / y)) < 0.15)
        crowded = len(level) > 1 and max(level) - min(level) < 1  # the first's name is left, the last's right
        offset, side = ((-7, -3), "right") if crowded and x == level[0] else ((7, -3), "left")
        if crowded and level[0] < x < level[-1]:
            offset, side = (0, 8), "center"
        axis.annotate(name, (x, y), offset, textcoords="offset points", fontsize=8.5, ha=side)
    axis.set(xlabel="nats per test digit, without its class", ylabel=distance, yscale="log")
    axis.margins(x=0.4, y=0.12)
    return figure

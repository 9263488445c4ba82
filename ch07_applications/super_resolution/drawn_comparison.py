"""Drawings of the comparison: small pictures by method, and quality against seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch07_applications.super_resolution.drawn_super_resolution import show
from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_squares(columns: Mapping[str, Sequence[UInt8[np.ndarray, "_ _ 3"]]], rows: Sequence[int]) -> Figure:
    """A row per picture, a column per method; pixels are drawn as squares."""
    width = min(1.5, 9.6 / len(columns))
    figure, axes = plots.panels(len(columns), len(rows), width=width, height=width + 0.12, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for axis, (name, pictures) in zip(line, columns.items(), strict=True):
            show(axis, pictures[row], name if row == rows[0] else "")
    return figure


def draw_costs(record: LessonRecord, metric: str, seconds: str) -> Figure:
    """A point per method that has both, the seconds on a logarithmic scale."""
    rows = {(row.method, row.metric): row for row in record.scores()}
    figure, axis = plots.panels(width=5.6, height=3.6)
    placed: list[tuple[float, float]] = []
    for name in dict.fromkeys(method for method, each in rows if each == metric):
        x, y = rows[name, seconds], rows[name, metric]
        colour = plots.BLUE if y.kind == "deep" else plots.GREY
        axis.errorbar(x.value, y.value, [[y.value - y.low], [y.high - y.value]], fmt="o", color=colour, capsize=2)
        near = any(abs(np.log10(x.value / other)) < 0.1 and abs(y.value - height) < 0.1 for other, height in placed)
        place = (7, -14) if near else (7, 5)  # of two methods at one place, the second's name is below
        axis.annotate(name, (x.value, y.value), xytext=place, textcoords="offset points", fontsize=9)
        placed.append((x.value, y.value))
    axis.set(xscale="log", xlabel="seconds per megapixel", ylabel=f"{metric} in dB")
    axis.margins(x=0.3, y=0.15)
    return figure

"""Drawings of coloured pictures, of the plane of chroma, and of the trade-off that a temperature makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch07_applications.colour.lab_pictures import Chroma, Pictures, rgb_of
from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE, STEP = 80, 4  # of the plane that is drawn, and its cells
SMALL = 64  # pixels along a side


def draw_gallery(
    columns: Mapping[str, Pictures | Sequence[UInt8[np.ndarray, "_ _ 3"]]], rows: Sequence[int], width: float = 0.9
) -> Figure:
    """A row per picture, a column per method."""
    figure, axes = plots.panels(len(columns), len(rows), width=width, height=width, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for axis, (name, pictures) in zip(line, columns.items(), strict=True):
            axis.imshow(pictures[row])
            axis.axis("off")
            if row == rows[0]:
                axis.set_title("\n".join(wrap(name, 13)), fontsize=7.5)
    if max(np.shape(pictures[row])[0] for pictures in columns.values()) > SMALL:
        figure.set_dpi(110)  # photographs do not compress as well
    return figure


def draw_planes(found: Mapping[str, Chroma]) -> Figure:
    """The frequency of each chroma, over the colours themselves."""
    figure, axes = plots.panels(len(found), width=2.4, height=3.1, sharey=True)
    cells = np.arange(-EDGE, EDGE + 1, STEP)
    middle = (cells[:-1] + cells[1:]) / 2
    b, a = np.meshgrid(middle, middle, indexing="ij")
    plane = rgb_of(np.full((1, *a.shape), 70.0), np.stack([a, b], axis=-1)[None])[0]
    for axis, (name, chroma) in zip(axes, found.items(), strict=True):
        counts, _, _ = np.histogram2d(chroma[..., 1].ravel(), chroma[..., 0].ravel(), bins=(cells, cells))
        density = np.log10(np.maximum(counts / counts.sum(), 1e-6)) / 6 + 1  # 0 for a millionth, 1 for all
        strength = np.clip(density / density.max(), 0, 1)[..., None]
        axis.imshow((255 + strength * (plane.astype(float) - 255)).astype(np.uint8), origin="lower",
                    extent=(-EDGE, EDGE, -EDGE, EDGE))  # fmt: skip
        axis.contour(middle, middle, counts / counts.sum(), [1e-4, 1e-3, 1e-2], colors=plots.INK, linewidths=0.6)
        axis.set(title=name, xlabel="a: green to red")
        axis.grid(visible=False)
    axes[0].set_ylabel("b: blue to yellow")
    return figure


def draw_trade_off(record: LessonRecord, temperatures: Sequence[float], metrics: tuple[str, str]) -> Figure:
    """A point per temperature, joined."""
    findings = record.findings()
    x, y = ([findings[f"{metric}, T = {t:g}"][0].value for t in temperatures] for metric in metrics)
    figure, axis = plots.panels(width=5.0, height=3.2)
    axis.plot(x, y, "o-", color=plots.BLUE, markersize=5)
    for t, *place in zip(temperatures, x, y, strict=True):
        axis.annotate(f"T = {t:g}", place, xytext=(7, -11), textcoords="offset points", fontsize=9)
    axis.set(xlabel=f"{metrics[0]} of chroma (lower is better)", ylabel=f"{metrics[1]}, % (higher is better)")
    axis.margins(0.12)
    return figure


def draw_photo(found: Mapping[str, Pictures | UInt8[np.ndarray, "_ _ 3"]]) -> Figure:
    """The reader's photograph and its coloured versions, in two rows."""
    height, columns = plots.panel_height(next(iter(found.values())), 3.2) + 0.3, -(-len(found) // 2)
    figure, axes = plots.panels(columns, 2, width=3.2, height=height, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, picture) in zip(axes.flat, found.items(), strict=False):
        axis.imshow(picture)
        axis.set_title(name, fontsize=9)
    return figure


def draw_measures(record: LessonRecord, methods: Sequence[str], metrics: tuple[str, str]) -> Figure:
    """A point per method, with its intervals; of two close points the lower one has its name below."""
    scores = {(row.method, row.metric): row for row in record.scores()}
    figure, axis = plots.panels(width=5.6, height=3.8)
    placed: list[tuple[float, float]] = []
    for name in sorted(methods, key=lambda name: -scores[name, metrics[1]].value):
        x, y = (scores[name, metric] for metric in metrics)
        colour = plots.BLUE if x.kind == "deep" else plots.GREY
        across, up = ([[row.value - row.low], [row.high - row.value]] for row in (x, y))
        axis.errorbar(x.value, y.value, xerr=across, yerr=up, fmt="o", color=colour, capsize=2)
        near = sum(abs(x.value - a) < 0.4 and abs(y.value - b) < 1.2 for a, b in placed)
        place = [(6, 7), (12, -3), (6, -15)][min(near, 2)]
        axis.annotate(name, (x.value, y.value), xytext=place, textcoords="offset points", fontsize=8.5)
        placed.append((x.value, y.value))
    axis.margins(0.15)
    axis.set(xlabel=f"{metrics[0]} of chroma (lower is better)", ylabel=f"{metrics[1]}, % (higher is better)")
    return figure

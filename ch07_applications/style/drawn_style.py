"""Drawings of restyled pictures: rows by style, reconstructions by layer, and the plane of the two distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from ch07_applications.style.pixels import Picture
from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def show(axis: Axes, picture: Picture, title: str = "") -> None:
    """Show a picture without a frame."""
    axis.imshow(picture)
    axis.axis("off")
    axis.set_title("\n".join(wrap(title, 14)), fontsize=7.5)


def draw_rows(shown: Mapping[str, Sequence[Picture]], rows: Sequence[int]) -> Figure:
    """A row per pair, a column per method."""
    width = min(1.25, 9 / len(shown))
    figure, axes = plots.panels(len(shown), len(rows), width=width, height=width + 0.05, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for axis, (name, pictures) in zip(line, shown.items(), strict=True):
            show(axis, pictures[row], name if row == rows[0] else "")
    return figure


def draw_layers(
    given: Mapping[str, Picture], of_content: Mapping[str, Picture], of_style: Mapping[str, Picture]
) -> Figure:
    """Two rows: the reconstructions of a photograph, and those of a style, each row starts with the original."""
    figure, axes = plots.panels(1 + len(of_content), 2, width=1.25, height=1.45, squeeze=False)
    for line, (name, picture), found in zip(axes, given.items(), (of_content, of_style), strict=True):
        for axis, (title, each) in zip(line, {name: picture, **found}.items(), strict=True):
            show(axis, each, title)
    return figure


def draw_plane(record: LessonRecord, ours: Sequence[str], rivals: Sequence[str], metrics: tuple[str, str]) -> Figure:
    """A point per method; ours are joined, from the lightest to the heaviest weight."""
    scores = {(row.method, row.metric): row for row in record.scores()}
    figure, axis = plots.panels(1, width=5.2, height=3.6)
    points = {name: [scores[name, metric] for metric in metrics] for name in (*ours, *rivals)}
    x, y = zip(*[[row.value for row in points[name]] for name in ours], strict=True)
    axis.plot(y, x, color=plots.CYCLE[0], linewidth=1, alpha=0.6)
    for name, (style, content) in points.items():
        colour = plots.CYCLE[0] if name in ours else plots.GREY
        axis.errorbar(
            content.value, style.value, xerr=[[content.value - content.low], [content.high - content.value]],
            yerr=[[style.value - style.low], [style.high - style.value]], fmt="o", color=colour, capsize=2,
        )  # fmt: skip
        axis.annotate(name, (content.value, style.value), xytext=(6, 6), textcoords="offset points", fontsize=8.5)
    axis.set(xlabel=metrics[1], ylabel=metrics[0], xlim=(0, 1.3 * axis.get_xlim()[1]), ylim=(0, None))  # room for names
    return figure


def draw_photo(found: Mapping[str, Picture]) -> Figure:
    """The reader's photograph and its restyled versions."""
    height = plots.panel_height(next(iter(found.values())), 2.6) + 0.6
    figure, axes = plots.panels(len(found), width=2.6, height=height)
    for axis, (name, picture) in zip(axes, found.items(), strict=True):
        show(axis, picture, name)
    return figure

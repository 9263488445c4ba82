"""Drawings of the lesson on long-term convolutions: films, accuracy against the length of clips, confusions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ch07_applications.video.drawn_conv3d import draw_moving, name_row
from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ch07_applications.video.films import Films
    from common.record import LessonRecord

EVERY, MOVING = 4, 3  # steps between the frames of strips, and of animations


def draw_spans(films: Films) -> Figure:
    """Every fourth frame of each film, a strip per class."""
    figure, axes = plots.panels(1, len(films), width=9.2, height=0.62)
    for axis, film, label in zip(axes, films.films, films.labels, strict=True):
        axis.imshow(np.concatenate(list(film[::EVERY]), axis=1), interpolation="nearest")
        name_row(axis, films.classes[label])
    return figure


def draw_moving_spans(films: Films) -> list[Figure]:
    """Every third frame of the films side by side, a figure per frame."""
    arrays = {name: getattr(films, name)[:, ::MOVING] for name in ("films", "joints", "masks")}
    return draw_moving(replace(films, **arrays))


def draw_lengths(
    record: LessonRecord, networks: Mapping[int, str], others: Mapping[str, int], without_order: str
) -> Figure:
    """Accuracy against the length of clips: networks as a line, with every seed as a point; other methods beside it.

    networks: the method for each length of clips. others: the length of each other method's input. without_order: the
    fact that is drawn as a line.
    """
    rows = {row.method: row for row in record.scores() if row.metric == "accuracy"}
    figure, axis = plots.panels(width=7.6, height=4.0)
    lengths = sorted(networks)
    axis.plot(lengths, [rows[networks[length]].value for length in lengths], color=plots.BLUE, label="3-D network")
    for length in lengths:
        seeds = [each.value for each in record.rows if (each.method, each.metric) == (networks[length], "accuracy")]
        axis.plot([length] * len(seeds), seeds, ".", color=plots.BLUE, markersize=6)
    for place, (name, length) in enumerate(others.items()):
        row, colour = rows[name], plots.CYCLE[1 + place % (len(plots.CYCLE) - 1)]
        right = length * 1.06 ** (1 + place % 3)
        axis.plot(right, row.value, "os^Dv"[place % 5], color=colour, label=name)
        axis.plot([right, right], [row.low, row.high], color=colour, linewidth=1)
    (limit, _) = record.findings()[without_order]
    axis.axhline(limit.value, color=plots.GREY, linewidth=1, linestyle="--", label="at most, without order")
    axis.set_xscale("log", base=2)
    axis.set_xticks(lengths, [str(length) for length in lengths])
    axis.set(xlabel="frames that are seen at once", ylabel="accuracy on test films, %", ylim=(0, 103))
    figure.legend(loc="outside lower center", ncols=2)
    return figure

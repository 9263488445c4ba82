"""Drawings of the lesson on summaries: a film's scores and summaries along time, shown frames, gains, viewers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from ch07_applications.video.motions import ACTIONS
from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ch07_applications.video.edited_films import EditedFilm
    from common.record import LessonRecord

WIDE, SHARE = 9.4, 0.85  # inches; the axes' share of them
Summary = Bool[np.ndarray, "frames"]


def draw_summaries(film: EditedFilm, scores: Float[np.ndarray, "frames"], summaries: Mapping[str, Summary]) -> Figure:
    """Over time: the middle frame of each shot, frame scores, and the frames of each summary; events are shaded."""
    figure, (strip, curves, bars) = plots.panels(1, 3, width=WIDE, height=1.75, sharex=True)
    figure.get_layout_engine().set(h_pad=0.02)
    heights = (0.75, 1.2, 0.23 * len(summaries) + 0.2)
    curves.get_gridspec().set_height_ratios(heights)
    figure.set_figheight(sum(heights) + 0.9)
    tall = heights[0] * len(film.frames) / (WIDE * SHARE)  # the strip's height in frames: pixels are square
    ends = [0, *film.cuts, len(film.frames)]
    for first, end in pairwise(ends):
        middle, half = (first + end) / 2, (end - first) / 2
        side = min(half, 0.46 * tall)  # half a picture's width, in frames: none is wider than its shot
        strip.imshow(film.frames[int(middle)], extent=(middle - side, middle + side, -side, side), aspect="auto")
        name = ACTIONS[film.labels[first]].replace(" ", "\n", 1)
        strip.text(middle, 0.53 * tall, name, ha="center", va="bottom", fontsize=6.5, linespacing=0.9)
        for axis in (curves, bars):
            axis.axvline(end, color=plots.INK, linewidth=0.4, alpha=0.4)
    strip.set(ylim=(-tall / 2, tall / 2), xlim=(0, len(film.frames)))
    strip.set_axis_off()
    for axis in (curves, bars):
        axis.fill_between(np.arange(len(film.frames)) + 0.5, 0, 1, film.important, step="mid", color=plots.ORANGE,
                          alpha=0.22, linewidth=0, transform=axis.get_xaxis_transform())  # fmt: skip
        axis.grid(False)
    curves.plot(np.arange(len(scores)) + 0.5, scores, color=plots.BLUE, linewidth=1.3)
    curves.set(ylabel=f"score of the\n{next(iter(summaries))}", ylim=(0, 1.02))
    curves.yaxis.label.set_fontsize(8)
    for place, summary in enumerate(summaries.values()):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], summary, [False]]).astype(int)))
        for first, end in zip(edges[::2], edges[1::2], strict=True):  # each run of chosen frames
            bars.barh(-place, end - first, left=first, height=0.62, color=plots.BLUE if place == 0 else plots.GREY)
    bars.set_yticks([-place for place in range(len(summaries))], list(summaries), fontsize=8)
    bars.set(xlabel="frame", ylim=(0.6 - len(summaries), 0.6))
    return figure


def draw_moving(film: EditedFilm, summaries: Mapping[str, Summary], every: int = 2) -> list[Figure]:
    """The film's summaries side by side, a figure for every `every`-th frame, with the action shown."""
    shown = {name: np.flatnonzero(summary)[::every] for name, summary in summaries.items()}
    figures = []
    for step in range(max(map(len, shown.values()))):
        figure, axes = plots.panels(len(shown), 1, width=1.75, height=2.35, squeeze=False)
        for axis, (name, frames) in zip(axes[0], shown.items(), strict=True):
            axis.set_title(name, fontsize=9)
            axis.set_axis_off()
            if step < len(frames):
                axis.imshow(film.frames[frames[step]], interpolation="nearest")
                colour = plots.ORANGE if film.important[frames[step]] else plots.INK
                axis.text(0.5, -0.04, ACTIONS[film.labels[frames[step]]], transform=axis.transAxes, fontsize=8,
                          ha="center", va="top", color=colour)  # fmt: skip
            else:
                axis.imshow(np.full_like(film.frames[0], 255))
        figures.append(figure)
    return figures


def draw_gains(record: LessonRecord, names: Sequence[str], metric: str) -> Figure:
    """A metric of each method: the mean over seeds as a bar, with its interval."""
    rows = {row.method: row for row in record.scores() if row.metric == metric}
    figure, axis = plots.panels(width=6.0, height=0.4 * len(names) + 0.9)
    for place, name in zip(range(len(names))[::-1], names, strict=True):
        row = rows[name]
        colour = {"deep": plots.BLUE, "classical": plots.ORANGE}.get(row.kind, plots.GREY)
        axis.barh(place, row.value, color=colour, height=0.6)
        axis.plot([row.low, row.high], [place, place], color=plots.INK, linewidth=1.2)
        axis.text(max(row.value, row.high, 0), place, f"  {row.value:.1f}", va="center", fontsize=9)
    axis.axvline(0, color=plots.INK, linewidth=0.8)
    axis.set_yticks(range(len(names))[::-1], names)
    axis.set(xlabel=f"{metric}, points")
    axis.margins(x=0.12)
    return figure


def draw_viewers(tastes: Sequence[float], levels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """F1 with viewers' summaries against the spread of their tastes: a panel per scheme of cutting and selection."""
    figure, axes = plots.panels(len(levels), 1, width=3.1, height=2.9, sharey=True, squeeze=False)
    for axis, (scheme, methods) in zip(axes[0], levels.items(), strict=True):
        for (name, values), colour in zip(methods.items(), (plots.BLUE, plots.GREY), strict=False):
            axis.plot(tastes, values, "o-", color=colour, label=name)
        axis.set_title(scheme, fontsize=10)
        axis.set(xlabel="spread of tastes", ylim=(0, 100))
    axes[0, 0].set_ylabel("F1 with viewers, %")
    axes[0, 0].legend(fontsize=8)
    return figure

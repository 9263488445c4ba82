"""Drawings of the lesson on activities: recordings with their scores, accuracy by length and by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from common import plots
from common.data.recordings import Recordings
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RATE = 50
COLOURS = (*plots.CYCLE, plots.GREY)


def draw_recordings(
    shown: Sequence[Recordings], over_time: Sequence[Float[np.ndarray, "_ classes"]], classes: Sequence[str]
) -> Figure:
    """A column per recording: three accelerations, and below them the probabilities as bands that fill 0 to 1."""
    figure, axes = plots.panels(len(shown), 2, width=4.4, height=1.9, sharex="col", squeeze=False)
    for column, (part, scores) in enumerate(zip(shown, over_time, strict=True)):
        series, above, below = part.series[0], axes[0, column], axes[1, column]
        times = np.arange(len(series)) / RATE
        for axis, colour in zip("xyz", plots.CYCLE, strict=False):
            above.plot(times, series[:, "xyz".index(axis)], color=colour, linewidth=0.9, label=axis)
        above.set_title(f"person {part.subjects[0]}: {classes[part.labels[0]]}")
        ends = np.linspace(0, times[-1], len(scores))
        bands = below.stackplot(ends, scores.T, colors=COLOURS, linewidth=0)
        below.set(xlabel="seconds", ylim=(0, 1), xlim=(0, times[-1]))
        below.grid(visible=False)
    axes[0, 0].set_ylabel("g")
    axes[1, 0].set_ylabel("probability")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes[1, -1].legend(bands, classes, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_lengths(record: LessonRecord, lengths: Sequence[int]) -> Figure:
    """Accuracy against the windows' length, from the facts over all seeds."""
    figure, axis = plots.panels(width=6.4, height=3.6)
    found = record.findings()
    seconds = [length / RATE for length in lengths]
    names = ("LSTM", "SVM of 2.56 s", "SVM of this length")
    for name, style in zip(names, ("o-", "s--", "^:"), strict=True):
        points = [found[f"accuracy at {second:.2f} s, {name}"][0] for second in seconds]
        draw_with_bars(axis, seconds, points, style, name)
    axis.set_xscale("log", base=2)
    axis.set_xticks(seconds, [f"{second:g}" for second in seconds])
    axis.set(xlabel="length of a window, seconds", ylabel="accuracy, %")
    axis.legend()
    return figure


def draw_people(record: LessonRecord, names: Sequence[str], counts: Mapping[int | str, int]) -> Figure:
    """Accuracy against the number of training people, from the rows over all seeds. counts: by the rows' names."""
    figure, axis = plots.panels(width=6.4, height=3.6)
    rows = {row.method: row.interval for row in record.scores() if row.metric == "accuracy"}
    people = list(counts.values())
    for name, style in zip(names, ("o-", "s--"), strict=True):
        draw_with_bars(axis, people, [rows[f"{name}, people: {count}"] for count in counts], style, name)
    axis.set_xticks(people)
    axis.set(xlabel="people in the training part", ylabel="accuracy, %")
    axis.legend(loc="lower right")
    return figure


def draw_with_bars(axis: Axes, x: Sequence[float], points: Sequence, style: str, label: str) -> None:
    """A curve through intervals, with bars for those that have ends."""
    values = np.array([point.value for point in points])
    ends = np.array([[point.value - point.low, point.high - point.value] for point in points]).T
    axis.errorbar(x, values, yerr=np.nan_to_num(np.abs(ends)), fmt=style, capsize=3, label=label)

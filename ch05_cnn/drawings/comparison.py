"""The pictures of `comparison`: accuracies with their intervals, errors by the number of training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from common import plots
from common.results import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord


def draw_accuracies(record: LessonRecord, names: Sequence[str], colours: dict[str, str]) -> Figure:
    """One panel per set: every method's accuracy on the test images, over all seeds, with its interval.

    colours: of the methods, in order.
    """
    figure, axes = plots.panels(1, len(names), width=5.6, height=2.05, squeeze=False)
    scores = {row.method: row for row in record.scores()}
    for axis, name in zip(axes[:, 0], names, strict=True):
        for place, (method, colour) in enumerate(colours.items()):
            row = scores[f"{name}: {method}"]
            axis.plot([row.low, row.high], [place, place], color=colour)
            axis.plot(row.value, place, "o", color=colour, markersize=6)
        axis.set_yticks(range(len(colours)), list(colours))
        axis.set_title(name)
        axis.grid(visible=False, axis="y")
        axis.invert_yaxis()
    axes[-1, 0].set_xlabel("accuracy on test images (%)")
    return figure


def draw_errors(record: LessonRecord, sizes: dict[str, list[int]], colours: dict[str, str]) -> Figure:
    """One panel per set: the error by the number of training images, over all seeds, with its interval.

    sizes: numbers of training images, by set. colours: of the hand-crafted and of the learned method, side by side.
    """

    def intervals(name: str, method: str, counts: Sequence[int]) -> list[Interval]:
        """The method's errors on a set, the last of them with all training images."""
        few = [facts[f"{name}, {n} images: error of {method}"][0] for n in counts[:-1]]
        (row,) = (row for row in record.scores() if row.method == f"{name}: {method}" and row.metric == "accuracy")
        return [*few, Interval(100 - row.value, 100 - row.high, 100 - row.low)]

    figure, axes = plots.panels(len(sizes), width=2.0, height=3.3, squeeze=False)
    facts = record.findings()
    for axis, (name, counts) in zip(axes[0], sizes.items(), strict=True):
        ends = []
        for (method, colour), line, shift in zip(colours.items(), ("--", "-"), (0.94, 1.06), strict=True):
            x, errors = shift * np.array(counts), intervals(name, method, counts)
            values, lows, highs = np.array([error.ends for error in errors]).T
            axis.plot(x, values, line, color=colour, linewidth=1.6)
            axis.plot(x, values, "o", color=colour, markersize=4.5)
            axis.vlines(x, lows, highs, color=colour)
            ends += [*values, *lows[lows > 0], *highs[highs > 0]]
        low, high = min(ends) / 1.15, max(ends) * 1.15
        axis.set(title=name, xscale="log", yscale="log", xlim=(counts[0] / 1.5, counts[-1] * 1.5), ylim=(low, high))
        axis.set_xticks(counts, [f"{n:,}" for n in counts], fontsize=8.5)
        marks = [mark for mark in (0.5, 1, 2, 5, 10, 15, 20, 30, 40, 50, 70) if low < mark < high]
        axis.set_yticks(marks, [f"{mark:g}" for mark in marks])
        axis.tick_params(which="minor", labelleft=False, left=False, bottom=False, labelbottom=False)
    axes[0, 0].set_ylabel("error on test images (%)")
    figure.supxlabel("training images", fontsize=10)
    corners = (0.97, 0.97, "right", "top"), (0.04, 0.03, "left", "bottom")  # where falling curves leave room
    for (method, colour), (x, y, across, up) in zip(colours.items(), corners, strict=True):
        place = {"ha": across, "va": up, "transform": axes[0, 0].transAxes}
        axes[0, 0].text(x, y, method.replace(" ", "\n", 2), color=colour, fontsize=9, **place)
    return figure

"""The pictures of `comparison`: accuracies with their intervals, errors by the number of training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord


def draw_accuracies(record: LessonRecord, names: Sequence[str], colours: dict[str, str]) -> Figure:
    """One panel per set: every method's accuracy on the test images, over all seeds, with its interval.

    colours: of the methods, in order.
    """
    figure, axes = plots.panels(len(names), width=3.6, height=3.0, sharey=True, squeeze=False)
    scores = {row.method: row for row in record.scores()}
    for axis, name in zip(axes[0], names, strict=True):
        for place, (method, colour) in enumerate(colours.items()):
            row = scores[f"{name}: {method}"]
            axis.plot([row.low, row.high], [place, place], color=colour)
            axis.plot(row.value, place, "o", color=colour, markersize=6)
        axis.set_yticks(range(len(colours)), list(colours))
        axis.set(title=name, xlabel="accuracy on test images (%)")
        axis.grid(visible=False, axis="y")
    axes[0, 0].invert_yaxis()
    return figure


def draw_errors(
    errors: dict[str, dict[str, list[float]]], sizes: dict[str, list[int]], styles: dict[str, tuple[str, bool]]
) -> Figure:
    """One panel per set: the error by the number of training images.

    errors: by set and method, in %. styles: each method's colour, and whether it learns its features.
    """
    figure, axes = plots.panels(len(sizes), width=3.7, height=3.3, squeeze=False)
    for axis, name in zip(axes[0], sizes, strict=True):
        for method, values in errors[name].items():
            colour, deep = styles[method]
            line = "o-" if deep else "o--"
            axis.plot(sizes[name], values, line, color=colour, markersize=4, linewidth=1.6, label=method)
        axis.set(title=name, xlabel="training images", xscale="log", yscale="log")
        axis.set_xticks(sizes[name], [f"{n:,}" for n in sizes[name]], fontsize=8)
        axis.tick_params(which="minor", labelleft=False, left=False, bottom=False, labelbottom=False)
        low, high = min(map(min, errors[name].values())), max(map(max, errors[name].values()))
        marks = [mark for mark in (0.5, 1, 2, 5, 10, 15, 20, 30, 40, 50, 70) if low * 0.8 < mark < high * 1.2]
        axis.set_yticks(marks, [f"{mark:g}" for mark in marks])
    axes[0, 0].set_ylabel("error on test images (%)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure

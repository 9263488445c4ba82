"""The picture of `transfer`: accuracy by the number of images, and by the seconds of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord


def draw_curves(record: LessonRecord, labels: dict[str, dict[int, str]], colours: dict[str, str]) -> Figure:
    """Accuracy by the number of images, and by the training time, over all seeds.

    labels: the scoreboard's name of each method with each number of images. colours: of the methods.
    """
    figure, (left, beside) = plots.panels(2, width=4.5, height=3.5, sharey=True)
    scores = {row.method: row for row in record.scores()}
    for name, by_size in labels.items():
        rows, sizes = [scores[label] for label in by_size.values()], list(by_size)
        accuracies = [row.value for row in rows]
        left.plot(sizes, accuracies, "o-", color=colours[name], markersize=4)
        beside.plot([r.fit_seconds for r in rows], accuracies, "o-", color=colours[name], markersize=4, label=name)
    left.set(
        title="By the number of images", xlabel="training images", ylabel="accuracy on test images (%)", xscale="log"
    )
    left.set_xticks(sizes, [f"{n:,}" for n in sizes])
    left.tick_params(which="minor", bottom=False)
    beside.set(title="By the time of training", xlabel="seconds", xscale="log")
    beside.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure

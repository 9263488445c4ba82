"""The drawing of the comparison of all segmentation systems: bars of every score, over all seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_scores(record: LessonRecord, methods: Mapping[str, Sequence[str]]) -> Figure:
    """A panel per metric: a bar per method, the mean over all seeds, with its 95 % interval.

    methods: by metric, those that have it; the last one, the rival, is grey.
    """
    scores = {(row.method, row.metric): row for row in record.scores()}
    most = max(map(len, methods.values()))
    figure, axes = plots.panels(len(methods), width=2.9, height=0.6 + 0.42 * most, squeeze=False)
    every = list(dict.fromkeys(name for names in methods.values() for name in names))
    for axis, (metric, names) in zip(axes[0], methods.items(), strict=True):
        for place, name in enumerate(names):
            row = scores[name, metric]
            colour = plots.GREY if name == names[-1] else plots.CYCLE[every.index(name) % len(plots.CYCLE)]
            axis.barh(place, row.value, color=colour, height=0.62)
            axis.plot([row.low, row.high], [place, place], color="black", linewidth=1.2)
            axis.text(max(row.high, row.value) + 1.5, place, f"{row.value:.0f}", va="center", fontsize=8)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set(title=metric, xlabel="%", xlim=(0, 100), ylim=(most - 0.4, -0.6))
        axis.grid(visible=False, axis="y")
    return figure

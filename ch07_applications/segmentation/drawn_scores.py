"""The drawing that compares methods: bars of their scores, over all seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_scores(record: LessonRecord, methods: Mapping[str, Sequence[str]], grey: Sequence[str] = ()) -> Figure:
    """A panel per metric: a bar per method, the mean over all seeds, with its 95 % interval.

    methods: the methods that have each metric. grey: the rivals, which are drawn in grey.
    """
    scores = {(row.method, row.metric): row for row in record.scores()}
    most = max(map(len, methods.values()))
    figure, axes = plots.panels(len(methods), width=max(2.9, 7.0 / len(methods)), height=0.7 + 0.34 * most)
    every = [name for name in dict.fromkeys(name for names in methods.values() for name in names) if name not in grey]
    for number, (metric, names) in enumerate(methods.items()):
        axis = axes[number] if len(methods) > 1 else axes
        for place, name in enumerate(names):
            row = scores[name, metric]
            colour = plots.GREY if name in grey else plots.CYCLE[every.index(name) % len(plots.CYCLE)]
            axis.barh(place, row.value, color=colour, height=0.62)
            axis.plot([row.low, row.high], [place, place], color=plots.INK, linewidth=1.2)
            axis.text(max(row.high, row.value) + 1.5, place, f"{row.value:.0f}", va="center", fontsize=8)
        same = number and list(methods.values())[number - 1] == names
        axis.set_yticks(range(len(names)), [] if same else names, fontsize=8.5)
        axis.set(title=metric, xlabel="%", xlim=(0, 100), ylim=(most - 0.4, -0.6))
        axis.grid(visible=False, axis="y")
    return figure

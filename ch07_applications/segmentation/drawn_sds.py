"""Drawings of classified regions: what the proposals cover, and the paper's four bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_ceiling(numbers: Int[np.ndarray, "n"], recall: Float[np.ndarray, "2 n"]) -> Figure:
    """Recall in per cent at an IoU of 0.5 and of 0.7 against the number of regions per scene."""
    figure, axis = plots.panels(width=5.6, height=3.3)
    for values, threshold, colour in zip(recall, (0.5, 0.7), (plots.BLUE, plots.ORANGE), strict=True):
        axis.plot(numbers, values, color=colour, label=f"IoU ≥ {threshold}")
    axis.set(xlabel="regions per scene", ylabel="objects covered (%)", ylim=(0, 100), xlim=(1, numbers[-1]))
    axis.legend(loc="lower right")
    return figure


def draw_bars(record: LessonRecord, methods: Sequence[str], metrics: Sequence[str]) -> Figure:
    """A group of bars per metric, a bar per method, with intervals over seeds."""
    rows = {(row.method, row.metric): row.interval for row in record.scores()}
    figure, axis = plots.panels(width=6.2, height=3.5)
    width = 0.8 / len(methods)
    for k, (name, colour) in enumerate(zip(methods, plots.CYCLE, strict=False)):
        own = [rows[name, metric] for metric in metrics]
        places = np.arange(len(metrics)) + (k - (len(methods) - 1) / 2) * width
        values = np.array([interval.value for interval in own])
        ends = np.abs(np.array([[interval.low, interval.high] for interval in own]).T - values)
        axis.bar(places, values, 0.92 * width, color=colour, label=name, yerr=ends, error_kw={"elinewidth": 1})
    axis.set_xticks(range(len(metrics)), [f"{metric} (%)" for metric in metrics])
    axis.grid(visible=False, axis="x")
    axis.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=len(methods), fontsize=8.5)
    return figure

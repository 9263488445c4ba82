"""Drawings of the FCN lesson: metrics by stride, and examples chosen by a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch07_applications.segmentation.drawn_labels import draw_strips
from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.data.segmented import SegmentedImages
    from common.record import LessonRecord

METRICS = {"mean IoU": plots.BLUE, "boundary F1": plots.ORANGE}


def draw_by_stride(record: LessonRecord, names: Sequence[str]) -> Figure:
    """Mean IoU and boundary F1 of the named methods, from the coarsest stride to the finest, over all seeds."""
    figure, axis = plots.panels(width=4.8, height=3.2)
    rows = {(row.method, row.metric): row for row in record.scores()}
    for metric, colour in METRICS.items():
        found = [rows[name, metric] for name in names]
        axis.plot(range(len(names)), [row.value for row in found], "o-", color=colour, markersize=6, label=metric)
        for place, row in enumerate(found):
            axis.plot([place, place], [row.low, row.high], color=colour, linewidth=1.4)
    axis.set_xticks(range(len(names)), [name.split(",")[0] for name in names])
    axis.set_xlim(-0.3, len(names) - 0.7)
    axis.set(ylabel="%", xlabel="finest map that is scored")
    axis.set_ylim(bottom=0)
    axis.legend(loc="lower right")
    return figure


def draw_examples(part: SegmentedImages, columns: Mapping[str, UInt8[np.ndarray, "n height width"]]) -> Figure:
    """Three pictures of the part with their label maps: the best, the median and the worst."""
    rows = ("best", "median", "worst")
    return draw_strips(part.images, columns, part.classes, rows[: len(part)])

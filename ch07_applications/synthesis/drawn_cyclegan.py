"""CycleGAN's pictures: the effects of the losses, over seeds. Rows of images use DCGAN's drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTIONS = {
    "off": "The first striped test images and their translations to grey, by method, above the hidden partners.",
    "on": "The first grey test images, CycleGAN's translations to striped, the way back from these, and the striped "
    "partners, whose stripes a translator cannot know.",
    "message": "The first striped validation images, CycleGAN's translations to grey, four times the difference of "
    "these from the hidden partners, and what becomes striped again of the translations, of the same with Gaussian "
    "noise of 8 grey levels, and of the hidden partners.",
    "bars": "PSNR to the hidden partner and the share of translations that are recognised, on test images: means over "
    "seeds as bars, every seed as a point; higher is better.",
}


def draw_bars(record: LessonRecord, names: Sequence[str], ours: Sequence[str], metrics: Sequence[str]) -> Figure:
    """A bar per method and metric: the mean over seeds; every seed is a point. Ours are blue."""
    rows = {(row.method, row.metric): row for row in record.scores()}
    figure, axes = plots.panels(len(metrics), width=4.3, height=0.36 * len(names) + 0.8, sharey=True)
    places = np.arange(len(names))[::-1]
    for axis, metric in zip(axes, metrics, strict=True):
        for place, name in zip(places, names, strict=True):
            row = rows[name, metric]
            axis.barh(place, row.value, color=plots.BLUE if name in ours else plots.GREY, height=0.62)
            each = [one.value for one in record.rows if (one.method, one.metric) == (name, metric)]
            plots.dots(axis, np.array(each), np.full(len(each), float(place)))
            axis.text(max(each), place, f"  {row.value:.1f}", va="center", fontsize=8.5)
        most = max(rows[name, metric].value for name in names)
        axis.set(xlabel=f"{metric} [{rows[names[0], metric].unit}]", xlim=(0, 1.2 * most))  # room for the numbers
    axes[0].set_yticks(places, names)
    return figure

"""Drawings of calibration: what corrections change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_corrections(
    record: LessonRecord, brier: dict[str, tuple[float, float, float]], chance: dict[int, float]
) -> Figure:
    """Log loss over all seeds, corrected or not; the parts of one seed's Brier score; the ECE by chance alone.

    brier: by method, reliability, resolution and uncertainty. chance: by the number of test points.
    """
    figure, (losses, parts, honest) = plots.panels(3, width=3.9, height=3)
    loss = {row.method: row.value for row in record.scores() if row.metric == "log loss"}
    for correction, colour in (("", plots.ORANGE), (", tempered", plots.BLUE), (", isotonic", plots.GREEN)):
        values, label = [loss[name + correction] for name in brier], correction[2:] or "as predicted"
        losses.plot(values, list(brier), "o", color=colour, label=label)
    for name, (reliability, resolution, uncertainty) in brier.items():
        parts.barh(name, uncertainty - resolution, color=plots.PALE)
        parts.barh(name, reliability, left=uncertainty - resolution, color=plots.RED)
    for axis in (losses, parts):
        axis.invert_yaxis()
    losses.set(title="Log loss", xlabel="nats")
    losses.legend()
    parts.set(title="Brier score: red is miscalibration", yticks=[])
    parts.set_xlabel("reliability (red) + uncertainty − resolution")
    honest.loglog(list(chance), list(chance.values()), "o-")
    honest.set(title="ECE of calibrated predictions", xlabel="test points")
    return figure

"""Drawings of evaluate.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from common import plots
from common.metrics.detection import COCO_THRESHOLDS, Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_thresholds(evaluations: dict[str, Evaluation]) -> Figure:
    """Mean average precision by the threshold of IoU."""
    figure, axis = plots.panels(width=4.8, height=3.2)
    for (name, evaluation), colour in zip(evaluations.items(), plots.CYCLE, strict=False):
        draws = np.array([evaluation.bootstrap(threshold, 300) for threshold in COCO_THRESHOLDS])
        axis.fill_between(COCO_THRESHOLDS, *np.quantile(100 * draws, [0.025, 0.975], axis=1), color=colour, alpha=0.2)
        values = [100 * evaluation.mean_average_precision(threshold) for threshold in COCO_THRESHOLDS]
        axis.plot(COCO_THRESHOLDS, values, "o-", color=colour, label=name)
    axis.set(xlabel="threshold of IoU", ylabel="mAP (%)", ylim=(0, None))
    axis.legend()
    return figure


def draw_error_effects(values: dict[str, list[float]]) -> Figure:
    """Mean average precision with each kind of error."""
    figure, axis = plots.panels(width=6.4, height=3.2)
    rows = np.arange(len(values))[::-1]
    for k, (name, colour) in enumerate([("mAP at 0.5", plots.BLUE), ("mAP, 0.5 … 0.95", plots.ORANGE)]):
        axis.barh(rows + 0.2 - 0.4 * k, [pair[k] for pair in values.values()], height=0.36, color=colour, label=name)
    axis.set_yticks(rows, list(values))
    axis.set(xlabel="%", xlim=(0, 100))
    axis.grid(axis="y", visible=False)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def draw_doubts(
    levels: tuple[int, ...], ties: list[list[float]], numbers: list[int], values: Float[np.ndarray, "numbers draws"]
) -> Figure:
    """Left: equal scores. Right: few scenes."""
    figure, (left, right) = plots.panels(2, width=4.4, height=3.2)
    lowest, chance, highest = 100 * np.array(ties).T
    left.fill_between(levels, lowest, highest, color=plots.BLUE, alpha=0.2, lw=0, label="wrong first … right first")
    left.plot(levels, chance, "o-", color=plots.BLUE, label="as predicted")
    left.set(title="Equal scores", xlabel="levels of the score", ylabel="mAP at 0.5 (%)", xscale="log")
    left.legend(loc="lower right")
    right.plot(np.repeat(numbers, values.shape[1]), 100 * values.ravel(), "o", color=plots.INK, alpha=0.3, ms=3, mew=0)
    right.plot(numbers, 100 * values.mean(axis=1), "o-", color=plots.ORANGE, label="mean")
    right.set(title="Few scenes", xlabel="scenes", xscale="log")
    right.set_xticks(numbers, [str(number) for number in numbers])
    right.minorticks_off()
    right.legend()
    return figure

"""Drawings of pedestrians.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ch06_detection.drawings.boxes import outline
from common import plots
from common.data.boxed import BoxedImages, Target
from common.metrics.detection import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_curves(evaluations: dict[str, Evaluation]) -> Figure:
    """Precision against recall, and misses against false positives per image, of every detector."""
    figure, (left, right) = plots.panels(2, width=4.4, height=3.4)
    for (name, evaluation), colour in zip(evaluations.items(), plots.CYCLE, strict=False):
        curve = evaluation.curve(1, 0.5)
        left.plot(100 * curve.recall, 100 * curve.precision, color=colour, label=name)
        right.plot(curve.false / len(evaluation.targets), 100 * (1 - curve.recall), color=colour)
    left.set(title="Precision", xlabel="recall (%)", ylabel="precision (%)", xlim=(0, 101), ylim=(0, 102))
    right.set(title="Misses", xlabel="false positives per image", ylabel="missed (%)", xscale="log", yscale="log")
    right.set(xlim=(1e-2, 1e1), ylim=(1, 100))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_frame(part: BoxedImages, item: int, found: dict[str, Target]) -> Figure:
    """One frame with each detector's highest-scoring boxes, as many as there are people."""
    figure, axes = plots.panels(3, -(-len(found) // 3), width=4.0, height=3.3, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, detections) in zip(axes.flat, found.items(), strict=False):
        axis.imshow(part.images[item])
        outline(axis, part.targets[item]["boxes"], plots.GREEN, 1.5)
        outline(axis, detections["boxes"][: len(part.targets[item]["boxes"])], plots.RED, 1.0)
        axis.set(title=name, xlim=(0, part.images.shape[2]), ylim=(part.images.shape[1], 0))
    return figure

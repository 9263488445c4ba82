"""Drawings of the lesson on AlexNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, UInt8

from ch07_applications.classification.activation_race import TARGET, WINDOW, Training
from common import plots
from common.ablation import draw_differences
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 5  # probabilities per image


def draw_race(trainings: Mapping[str, Training]) -> Figure:
    """The training error against steps, a line per activation."""
    figure, axis = plots.panels(width=5.6, height=3.2)
    for (name, training), colour in zip(trainings.items(), (plots.BLUE, plots.ORANGE), strict=True):
        curve = training.curve()
        steps = np.arange(WINDOW, WINDOW + len(curve))
        axis.plot(steps, curve, color=colour, label=f"{name}, rate {training.rate:g}: {len(training.errors)} steps")
    axis.axhline(100 * TARGET, color=plots.GREY, linewidth=1, linestyle="--")
    axis.set(xlabel="steps", ylabel="training error (%)", xlim=(0, None), ylim=(0, 100))
    axis.legend(loc="lower left")
    return figure


def draw_answers(
    images: UInt8[np.ndarray, "n height width 3"],
    probabilities: Float[np.ndarray, "n classes"],
    classes: Sequence[str],
    labels: Int[np.ndarray, "n"] | None = None,
) -> Figure:
    """Each image above bars of its most probable classes; the label's bar is green."""
    columns = min(4, len(images))
    blocks = -(-len(images) // columns)
    figure, axes = plots.panels(
        columns, 2 * blocks, width=1.9, height=1.35, squeeze=False, height_ratios=[1.5, 1] * blocks
    )
    for axis in axes.flat:
        axis.axis("off")
    for number, (image, values) in enumerate(zip(images, probabilities, strict=True)):
        block, column = divmod(number, columns)
        above, below = axes[2 * block, column], axes[2 * block + 1, column]
        above.imshow(image, interpolation="nearest")
        if labels is not None:
            above.set_title(classes[labels[number]], loc="center", fontsize=9)
        for row, each in enumerate(np.argsort(-values)[:SHOWN]):
            true = labels is not None and each == labels[number]
            below.barh(row, values[each], color=plots.GREEN if true else plots.SKY, height=0.9, alpha=0.75)
            below.text(0.02, row, classes[each], va="center", fontsize=7.5)
        below.set(xlim=(0, 1), ylim=(SHOWN - 0.4, -0.6))
    return figure


def draw_filters(
    weights: Float[np.ndarray, "filters 3 height width"], added: Float[np.ndarray, "filters 3 height width"]
) -> Figure:
    """Two rows: the filters that training changed most, and what it added to them; each row has its own scale."""
    changed = np.argsort(-np.abs(added).sum(axis=(1, 2, 3)))[:16]
    figure, axes = plots.panels(len(changed), 2, width=0.62, height=0.7, squeeze=False)
    for line, values, name in zip(axes, (weights, added), ("filter", "added"), strict=True):
        pictures = 0.5 + 0.5 * values[changed].transpose(0, 2, 3, 1) / np.abs(values[changed]).max()
        for axis, picture in zip(line, pictures, strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(name, fontsize=9)
    return figure


def draw_changes(record: LessonRecord, of: Sequence[str]) -> Figure:
    """The effects of the changes `of`, leaving out the lesson's other comparisons."""
    return draw_differences([comparison for comparison in record.comparisons if comparison.a in of])

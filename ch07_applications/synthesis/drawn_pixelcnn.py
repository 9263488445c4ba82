"""Gated PixelCNN's pictures: samples by class, a pixel's context, nats with and without the class, and mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, UInt8

from ch07_applications.reconstruction.drawn_pixel_rnn import show
from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTIONS = {
    "classes": "A row per class: the first test digits of it, binarised, and the first digits that each model drew of "
    "that class.",
    "fields": "Blue: pixels that the output at the black pixel depends on, at 14 × 14. Grey: earlier pixels that it "
    "does not see. White: later pixels. Both networks reach eight pixels to every side.",
    "gain": "Nats per test digit, with the class (filled) and without it (hollow); lower is better. A grey bar begins "
    "at the value with the class and has the length of ln 10, the entropy of ten classes that are equally frequent.",
    "mistakes": "The first test digits whose class Bayes' rule gets wrong: their class, the answer, and its posterior "
    "probability.",
}
Binary = UInt8[np.ndarray, "images height width"]


def draw_classes(panels: Mapping[str, Binary], labels: Int[np.ndarray, "images"], columns: int = 7) -> Figure:
    """A panel per source, a row per class: the first images of that class."""
    figure, axes = plots.panels(len(panels), width=2.35, height=3.5, squeeze=False)
    for axis, (name, images) in zip(axes[0], panels.items(), strict=True):
        height, width = images.shape[1:]
        sheet = np.full((10 * (height + 1) + 1, columns * (width + 1) + 1), 0.15)  # a pale line between neighbours
        for y in range(10):
            for column, image in enumerate(images[labels == y][:columns]):
                top, left = y * (height + 1) + 1, column * (width + 1) + 1
                sheet[top : top + height, left : left + width] = image
        show(axis, sheet, name)
    return figure


def draw_fields(
    fields: Mapping[str, np.ndarray], before: np.ndarray, place: Sequence[int], share: Mapping[str, float]
) -> Figure:
    """A panel per network: the part of the pixels before the place that it depends on."""
    figure, axes = plots.panels(len(fields), width=2.9, height=3.0, squeeze=False)
    colours = np.array([[1, 1, 1], [0.78, 0.8, 0.83], [0.35, 0.6, 0.83]])
    for axis, (name, seen) in zip(axes[0], fields.items(), strict=True):
        picture = colours[before.astype(int) + (before & seen)]
        picture[tuple(place)] = 0
        show(axis, picture, f"{name}: {share[name]:.1f} %")
    return figure


def draw_gain(record: LessonRecord, pairs: Mapping[str, tuple[tuple[str, str], tuple[str, str]]]) -> Figure:
    """A line per model: its nats with the class, and without it; pairs: (method, metric) of each."""
    values = {(row.method, row.metric): row.value for row in record.scores()}
    figure, axis = plots.panels(width=6.4, height=0.5 * len(pairs) + 0.9)
    places = np.arange(len(pairs))[::-1]
    for place, (known, unknown) in zip(places, pairs.values(), strict=True):
        start, end = values[known], values[unknown]
        axis.barh(place, np.log(10), left=start, height=0.34, color=plots.PALE)
        axis.plot([start, end], [place, place], color=plots.BLUE, linewidth=1.5)
        axis.plot(start, place, "o", color=plots.BLUE, markersize=7)
        axis.plot(end, place, "o", color=plots.BLUE, markerfacecolor="white", markersize=7)
        axis.annotate(f"{start:.1f}", (start, place), (-9, 0), textcoords="offset points", ha="right", va="center")
        axis.annotate(f"{end:.1f}", (end, place), (9, 0), textcoords="offset points", ha="left", va="center")
    axis.set_yticks(places, list(pairs))
    axis.set(xlabel="nats per test digit")
    axis.use_sticky_edges = False  # otherwise bars would set the left limit, where the numbers are
    axis.margins(x=0.14, y=0.2)
    return figure


def draw_mistakes(
    images: Binary,
    labels: Int[np.ndarray, "images"],
    posterior: Float[np.ndarray, "images classes"],
    columns: int = 12,
    rows: int = 2,
) -> Figure:
    """The first misclassified images."""
    answers = posterior.argmax(axis=1)
    wrong = np.flatnonzero(answers != labels)[: rows * columns]
    figure, axes = plots.panels(columns, rows, width=0.78, height=1.1, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, index in zip(axes.flat, wrong, strict=False):
        axis.set_axis_on()
        chance = 100 * posterior[index, answers[index]]
        show(axis, images[index], f"{labels[index]} → {answers[index]}\n{chance:.0f} %")
    return figure

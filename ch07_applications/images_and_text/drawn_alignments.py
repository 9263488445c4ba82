"""Alignments' pictures: captioned scenes, words in the colours of their regions, and recall over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes
from ch07_applications.images_and_text.picture_regions import RegionedScenes
from ch07_applications.images_and_text.retrieval import DEPTHS, PICTURE, SENTENCE, recall_name
from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN, COLUMNS = 4, 3  # scenes per row; scenes with regions per row
LETTER, LINE, BELOW = 0.0232, 0.085, 0.4  # shares of a picture: a letter's width, a line's height, room for the text
ROOM = 41  # letters per line


def draw_scenes(seen: CaptionedScenes, held_out: CaptionedScenes, shown: int = SHOWN) -> Figure:
    """The first scenes of two parts, a row each, with the first caption below."""
    figure, axes = plots.panels(shown, 2, width=2.2, height=2.2 * (1 + BELOW))
    for row, part in zip(axes, (seen, held_out), strict=True):
        for item, axis in enumerate(row):
            show_above(axis, part.images[item])
            text = "\n".join(wrap(part.captions[item][0].text, ROOM - 6))
            side = part.images.shape[1]
            axis.text(side / 2, 1.04 * side, text, ha="center", va="top", fontsize=7, in_layout=False)
    return figure


def show_above(axis: Axes, image: UInt8[np.ndarray, "height width 3"]) -> None:
    """A picture with room for text below it, which belongs to the panel, so that nothing is cut off."""
    axis.imshow(image)
    axis.set_ylim((1 + BELOW) * len(image), -0.5)
    axis.set_axis_off()


def draw_grounding(
    scenes: RegionedScenes, products: Sequence[Float[Tensor, "_ _"]], shown: int = 2 * COLUMNS
) -> Figure:
    """The first scenes with their regions, and each word in the colour of the region with the largest product."""
    from matplotlib.patches import Rectangle

    figure, axes = plots.panels(COLUMNS, -(-shown // COLUMNS), width=2.7, height=2.7 * (1 + BELOW))
    colours = (*plots.CYCLE, plots.GREY)
    for item, axis in enumerate(axes.flat):
        show_above(axis, scenes.part.images[item])
        for box, colour in zip(scenes.regions.boxes[item], colours, strict=True):
            width, height = box[2:] - box[:2] - 1
            axis.add_patch(Rectangle(box[:2], width, height, fill=False, color=colour, linewidth=1.8))
        chosen = products[item].argmax(dim=1).tolist()
        write_words(
            axis, scenes.captions[item].words, [colours[region] for region in chosen], scenes.part.images.shape[1]
        )
    return figure


def write_words(axis: Axes, words: Sequence[str], colours: Sequence[str], side: int) -> None:
    """Words below a picture of this side, each in its colour, broken into lines."""
    place, line = 0, 0
    for word, colour in zip(words, colours, strict=True):
        if place + len(word) > ROOM:
            place, line = 0, line + 1
        x, y = place * LETTER * side, (1.05 + line * LINE) * side
        axis.text(x, y, word, color=colour, fontsize=7.5, family="monospace", weight="bold", va="top", in_layout=False)
        place += len(word) + 1


def draw_recalls(record: LessonRecord, methods: Sequence[str]) -> Figure:
    """R@1 and R@10 of each method, both ways: the mean over seeds as a bar, every seed as a point."""
    figure, axes = plots.panels(2, 1, width=4.2, height=0.42 * len(methods) + 1.0, sharey=True)
    rows = {(row.method, row.metric): row.value for row in record.scores()}
    places = np.arange(len(methods))[::-1]
    for axis, direction in zip(axes, (SENTENCE, PICTURE), strict=True):
        for depth, colour, height in zip(DEPTHS[::-1], (plots.PALE, plots.BLUE), (0.7, 0.4), strict=True):
            metric = recall_name(depth, direction)
            for place, name in zip(places, methods, strict=True):
                axis.barh(
                    place, rows[name, metric], color=colour, height=height, label=f"R@{depth}" if place == 0 else None
                )
                each = [row.value for row in record.rows if (row.method, row.metric) == (name, metric)]
                plots.dots(axis, np.array(each), np.full(len(each), float(place)))
        axis.set_title(direction)
        axis.set(xlabel="%: R@1 dark, R@10 pale; higher is better", xlim=(0, 105))
        axis.set_yticks(places, methods)
    return figure

"""Show and Tell's pictures: scenes with sentences, next words step by step, and what is right by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes
from ch07_applications.images_and_text.stated_slots import KINDS, wrong_words
from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, SHOWN, ROOM = 3, 6, 42  # panels in a row; panels; letters in a line
LETTER, LINE, BELOW = 0.0233, 0.06, 1.5  # shares of a picture: a letter's width, a line's height, room for the text
WRONG, RIGHT = "#c02020", "#202020"


def draw_captions(part: CaptionedScenes, captions: Mapping[str, Sequence[Sequence[str]]], shown: int = SHOWN) -> Figure:
    """The first scenes, each with a true caption and one by every method; wrong words in red."""
    figure, axes = plots.panels(COLUMNS, -(-shown // COLUMNS), width=2.5, height=2.5 * (1 + BELOW))
    for scene, axis in enumerate(axes.flat):
        axis.imshow(part.images[scene])
        axis.set_ylim((1 + BELOW) * part.images.shape[1], -0.5)
        axis.set_axis_off()
        sentences = [("a true caption", part.captions[scene][0].words, set())]
        things = part.things(scene)
        sentences += [(name, own[scene], wrong_words(own[scene], things)) for name, own in captions.items()]
        write(axis, sentences)
    return figure


def write(axis: Axes, sentences: Sequence[tuple[str, Sequence[str], set[int]]]) -> None:
    """Sentences below a picture, each with its title, its words, and the places of those that are red."""
    side, line = axis.images[0].get_size()[0], 0
    for title, words, wrong in sentences:
        axis.text(0, (1.04 + line * LINE) * side, title, color=plots.BLUE, fontsize=5.8, va="top", in_layout=False)
        line, place = line + 1, 0
        for number, word in enumerate(words):
            if place + len(word) > ROOM:
                line, place = line + 1, 0
            axis.text(
                place * LETTER * side, (1.04 + line * LINE) * side, word, color=WRONG if number in wrong else RIGHT,
                fontsize=5.8, family="monospace", va="top", in_layout=False,
            )  # fmt: skip
            place += len(word) + 1
        line += 1


def draw_next_words(
    image: UInt8[np.ndarray, "side side 3"], steps: Sequence[tuple[str, Sequence[tuple[str, float]]]]
) -> Figure:
    """A scene; beside it, for each step, the word read, and the most probable next words with their probabilities."""
    figure, axes = plots.panels(2, 1, width=4.2, height=0.3 * len(steps) + 1.0)
    picture, table = axes.flat
    picture.imshow(image)
    picture.set_axis_off()
    for row, (read_word, following) in enumerate(steps):
        table.text(-0.02, row, read_word, ha="right", va="center", fontsize=8, family="monospace")
        at = 0.0
        for rank, (word, share) in enumerate(following):
            table.barh(row, share, left=at, height=0.8, color=(plots.BLUE, plots.PALE, plots.GREY)[rank])
            if share > 0.12:
                table.text(
                    at + 0.01,
                    row,
                    f"{word} {share:.2f}",
                    va="center",
                    fontsize=7,
                    color="white" if rank == 0 else "black",
                )
            at += share
    table.set(xlim=(0, 1), ylim=(len(steps) - 0.5, -0.5), xlabel="probability of the next word", yticks=[])
    table.set_title("word read → next word")
    return figure


def draw_slots(record: LessonRecord, methods: Sequence[str], suffix: str) -> Figure:
    """Shares of what is right, a panel for each kind: the mean over seeds as a bar, every seed as a point."""
    figure, axes = plots.panels(len(KINDS), 1, width=2.3, height=0.45 * len(methods) + 1.0, sharey=True)
    places = np.arange(len(methods))[::-1]
    for axis, kind in zip(axes.flat, KINDS, strict=True):
        for add, colour, shift in (("", plots.BLUE, 0.2), (suffix, plots.PALE, -0.2)):
            for place, name in zip(places, methods, strict=True):
                fact = f"{kind} right: {name}{add}"
                each = np.array([found.value for found in record.facts if found.name == fact])
                if len(each):
                    axis.barh(place + shift, each.mean(), color=colour, height=0.36)
                    plots.dots(axis, each, np.full(len(each), float(place + shift)))
        axis.set_title(kind)
        axis.set(xlabel="% right", xlim=(0, 105))
        axis.set_yticks(places, methods)
    return figure

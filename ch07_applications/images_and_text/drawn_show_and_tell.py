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

COLUMNS, SHOWN, ROOM = 3, 6, 42  # panels per row; panels; letters per line
WIDTH, SIZE = 2.4, 6.4  # of a picture, in inches; of letters, in points
LETTER, LINE = 0.0232, 0.064  # shares of a picture: a letter's width, a line's height
WRONG, RIGHT = "#c02020", "#202020"


def draw_captions(part: CaptionedScenes, captions: Mapping[str, Sequence[Sequence[str]]], shown: int = SHOWN) -> Figure:
    """The first scenes, each with a true caption and one by every method; wrong words in red."""
    rows, side = -(-shown // COLUMNS), part.images.shape[1]
    figure, axes = plots.panels(COLUMNS, rows, width=WIDTH)
    for scene, axis in enumerate(axes.flat):
        axis.imshow(part.images[scene])
        axis.set_axis_off()
        things, sentences = part.things(scene), [("a true caption", part.captions[scene][0].words, set())]
        sentences += [(name, own[scene], wrong_words(own[scene], things)) for name, own in captions.items()]
        write(axis, sentences, side)
    lowest = max(text.get_position()[1] for axis in axes.flat for text in axis.texts) / side + LINE
    figure.set_size_inches(WIDTH * COLUMNS, WIDTH * rows * lowest)
    for axis in axes.flat:
        axis.set_ylim(lowest * side, -0.5)
    return figure


def write(axis: Axes, sentences: Sequence[tuple[str, Sequence[str], set[int]]], side: int) -> None:
    """Sentences below a picture of this side, each with its title, its words, and the places of those in red."""
    line = 0
    for title, words, wrong in sentences:
        put_word(axis, title, side, line=line, letter=0, color=plots.BLUE)
        line, letter = line + 1, 0
        for number, word in enumerate(words):
            if letter + len(word) > ROOM:
                line, letter = line + 1, 0
            put_word(axis, word, side, line=line, letter=letter, color=WRONG if number in wrong else RIGHT)
            letter += len(word) + 1
        line += 1


def put_word(axis: Axes, word: str, side: int, *, line: int, letter: int, color: str) -> None:
    """Write a text from this letter of this line below the picture on."""
    x, y = LETTER * letter * side, (1.085 + LINE * line) * side
    axis.text(x, y, word, color=color, fontsize=SIZE, family="monospace", in_layout=False)


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
    """Shares of right slots, a panel for each kind: the mean over seeds as a bar, every seed as a point."""
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

"""AttnGAN's pictures: captions with each method's drawings, swapped colours, and the attention of regions to words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8

from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.placed_scenes import PlacedSets
from common import plots
from common.record import LessonRecord
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOM, WORDS = 17, 9  # letters per line above a picture; the most words of a caption with maps
SHOWN, SWAPS, ATTENDED = 8, 4, 4  # captions in the figures
PICTURES = "The first captions of two things of which one has a pair of class and colour that training never had."
SWAPPED_PAIRS = "The first test captions of two things, and the same with their colours swapped."
ATTENTION = (
    "Captions as above: what was drawn, and the weight from 0 (black) to 1 (white) of each word in each of the 8 × 8 "
    "regions that attend first."
)
LEVELS = 12  # of grey: a PNG has 256 colours, and the pictures need most of them
SKIPPED = {"a", "of", "is", "to", "the", "this", "there", "picture", "pair"}
Pictures = UInt8[np.ndarray, "_ side side 3"]


def draw_pictures(captions: Sequence[Caption], rows: Mapping[str, Pictures]) -> Figure:
    """A column per caption, a row per method."""
    figure, axes = plots.panels(len(captions), len(rows), width=1.16, height=1.22, squeeze=False)
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(row, images, strict=True):
            show(axis, image)
        row[0].text(
            -0.06, 0.5, "\n".join(wrap(name, 14)), transform=row[0].transAxes, ha="right", va="center", fontsize=8
        )
    for axis, caption in zip(axes[0], captions, strict=True):
        axis.set_title("\n".join(wrap(caption.text, ROOM)), fontsize=7, fontweight="normal", loc="center")
    return figure


def show(axis: Axes, image: UInt8[np.ndarray, "side side 3"]) -> None:
    """A picture with sharp pixels."""
    axis.imshow(image, interpolation="nearest")
    axis.set_axis_off()


def draw_attention(
    captions: Sequence[Caption], images: Pictures, weights: Float[np.ndarray, "_ words height width"]
) -> Figure:
    """A row per caption: the picture, and the weights of regions for each of its content words."""
    told = [[place for place, word in enumerate(each.words) if word not in SKIPPED][:WORDS] for each in captions]
    figure, axes = plots.panels(max(map(len, told)) + 1, len(captions), width=1.05, height=1.25, squeeze=False)
    for row, caption, image, maps, places in zip(axes, captions, images, weights, told, strict=True):
        for axis in row:
            axis.set_axis_off()
        show(row[0], image)
        for axis, place in zip(row[1:], places, strict=False):
            axis.imshow(np.rint(LEVELS * maps[place]), cmap="gray", vmin=0, vmax=LEVELS, interpolation="nearest")
            axis.set_title(caption.words[place], fontsize=8.5, fontweight="normal", loc="center")
    return figure


def draw_shares(record: LessonRecord, methods: Sequence[str], suffixes: Mapping[str, str], metric: str) -> Figure:
    """The metric of each method on each part: the mean over seeds as a bar, every seed as a point.

    suffixes: of the methods' names, by the title of the part.
    """
    rows = {row.method: row for row in record.scores() if row.metric == metric}
    figure, axes = plots.panels(len(suffixes), width=3.4, height=0.36 * len(methods) + 0.9, sharey=True)
    places = np.arange(len(methods))[::-1]
    for axis, (title, suffix) in zip(axes, suffixes.items(), strict=True):
        for place, name in zip(places, methods, strict=True):
            axis.barh(place, rows[name + suffix].value, color=plots.BLUE if place == len(methods) - 1 else plots.GREY)
            each = [row.value for row in record.rows if (row.method, row.metric) == (name + suffix, metric)]
            plots.dots(axis, np.array(each), np.full(len(each), float(place)))
        axis.set_title(title)
        axis.set(xlabel=f"{metric} (%), higher is better", xlim=(0, 105))
        axis.set_yticks(places, methods)
    return figure


def show_pictures(run: Run, sets: PlacedSets, painters: Mapping[str, Any], networks: tuple[str, str]) -> None:
    """Show drawings for the first captions of two things, for swapped colours, and their attention.

    painters: all methods by name. networks: the names of the one that attends to words and of the one that does not.
    """
    swapped = sets.test.colours_swapped()
    new = sets.held_out.take(np.flatnonzero(sets.held_out.labels[:, 1] >= 0)[:SHOWN])
    drawn = {name: painter.draw(new.inputs, run.seed) for name, painter in painters.items()}
    run.figure("pictures", draw_pictures, new.inputs, {"described": new.images, **drawn}, caption=PICTURES)
    pair = sets.test.take(swapped.ids[:SWAPS]), swapped.take(slice(SWAPS))
    drawn = {name: [painters[name].draw(part.inputs, run.seed) for part in pair] for name in networks}
    rows = {name: np.stack(both, axis=1).reshape(-1, *both[0].shape[1:]) for name, both in drawn.items()}
    captions = [caption for both in zip(*(part.inputs for part in pair), strict=True) for caption in both]
    run.figure("swapped", draw_pictures, captions, rows, caption=SWAPPED_PAIRS)
    few = new.inputs[:ATTENDED]
    weights = painters[networks[0]].paint(few, run.seed).attention[0].float().cpu().numpy()
    run.figure("attention", draw_attention, few, painters[networks[0]].draw(few, run.seed), weights, caption=ATTENTION)

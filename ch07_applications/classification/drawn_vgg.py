"""Pictures for the VGG lesson: the receptive field of a stack, losses by depth, how far untrained outputs spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle

from common import plots
from common.ablation import draw_differences

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from common.record import LessonRecord

SPAN, WINDOW = 9, 20  # pixels in a row; steps of a running mean
COLOURS = (plots.SKY, plots.BLUE, plots.ORANGE, plots.RED)


def draw_receptive_field() -> Figure:
    """A row of pixels below three layers of three, and below one of seven; the weights of both beside them."""
    figure, axes = plots.panels(3, width=3.5, height=3.0, width_ratios=(1, 1, 0.75))
    draw_cone(axes[0], [1, 3, 5, 7], "three 3×3 layers")
    draw_cone(axes[1], [1, 7], "one 7×7 layer")
    axes[2].bar([0, 1], [27, 49], color=[plots.BLUE, plots.ORANGE], width=0.6)
    for place, height in enumerate((27, 49)):
        axes[2].text(place, height + 0.8, f"{height} C²", ha="center")
    axes[2].set_xticks([0, 1], ["three 3×3", "one 7×7"])
    axes[2].set(title="weights", ylim=(0, 56))
    axes[2].grid(visible=False, axis="x")
    return figure


def draw_cone(axis: Axes, fields: Sequence[int], title: str) -> None:
    """Rows of units, the output on top; units in the receptive field of the middle output unit are filled."""
    middle, gap = SPAN // 2, 3.0 / (len(fields) - 1)
    for layer, field in enumerate(fields):
        height = 3.0 - gap * layer
        for place in range(SPAN):
            inside = abs(place - middle) <= field // 2
            colour = plots.BLUE if inside else "white"
            axis.add_patch(Rectangle((place - 0.42, height - 0.21), 0.84, 0.42, facecolor=colour, edgecolor=plots.GREY))
        axis.text(SPAN - 0.2, height, f"{field}", va="center", color=plots.BLUE)
        if layer + 1 < len(fields):
            for side in (-1, 1):
                ends = [middle + side * (field / 2 - 0.08), middle + side * (fields[layer + 1] / 2 - 0.08)]
                axis.plot(ends, [height - 0.21, height - gap + 0.21], color=plots.GREY, linewidth=1)
    axis.text(-0.8, 3.0, "output", va="center", ha="right", fontsize=8.5)
    axis.text(-0.8, 0.0, "pixels", va="center", ha="right", fontsize=8.5)
    axis.set(title=title, xlim=(-2.9, SPAN + 0.5), ylim=(-0.5, 3.5))
    axis.axis("off")


def draw_losses(depths: dict[str, list[float]], starts: dict[str, list[float]]) -> Figure:
    """Training losses: by depth on the left, by start on the right."""
    figure, axes = plots.panels(2, width=4.4, height=3.4, sharey=True)
    for axis, curves, title in zip(axes, (depths, starts), ("by depth", "8 layers with SGD, by start"), strict=True):
        colours = COLOURS if curves is depths else (plots.RED, plots.PURPLE, plots.GREEN)
        for (name, losses), colour in zip(curves.items(), colours, strict=False):
            window = min(WINDOW, len(losses))  # a running mean
            smooth = np.convolve(losses, np.full(window, 1 / window), mode="valid")
            axis.plot(smooth, color=colour, linewidth=1.6, label=name.removeprefix("SGD, "))
        axis.set(title=title, xlabel="step")
        axis.legend(loc="upper right")
    axes[0].set(ylabel="training loss", ylim=(None, 3.0))
    return figure


def draw_deviations(spread: dict[str, list[float]]) -> Figure:
    """The standard deviation of every layer's outputs, on a logarithmic scale."""
    figure, axis = plots.panels(width=6.0, height=3.2)
    for (name, values), colour in zip(spread.items(), (plots.GREEN, plots.ORANGE, plots.RED), strict=True):
        places = np.arange(1, len(values) + 1)
        axis.plot(places, values, "o-", color=colour, markersize=4, linewidth=1.4)
        axis.text(len(values) + 0.3, values[-1], name, color=colour, va="center")
    axis.plot([0.5, len(values)], [1, 1], color=plots.INK, linewidth=0.8)
    axis.set(xlabel="weight layer", ylabel="standard deviation of outputs", yscale="log", xlim=(0.5, len(values) + 4.5))
    axis.set_xticks(places[::3])
    return figure


def draw_changes(record: LessonRecord, without: Sequence[str]) -> Figure:
    """The lesson's verdicts on validation images: only those in which none of the methods `without` takes part."""
    return draw_differences([c for c in record.comparisons if not {c.a, c.b} & set(without)])

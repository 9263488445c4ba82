"""Pictures of the comparison: the four ideas, accuracy by cost, errors by class, images of either kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.patches import Rectangle

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from common.record import LessonRecord

TICKS = (5, 10, 20, 50, 200_000, 500_000, 1_000_000, 2_000_000)  # of costs, on logarithmic axes
COLOURS = (plots.ORANGE, plots.GREEN, plots.PURPLE, plots.RED)
FILLED = {"3×3": "#c3d7ec", "1×1": "#f4d9b5", "5×5": "#cfe6d9", "pool": "#e6e9ee"}


def draw_ideas() -> Figure:
    """Four panels, one per paper: its idea as a diagram, read from the bottom up."""
    figure, axes = plots.panels(4, width=2.9, height=3.4)
    _draw_relu(axes[0])
    _draw_small_filters(axes[1])
    _draw_inception(axes[2])
    _draw_residual(axes[3])
    return figure


def _draw_relu(axis: Axes) -> None:
    z = np.linspace(-3, 3, 200)
    axis.plot(z, np.tanh(z), color=plots.GREY, label="tanh z")
    axis.plot(z, np.maximum(z, 0), color=plots.RED, label="max(0, z)")
    axis.set(title="AlexNet 2012", xlabel="z", ylim=(-1.3, 3.1))
    axis.legend(loc="upper left")


def _draw_small_filters(axis: Axes) -> None:
    """The receptive fields of three 3×3 layers in one row: 3, 5 and 7 pixels."""
    for row, side in enumerate((7, 5, 3, 1)):
        for place in range(side):
            at = place - side / 2
            colour = plots.SKY if row else "#c3d7ec"
            axis.add_patch(Rectangle((at, row * 1.6), 1, 1, facecolor=colour, edgecolor=plots.INK, linewidth=0.6))
        if row:
            axis.text(side / 2 + 1.3, row * 1.6 - 0.3, "3×3", fontsize=8, va="center")
            for edge in (-1, 1):
                low, high = (side + 2) / 2, side / 2
                axis.plot([edge * low, edge * high], [(row - 1) * 1.6 + 1, row * 1.6], color=plots.GREY, linewidth=0.8)
    axis.text(0, -0.75, "7 pixels: as one 7×7 filter", ha="center", fontsize=8)
    _bare(axis, "VGG 2014", (-5, 5.6), (-1.4, 6.6))


def _draw_inception(axis: Axes) -> None:
    _box(axis, 3.6, 0.5, "input", width=9.1)
    _box(axis, 3.6, 6.3, "side by side", width=9.1)
    for place, boxes in enumerate((("1×1",), ("1×1", "3×3"), ("1×1", "5×5"), ("pool", "1×1"))):
        x, levels = place * 2.4, [2.45, 4.35] if len(boxes) == 2 else [3.4]
        for y, text in zip(levels, boxes, strict=True):
            _box(axis, x, y, text)
        for low, high in zip([0.5, *levels], [*levels, 6.3], strict=True):
            _arrow(axis, (x, low + 0.5), (x, high - 0.5))
    _bare(axis, "GoogLeNet 2014", (-1.4, 8.6), (-0.2, 7.2))


def _draw_residual(axis: Axes) -> None:
    for y, text in ((2.2, "3×3"), (4.1, "3×3"), (5.8, "+")):
        _box(axis, 3, y, text)
    for low, high in ((0.95, 1.7), (2.7, 3.6), (4.6, 5.3), (6.3, 7.0)):
        _arrow(axis, (3, low), (3, high))
    axis.annotate(
        "", (4.1, 5.8), (3.1, 1.1),
        arrowprops={"arrowstyle": "-|>", "color": plots.RED, "linewidth": 1.8, "connectionstyle": "arc3,rad=0.75"},
    )  # fmt: skip
    axis.text(3, 0.5, "x", ha="center", va="center", fontsize=10)
    axis.text(5.6, 4.6, "x", ha="left", va="center", fontsize=10, color=plots.RED)
    axis.text(3, 7.3, "F(x) + x", ha="center", va="center", fontsize=9)
    _bare(axis, "ResNet 2015", (-0.5, 7.2), (-0.2, 7.8))


def _box(axis: Axes, x: float, y: float, text: str, width: float = 1.9) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0.05,rounding_size=0.2"
    colour = FILLED.get(text, "white")
    axis.add_patch(FancyBboxPatch((x - width / 2, y - 0.4), width, 0.8, style, facecolor=colour, edgecolor=plots.INK))
    axis.text(x, y - 0.03, text, ha="center", va="center", fontsize=9)


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": plots.INK, "linewidth": 0.9})


def _bare(axis: Axes, title: str, across: tuple[float, float], up: tuple[float, float]) -> None:
    axis.set(title=title, xlim=across, ylim=up)
    axis.axis("off")


def draw_by_cost(record: LessonRecord, networks: Sequence[str], rivals: Sequence[str]) -> Figure:
    """Three panels on one scale of accuracy: seconds of training, numbers kept, multiplications per image."""
    figure, axes = plots.panels(3, width=3.5, height=3.4, sharey=True)
    rows = {row.method: row for row in record.scores() if row.metric == "accuracy"}
    facts = {name: value.value for name, (value, _) in record.findings().items()}
    colours = dict(zip(networks, COLOURS, strict=True)) | dict.fromkeys(rivals, plots.GREY)
    costs = (
        ("seconds of training", {name: rows[name].fit_seconds for name in rows}),
        ("numbers kept", {name: rows[name].parameters for name in rows}),
        ("million multiplications per image", {name: facts.get(f"multiplications of {name}") for name in rows}),
    )
    for axis, (what, values) in zip(axes, costs, strict=True):
        for name, colour in colours.items():
            if not values[name]:
                continue
            row, mark = rows[name], "o" if name in networks else ("s" if name == rivals[0] else "D")
            axis.plot([values[name]] * 2, [row.low, row.high], color=colour, linewidth=1.5)
            axis.plot(values[name], row.value, mark, color=colour, markersize=7, label=name)
        axis.set(xlabel=what, xscale="log")
        axis.margins(x=0.2)
        low, high = axis.get_xlim()
        ticks = [tick for tick in TICKS if low <= tick <= high]
        axis.set_xticks(ticks, [f"{tick / 1e6:g} M" if tick >= 1e6 else f"{tick:,}" for tick in ticks])
        axis.xaxis.set_minor_formatter("")
    axes[0].set_ylabel("accuracy on test images (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    return figure


def draw_errors(errors: Float[np.ndarray, "methods classes"], methods: Sequence[str], classes: Sequence[str]) -> Figure:
    """A heat map of each method's error in each class, sorted from easy to hard by the mean of the first four rows."""
    order = np.argsort(errors[:4].mean(axis=0), kind="stable")
    figure, axis = plots.panels(width=8.2, height=0.9 + 0.36 * len(methods))
    axis.imshow(errors[:, order], cmap="OrRd", vmin=0, vmax=80, aspect="auto")
    for row in range(len(methods)):
        for column, value in enumerate(errors[row, order]):
            dark = "white" if value > 55 else plots.INK
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8.5, color=dark)
    axis.set_xticks(range(len(classes)), [classes[k] for k in order], fontsize=8.5)
    axis.set_yticks(range(len(methods)), methods)
    axis.grid(visible=False)
    return figure


def draw_right_and_wrong(
    images: UInt8[np.ndarray, "n height width 3"],
    labels: Int[np.ndarray, "n"],
    items: Mapping[str, Int[np.ndarray, "_"]],
    predicted: Mapping[str, Int[np.ndarray, "_"]],
    classes: Sequence[str],
) -> Figure:
    """One row of images per kind, with the true class, and the predicted class where it differs."""
    columns = max(1, *(len(some) for some in items.values()))
    figure, axes = plots.panels(columns, len(items), width=1.2, height=1.65, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for row, (kind, some) in zip(axes, items.items(), strict=True):
        for axis, item, guess in zip(row, some, predicted[kind], strict=False):
            axis.imshow(images[item], interpolation="nearest")
            true = classes[labels[item]]
            title = true if guess == labels[item] else f"{classes[guess]},\nis {true}"
            axis.set_title(title, fontsize=8, fontweight="normal", loc="center")
    return figure

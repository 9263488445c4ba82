"""The pictures of `convolution`: a layer as a matrix, a unit's receptive field, two trainings that agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ch05_cnn.layers.conv2d import output_size
from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PIXELS = 21  # of an image seen from the side


def draw_matrix(
    ours: Float[np.ndarray, "outputs inputs"], weights: int, image: int, costs: dict[str, tuple[int, int]]
) -> Figure:
    """The matrix of a small layer, one of a fully connected one, and the costs of both at the size of a digit.

    ours: the layer's matrix. weights: its number of different values. image: pixels per side.
    """
    figure, axes = plots.panels(3, width=3.9, height=2.7, width_ratios=(1.2, 1.2, 1))
    dense = np.random.default_rng(0).normal(size=ours.shape)
    named = {"A convolution": np.where(ours == 0, np.nan, ours), "A fully connected layer": dense}
    limit = np.abs(ours).max()
    for axis, (name, matrix) in zip(axes, named.items(), strict=False):
        axis.imshow(matrix, cmap="coolwarm", vmin=-limit, vmax=limit)
        numbers = weights if name == "A convolution" else matrix.size
        axis.set(title=f"{name}: {numbers} numbers", xlabel=f"input pixel ({image}×{image})", ylabel="output")
        axis.grid(False)
    for column, name, colour in ((0, "weights", plots.BLUE), (1, "multiply-adds", plots.ORANGE)):
        values, size = [cost[column] for cost in costs.values()], (5 if column else 9)  # both of two dots are visible
        axes[2].plot(range(len(values)), values, "o--", color=colour, linewidth=0.8, markersize=size, label=name)
        for place, value in enumerate(values):
            shift = (0, 7) if column else (0, -14)
            number = axes[2].annotate(
                f"{value:,}", (place, value), shift, textcoords="offset points", ha="center", fontsize=8
            )
            number.set_bbox({"color": "white", "pad": 0.5})  # over a dashed line, a number can still be read
    axes[2].set(yscale="log", ylim=(30, 5e8), xlim=(-0.5, 1.5), title="28×28 → 8 maps of 24×24", ylabel="count")
    axes[2].set_xticks(range(len(costs)), list(costs))
    axes[2].grid(visible=False, axis="x")
    axes[2].legend(fontsize=8, loc="upper left")
    return figure


def draw_rows(axis: Axes, stride: int, padding: int, kernel: int = 3, layers: int = 3) -> None:
    """Layers as rows of dots, the input lowest: one unit of the last one, and its receptive field."""
    sizes = [PIXELS]
    for _ in range(layers):
        sizes.append(output_size((sizes[-1], 1), (kernel, 1), (stride, 1), (padding, 0))[0])
    step, start = 1.0, 0.0  # the place of unit 0 of a row, and the distance to the next one
    places = [np.arange(PIXELS, dtype=float)]
    for size in sizes[1:]:
        start += step * ((kernel - 1) / 2 - padding)
        step *= stride
        places.append(start + step * np.arange(size))
    seen = {sizes[-1] // 2}
    for level in range(layers, -1, -1):
        here = np.isin(np.arange(sizes[level]), list(seen))
        colours = np.where(here, plots.ORANGE, plots.PALE)
        axis.scatter(places[level], np.full(sizes[level], level), s=24, c=colours, zorder=3)
        if not level:
            break
        links = [(unit, stride * unit + i - padding) for unit in seen for i in range(kernel)]
        for unit, below in links:
            if 0 <= below < sizes[level - 1]:
                ends = [places[level][unit], places[level - 1][below]]
                axis.plot(ends, [level, level - 1], color=plots.GREY, linewidth=0.7)
        seen = {below for _, below in links if 0 <= below < sizes[level - 1]}
    axis.set(yticks=range(layers + 1), yticklabels=["input", *(f"layer {n + 1}" for n in range(layers))])
    axis.set(xlabel="pixel", xlim=(-1.5, PIXELS + 0.5), ylim=(-0.4, layers + 0.4))
    axis.grid(False)
    units = " → ".join(map(str, sizes))
    axis.set_title(f"stride {stride}, padding {padding}: {units} units", fontsize=9.5)


def draw_arithmetic(middle: Float[np.ndarray, "image image"], field: int) -> Figure:
    """Three stacks of three layers seen from the side, and the effective receptive field in a padded stack."""
    figure, axes = plots.panels(2, 2, width=4.8, height=2.4)
    for axis, (stride, padding) in zip(axes.flat, ((1, 0), (1, 1), (2, 1)), strict=False):
        draw_rows(axis, stride, padding)
    axis, size = axes[1, 1], len(middle)
    axis.imshow(middle, cmap="viridis", vmin=0)
    low = size // 2 - field / 2
    from matplotlib.patches import Rectangle

    axis.add_patch(Rectangle((low, low), field, field, fill=False, edgecolor=plots.RED, linewidth=1.5))
    axis.grid(False)
    axis.set_title(f"∂y/∂x within a field of {field}×{field}", fontsize=9.5)
    axis.set(xlabel="pixel", ylabel="pixel")
    return figure


def draw_losses(ours: Sequence[float], torchs: Sequence[float], apart: dict[str, Float[np.ndarray, "steps"]]) -> Figure:
    """Left: both losses in one plot. Right: their difference, by precision."""
    figure, (loss, difference) = plots.panels(2, width=4.8, height=3.2)
    loss.plot(torchs, color=plots.ORANGE, linewidth=4.5, alpha=0.5, label="PyTorch")
    loss.plot(ours, color=plots.BLUE, linewidth=1.2, label="our layers")
    loss.set(title="Training loss", xlabel="step", ylabel="cross-entropy (nats)")
    loss.legend()
    for (name, values), colour in zip(apart.items(), (plots.PURPLE, plots.GREEN), strict=True):
        difference.semilogy(np.maximum(values, 1e-17), color=colour, linewidth=1.2, label=name)
    difference.set(title="Difference of the two losses", xlabel="step", ylabel="|difference| (nats)", ylim=(1e-17, 1))
    difference.legend()
    return figure

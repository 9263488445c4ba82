"""A convolution is a fully connected layer: most of its weights are zero, and the others repeat the same few numbers.

Method     The layer is linear, so its output for a single lit pixel is a column of its matrix: for one channel, a
           Toeplitz matrix of Toeplitz blocks. A unit of layer l sees r_l = r_{l−1} + (k_l − 1) Π_{m<l} s_m pixels per
           side (Araujo, Norris and Sim 2019); those in the middle influence it most (Luo et al. 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ch05_cnn.convolution import conv2d, conv2d_backward, output_size
from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PIXELS = 21  # of an image seen from the side


def as_matrix(
    weight: Float[np.ndarray, "filters channels kh kw"], image: tuple[int, int], stride: int = 1, padding: int = 0
) -> Float[np.ndarray, "outputs inputs"]:
    """A with A · vec(x) = vec(conv2d(x)): its columns are the layer's outputs for each pixel alone."""
    inputs = weight.shape[1] * prod(image)
    units = np.eye(inputs, dtype=weight.dtype).reshape(inputs, weight.shape[1], *image)
    return conv2d(units, weight, stride=stride, padding=padding).reshape(inputs, -1).T


def layer_costs(channels: int, filters: int, kernel: int, image: int) -> dict[str, tuple[int, int]]:
    """Weights, biases among them, and multiply-adds an image, of a convolution and of its fully connected twin."""
    inputs, outputs = channels * image**2, filters * (image - kernel + 1) ** 2
    weights = filters * channels * kernel**2
    twin = (inputs + 1) * outputs, inputs * outputs
    return {"convolution": (weights + filters, weights * outputs // filters), "fully connected": twin}


def receptive_fields(kernels: Sequence[int], strides: Sequence[int]) -> list[int]:
    """r_l for l = 1 … L: pixels a side that a unit of each layer depends on."""
    fields, step = [1], 1
    for kernel, stride in zip(kernels, strides, strict=True):
        fields.append(fields[-1] + (kernel - 1) * step)
        step *= stride
    return fields[1:]


def sensitivity(layers: int, kernel: int, image: int, rng: np.random.Generator) -> Float[np.ndarray, "image image"]:
    """∂y/∂x of the middle unit after a number of padded layers of one positive kernel each, by conv2d_backward."""
    delta = np.zeros((1, 1, image, image))
    delta[..., image // 2, image // 2] = 1
    for _ in range(layers):
        weight = rng.random((1, 1, kernel, kernel))
        delta, _, _ = conv2d_backward(delta, np.zeros_like(delta), weight, padding=kernel // 2)
    return delta[0, 0] / delta.max()


def draw_matrix(weight: Float[np.ndarray, "1 1 kh kw"], image: int, costs: dict[str, tuple[int, int]]) -> Figure:
    """The matrix of a small layer, one of a fully connected one, and what both cost at the size of a digit."""
    figure, axes = plots.panels(3, width=3.9, height=2.7, width_ratios=(1.2, 1.2, 1))
    ours = as_matrix(weight, (image, image))
    dense = np.random.default_rng(0).normal(size=ours.shape)
    named = {"A convolution": np.where(ours == 0, np.nan, ours), "A fully connected layer": dense}
    limit = np.abs(weight).max()
    for axis, (name, matrix) in zip(axes, named.items(), strict=False):
        axis.imshow(matrix, cmap="coolwarm", vmin=-limit, vmax=limit)
        numbers = weight.size if name == "A convolution" else matrix.size
        axis.set(title=f"{name}: {numbers} numbers", xlabel=f"input pixel ({image}×{image})", ylabel="output")
        axis.grid(False)
    places = np.arange(2)
    for shift, column, name, colour in ((-0.2, 0, "weights", plots.BLUE), (0.2, 1, "multiply-adds", plots.ORANGE)):
        values = [cost[column] for cost in costs.values()]
        axes[2].bar(places + shift, values, 0.38, color=colour, label=name)
        for place, value in zip(places + shift, values, strict=True):
            axes[2].text(place, value * 1.2, f"{value:,}", ha="center", fontsize=7)
    axes[2].set(yscale="log", ylim=(50, 5e8), title="28×28 → 8 maps of 24×24", ylabel="count")
    axes[2].set_xticks(places, list(costs))
    axes[2].legend(fontsize=8, loc="upper left")
    return figure


def draw_rows(axis: Axes, stride: int, padding: int, kernel: int = 3, layers: int = 3) -> None:
    """Layers as rows of dots, the input lowest: one unit of the last one, and all that it sees."""
    sizes = [PIXELS]
    for _ in range(layers):
        sizes.append(output_size((sizes[-1], 1), (kernel, 1), (stride, 1), (padding, 0))[0])
    step, start = 1.0, 0.0  # where unit 0 of a row stands, and how far the next one is
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
    """Three stacks of three layers seen from the side, and what a unit of a padded stack really listens to."""
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

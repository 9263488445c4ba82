"""Sampling from a gated PixelCNN without computing anything twice: the maps of both stacks are cached.

Method     A new pixel changes no output before it. So each place of each map is computed once, when all that it depends
           on is known. In the horizontal stacks, that is one place of every layer per pixel. In the vertical stacks,
           which use whole rows, it is one row of every layer once the row has been drawn; the row below then receives
           it. Ramachandran et al. 2017 cache maps in the same way.

Maps are stored with a border of zeros, as the convolutions pad them. The probabilities equal those of a full pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Column = Float[Tensor, "batch _"]  # all channels at one place
Row = Float[Tensor, "batch _ width"]  # all channels of one row
Labels = Float[Tensor, "batch classes"]


@runtime_checkable
class Layer(Protocol):
    """The attributes used of a layer with two stacks."""

    vertical: nn.Conv2d
    horizontal: nn.Conv2d
    link: nn.Conv2d
    expand: nn.Conv2d
    condition: nn.Linear
    first: bool


@runtime_checkable
class Network(Protocol):
    """The attributes used of a gated network. places, offsets: maps by h, or None."""

    layers: Sequence[Layer]
    hidden: nn.Conv2d
    last: nn.Conv2d
    places: nn.Module | None
    offsets: nn.Module | None


def pointwise(layer: nn.Conv2d, values: Column) -> Column:
    """A 1×1 convolution at one place."""
    return functional.linear(values, layer.weight.flatten(1), layer.bias)


def gated(sums: Float[Tensor, "batch doubled *places"]) -> Float[Tensor, "batch _ *places"]:
    """tanh of the first half of the channels, times σ of the second."""
    features, gates = sums.chunk(2, dim=1)
    return features.tanh() * gates.sigmoid()


class KeptLayer:
    """A layer's cache: the last rows that its vertical filters cover, and the current row of its horizontal ones."""

    def __init__(self, layer: Layer, h: Labels, width: int) -> None:
        rows, columns = layer.vertical.kernel_size
        inputs = layer.vertical.in_channels
        self.layer, self.side, self.own = layer, columns // 2, not layer.first
        self.of_above, self.of_left = layer.condition(h).chunk(2, dim=1)
        self.rows = h.new_zeros(len(h), inputs, rows, width + 2 * self.side)
        self.left = h.new_zeros(len(h), inputs, width + layer.horizontal.kernel_size[1])
        self.span = layer.horizontal.kernel_size[1]
        self.weights = layer.horizontal.weight.flatten(1)
        self.linked = layer.link(h.new_zeros(len(h), layer.link.in_channels, 1, width))[:, :, 0]  # above the first row

    def draw_near(self, values: Column, column: int) -> Column:
        """The horizontal stack's output at a column, given its input `values` there.

        Layers that use their own pixel get it as input. The first layer uses the pixels on its left, and gets the pixel
        by `see` once it has been drawn.
        """
        if self.own:
            self.see(values, column)
        start = column + self.own
        near = self.left[:, :, start : start + self.span].flatten(1)
        sums = functional.linear(near, self.weights, self.layer.horizontal.bias) + self.linked[:, :, column]
        found = pointwise(self.layer.expand, gated(sums + self.of_left))
        return values + found if self.own else found

    def see(self, values: Column, column: int) -> None:
        """Store the horizontal input at a column, after the zeros on the left of the image."""
        self.left[:, :, self.span + column] = values

    def end_row(self, row: Row) -> Row:
        """The vertical stack's output for the input `row`; the next row receives it."""
        self.rows = self.rows.roll(-1, dims=2)
        self.rows[:, :, -1, self.side : self.side + row.shape[2]] = row
        sums = self.layer.vertical(self.rows)
        self.linked = self.layer.link(sums)[:, :, 0]
        return gated(sums[:, :, 0] + self.of_above[:, :, None])


@torch.no_grad()
def sample(
    network: Network,
    h: Labels,
    size: tuple[int, int],
    generator: torch.Generator,
    logits: Float[Tensor, "batch 1 height width"] | None = None,
) -> Float[Tensor, "batch 1 height width"]:
    """Draw an image for each row of h (all 0: no class) in reading order.

    logits: is filled with every pixel's logits, which equal those of a full pass over the result.
    """
    height, width = size
    images = h.new_zeros(len(h), 1, height, width)
    kept = [KeptLayer(layer, h, width) for layer in network.layers]
    places = None if network.places is None else network.places(h)
    offsets = None if network.offsets is None else network.offsets(h)
    uniform = torch.rand(len(h), height, width, generator=generator).to(h)
    for row in range(height):
        for column in range(width):
            maps = kept[0].draw_near(images[:, :, row, column], column)
            if places is not None:
                maps = maps + places[:, :, row, column]
            for layer in kept[1:]:
                maps = layer.draw_near(maps, column)
            logit = pointwise(network.last, pointwise(network.hidden, maps.relu()).relu())
            if offsets is not None:
                logit = logit + offsets[:, :, row, column]
            images[:, 0, row, column] = (uniform[:, row, column] < logit[:, 0].sigmoid()).to(images)
            kept[0].see(2 * images[:, :, row, column] - 1, column)
            if logits is not None:
                logits[:, :, row, column] = logit
        above = 2 * images[:, :, row] - 1
        for layer in kept:
            above = layer.end_row(above)
    return images

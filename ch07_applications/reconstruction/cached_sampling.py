"""Drawing pictures pixel by pixel without computing anything twice: every layer's maps are kept.

Method     A new pixel changes no output before it. A full pass per pixel computes 784 maps of 784 places and uses one
           place of each. Here a place of a map is computed once, when it is reached: a masked layer takes its few
           causal taps from the stored maps of the layer below. Ramachandran et al. 2017 do so for dilated layers.

Maps are stored with a border of zeros, as a convolution pads them. The probabilities equal those of a full pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Column = Float[Tensor, "batch _"]  # all channels at one place


@runtime_checkable
class MaskedLayer(Protocol):
    """The attributes used of a masked convolution. mask: 1 at the taps that the filter uses."""

    weight: Tensor
    bias: Tensor
    mask: Tensor


@runtime_checkable
class Block(Protocol):
    """The attributes used of a residual block: 1×1, masked, 1×1."""

    reduce: nn.Conv2d
    masked: MaskedLayer
    expand: nn.Conv2d


@runtime_checkable
class Network(Protocol):
    """The attributes used of a pixel network whose layers are blocks."""

    first: MaskedLayer
    layers: Sequence[Block]
    hidden: nn.Conv2d
    last: nn.Conv2d
    places: Tensor | None
    offsets: Tensor | None


class CachedMap:
    """The input of a masked convolution, filled place by place, and the convolution's output at one place."""

    def __init__(self, layer: MaskedLayer, batch: int, size: tuple[int, int]) -> None:
        rows, columns = layer.mask.shape
        taps = layer.mask.nonzero()
        self.weight = layer.weight[:, :, taps[:, 0], taps[:, 1]].flatten(1)  # (outputs, inputs · taps)
        self.bias, self.taps = layer.bias, taps
        self.up, self.left = rows // 2, columns // 2
        wide = size[1] + 2 * self.left
        self.kept = layer.weight.new_zeros(batch, layer.weight.shape[1], (size[0] + self.up) * wide)
        self.flat, self.wide = taps[:, 0] * wide + taps[:, 1], wide

    def keep(self, values: Column, row: int, column: int) -> None:
        """Store the map's values at a place."""
        self.kept[:, :, (row + self.up) * self.wide + column + self.left] = values

    def convolve(self, row: int, column: int) -> Column:
        """The layer's output there, from the stored values."""
        near = self.kept[:, :, self.flat + row * self.wide + column]
        return functional.linear(near.flatten(1), self.weight, self.bias)


def pointwise(layer: nn.Conv2d, values: Column) -> Column:
    """A 1×1 convolution at one place."""
    return functional.linear(values, layer.weight.flatten(1), layer.bias)


@torch.no_grad()
def sample(
    network: Network,
    images: Float[Tensor, "batch 1 height width"],
    generator: torch.Generator,
    given_rows: int = 0,
    logits: Float[Tensor, "batch 1 height width"] | None = None,
) -> Float[Tensor, "batch 1 height width"]:
    """Images with the given first rows; all other pixels are drawn in reading order.

    logits: is filled with every pixel's logits, which equal those of a full pass over the result. Raises ValueError for
    given_rows that are not between 0 and the height.
    """
    batch, _, height, width = images.shape
    if not 0 <= given_rows <= height:
        raise ValueError(f"{given_rows} rows of {height} cannot be given")
    images = images.clone()
    first = CachedMap(network.first, batch, (height, width))
    caches = [CachedMap(block.masked, batch, (height, width)) for block in network.layers]
    uniform = torch.rand(batch, height, width, generator=generator).to(images)
    for row in range(height):
        for column in range(width):
            maps = first.convolve(row, column)
            if network.places is not None:
                maps = maps + network.places[:, row, column]
            for block, cache in zip(network.layers, caches, strict=True):
                cache.keep(pointwise(block.reduce, maps.relu()).relu(), row, column)
                maps = maps + pointwise(block.expand, cache.convolve(row, column).relu())
            logit = pointwise(network.last, pointwise(network.hidden, maps.relu()).relu())[:, 0]
            if network.offsets is not None:
                logit = logit + network.offsets[0, row, column]
            if row >= given_rows:
                images[:, 0, row, column] = (uniform[:, row, column] < logit.sigmoid()).to(images)
            first.keep(2 * images[:, :, row, column] - 1, row, column)
            if logits is not None:
                logits[:, 0, row, column] = logit
    return images

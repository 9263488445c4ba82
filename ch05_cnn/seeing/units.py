"""A unit of a convolutional network: its receptive field, and the place where it is most active."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

Stack = Float[Tensor, "n channels side side"]


def receptive_field(layers: nn.Module) -> tuple[int, int, int]:
    """(size, step, start) in pixels: the field of the unit in row i has `size` rows from start + i·step on.

    The field along a shortcut is no larger than that through the block.
    """
    size, step, start = 1, 1, 0
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, stride, padding = (
                value if isinstance(value, int) else value[0]
                for value in (layer.kernel_size, layer.stride, layer.padding)
            )
            size, start, step = size + (kernel - 1) * step, start - padding * step, step * stride
    return size, step, start


def find_strongest(
    maps: Float[Tensor, "n units rows columns"], units: Int[Tensor, "n"]
) -> tuple[Float[Tensor, "n"], Int[Tensor, "n 2"]]:
    """For each image, its unit's largest activation, and its row and column in the map."""
    values, places = maps[torch.arange(len(maps)), units].flatten(1).max(dim=1)
    return values, torch.stack([places // maps.shape[3], places % maps.shape[3]], dim=1)


def pixels_in_field(layers: nn.Module, places: Int[Tensor, "n 2"], side: int) -> Bool[Tensor, "n 1 side side"]:
    """The pixels in the field of the unit at each row and column of the layer's map."""
    size, step, start = receptive_field(layers)
    first = (start + step * places)[..., None]
    rows, columns = ((torch.arange(side) >= first) & (torch.arange(side) < first + size)).unbind(dim=1)
    return (rows[:, :, None] & columns[:, None, :])[:, None]

"""The plan of LeCun's network of 1989: which units are connected, and which connections share a weight.

Method     LeCun et al. 1989, "Backpropagation Applied to Handwritten Zip Code Recognition", Neural Computation 1,
           541-551. 16×16 inputs; H1, 12 maps of 8×8 units, and H2, 12 maps of 4×4 units, each unit with neighbourhoods
           of 5×5 two pixels apart; H3, 30 units; 10 outputs. All units of a map share their weights, none its bias.
Differs    The paper leaves open which 8 of the 12 maps of H1 a map of H2 is connected to: here map j to j, j + 1 …
           j + 7, modulo 12. It also leaves open the padding of H1: here −1, as for the image.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

SIDE, MAPS, HIDDEN, CLASSES = 16, 12, 30, 10
KERNEL, STRIDE, BEFORE = 5, 2, 2  # a neighbourhood starts two pixels before its unit's own
BACKGROUND = -1.0  # of the image, and of the virtual units beyond a border
A, S = 1.7159, 2 / 3  # A tanh(S a) is ±1 at ±1, the targets, where its curvature is largest
SEEN_BY_H1 = [[0]] * MAPS
SEEN_BY_H2 = [[(j + i) % MAPS for i in range(8)] for j in range(MAPS)]


class Size(NamedTuple):
    """The paper's counts of a layer. A bias is a connection, too."""

    units: int
    connections: int
    free: int


PAPER = {
    "H1": Size(768, 19968, 1068),
    "H2": Size(192, 38592, 2592),
    "H3": Size(30, 5790, 5790),
    "output": Size(10, 310, 310),
}


def fan_in(layer: nn.Module) -> int:
    """The number of connections of a unit, including its bias."""
    return layer.weight[0].numel() + 1


def count_layer(layer: nn.Module) -> Size:
    """Units, connections and free parameters of a layer of maps or a dense one; connections may share a weight."""
    units, free = layer.bias.numel(), layer.weight.numel() + layer.bias.numel()
    return Size(units, units * fan_in(layer), free)

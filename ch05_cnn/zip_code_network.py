"""LeCun's network of 1989: which units are connected, and how many of the connections share a weight.

Method     LeCun et al. 1989, "Backpropagation Applied to Handwritten Zip Code Recognition", Neural Computation 1,
           541-551. 16×16 inputs; H1, 12 maps of 8×8 units, and H2, 12 maps of 4×4 units, each unit with neighbourhoods
           of 5×5 two pixels apart; H3, 30 units; 10 outputs. All units of a map share their weights, none its bias.
Differs    The paper leaves open which 8 of the 12 maps of H1 a map of H2 is connected to: here map j to j, j + 1 …
           j + 7, modulo 12. It also leaves open the padding of H1: here −1, as for the image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from ch05_cnn.networks import check_images
from common.image_classifier import outputs

SIDE, MAPS, HIDDEN, CLASSES = 16, 12, 30, 10
KERNEL, STRIDE, BEFORE = 5, 2, 2  # a neighbourhood begins two pixels before its unit's own
BACKGROUND = -1.0  # of the image, and of the virtual units beyond a border
A, S = 1.7159, 2 / 3  # A tanh(S a) is ±1 at ±1, the targets, and bends most about there
SEEN_BY_H1 = [[0]] * MAPS
SEEN_BY_H2 = [[(j + i) % MAPS for i in range(8)] for j in range(MAPS)]


class Size(NamedTuple):
    """What the paper counts of a layer. A bias is a connection, too."""

    units: int
    connections: int
    free: int


PAPER = {
    "H1": Size(768, 19968, 1068),
    "H2": Size(192, 38592, 2592),
    "H3": Size(30, 5790, 5790),
    "output": Size(10, 310, 310),
}


class ScaledTanh(nn.Module):
    """A tanh(S a)."""

    def forward(self, a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return A * torch.tanh(S * a)


def squared_error(o: Float[Tensor, "n 10"], labels: Int[Tensor, "n"]) -> Float[Tensor, ""]:
    """½ Σ (o − t)², the mean over the digits; t is +1 for the digit's own output and −1 for the others."""
    return 0.5 * (o - targets(labels)).square().sum(dim=1).mean()


def targets(labels: Int[Tensor, "n"]) -> Float32[Tensor, "n 10"]:
    return 2.0 * nn.functional.one_hot(labels, CLASSES).float() - 1.0


def fan_in(layer: nn.Module) -> int:
    """How many connections a unit has, its bias among them."""
    return layer.weight[0].numel() + 1


def size(layer: nn.Module) -> Size:
    """What the paper counts, of a layer of maps or a dense one: every unit has its connections, some share a weight."""
    units, free = layer.bias.numel(), layer.weight.numel() + layer.bias.numel()
    return Size(units, units * fan_in(layer), free)


def start(layer: nn.Module) -> None:
    """Weights and biases uniform in ±2.4 / F, F being the unit's fan-in: sums stay where the tanh bends."""
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -2.4 / fan_in(layer), 2.4 / fan_in(layer))


class FeatureMaps(nn.Module):
    """Maps of units with neighbourhoods of 5×5 in some of the maps before; weights shared in a map, biases not.

    seen: for every map, which of the maps before it looks at. side: of those; the new ones have half of it.
    """

    def __init__(self, seen: list[list[int]], side: int) -> None:
        super().__init__()
        self.maps_before = 1 + max(map(max, seen))
        self.register_buffer("seen", torch.tensor(seen), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(seen), len(seen[0]), KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.empty(len(seen), side // STRIDE, side // STRIDE))
        start(self)

    def kernels(self) -> Float[Tensor, "maps maps_before 5 5"]:
        """The weights of all pairs of maps: 0 where they are not connected."""
        maps = torch.arange(len(self.seen), device=self.seen.device)[:, None]
        nothing = self.weight.new_zeros(len(maps), self.maps_before, KERNEL, KERNEL)
        return nothing.index_put((maps, self.seen), self.weight)

    def forward(self, x: Float[Tensor, "n maps_before side side"]) -> Float[Tensor, "n maps half half"]:
        """What the units sum up, before it is squashed."""
        behind = KERNEL - STRIDE - BEFORE  # of the three rows missing, two lie before the image and one behind it
        x = nn.functional.pad(x, (BEFORE, behind, BEFORE, behind), value=BACKGROUND)
        return nn.functional.conv2d(x, self.kernels(), stride=STRIDE) + self.bias


class LeNet1989(nn.Module):
    """Images (n, 1, 16, 16) in [−1, 1] to ten outputs, the right one near +1, the others near −1.

    squash: of H1, H2 and H3, and of the output, too, unless `bare`.
    """

    def __init__(self, squash: nn.Module | None = None, bare: bool = False) -> None:
        super().__init__()
        self.squash, self.bare = squash or ScaledTanh(), bare
        self.H1 = FeatureMaps(SEEN_BY_H1, SIDE)
        self.H2 = FeatureMaps(SEEN_BY_H2, SIDE // STRIDE)
        self.H3 = nn.Linear(self.H2.bias.numel(), HIDDEN)
        self.output = nn.Linear(HIDDEN, CLASSES)
        for layer in (self.H3, self.output):
            start(layer)

    def forward(self, x: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n 10"]:
        """Raises ValueError for images of another size."""
        check_images(x, 1, SIDE)
        f = self.squash
        h2 = f(self.H2(f(self.H1(x))))
        o = self.output(f(self.H3(h2.flatten(1))))
        return o if self.bare else f(o)


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network whose first weights are those of the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def read(network: nn.Module, images: Float32[np.ndarray, "n side side"]) -> Int[np.ndarray, "n"]:
    """The digit whose output is largest."""
    return outputs(network, torch.from_numpy(images[:, None])).argmax(dim=1).numpy()

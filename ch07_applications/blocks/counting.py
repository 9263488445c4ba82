"""A network's layers: the size of its maps, its parameters, its multiplications.

A network on PyTorch's meta device has shapes and no numbers, so that one of 138 million parameters is counted in
milliseconds:

    with torch.device("meta"):
        network = VGG("D")
    layers_of(network, (3, 224, 224))

Multiplications are those of convolutions and dense layers, one per weight and place of the output (multiply-adds, as
papers count them); biases, activations, poolings and normalisations are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Layer:
    """A layer and its output for one image.

    name: its path in the network. kind: its class. map: the shape of its output without the batch: (channels, height,
    width) of a map, (features,) of a dense layer. parameters: its own. multiplications: for one image.
    """

    name: str
    kind: str
    map: tuple[int, ...]
    parameters: int
    multiplications: int

    @property
    def weighted(self) -> bool:
        """Whether it is a convolution or a dense layer."""
        return self.multiplications > 0


def layers_of(network: nn.Module, image: tuple[int, ...]) -> list[Layer]:
    """The layers without sub-layers, in the order of computation. image: (channels, height, width), without a batch.

    A layer that is used several times is listed several times; its parameters count at the first. The network computes
    once in evaluation mode, on its device; its mode stays unchanged.
    """
    found: list[Layer] = []
    seen: set[int] = set()

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        own = 0 if id(layer) in seen else parameters_of(layer)
        seen.add(id(layer))
        count = multiplications(layer, tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))
        found.append(Layer(name, type(layer).__name__, tuple(output.shape[1:]), own, count))

    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output, name=name: note(name, layer, inputs, output))
        for name, layer in network.named_modules()
        if not any(layer.children())
    ]
    training, device = network.training, next(network.parameters()).device
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *image, device=device))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return found


def multiplications(layer: nn.Module, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> int:
    """The multiplications of one layer for one image. inputs, outputs: shapes without the batch.

    A convolution multiplies every weight once at every place of its output, a transposed one at every place of its
    input, a dense layer once.
    """
    if isinstance(layer, CONVOLUTIONS):
        return layer.weight.numel() * math.prod(outputs[1:])
    if isinstance(layer, TRANSPOSED):
        return layer.weight.numel() * math.prod(inputs[1:])
    if isinstance(layer, nn.Linear):
        return layer.weight.numel() * math.prod(outputs[:-1])
    return 0


def parameters_of(network: nn.Module) -> int:
    """The numbers that training changes: weights and biases, but no running means."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiplications_of(network: nn.Module, image: tuple[int, ...]) -> int:
    """The multiplications of the whole network for one image (channels, height, width)."""
    return sum(layer.multiplications for layer in layers_of(network, image))

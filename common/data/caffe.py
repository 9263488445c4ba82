"""Weights that were trained in Caffe, for inputs as PyTorch's networks have them.

Caffe's networks see blue, green, red from 0 to 255 minus the mean colour; torchvision's see red, green, blue from 0 to
1, standardised (weights.imagenet_inputs). One is an affine function of the other per colour, so the first convolution
can take it in: W x + b with x = scale · z + shift is (W · scale) z + (b + W shift).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from common.data.weights import imagenet_statistics

if TYPE_CHECKING:
    from torch.nn import Conv2d, Module

HWIO = Float32[np.ndarray, "height width inputs outputs"]
Bias = Float32[np.ndarray, "outputs"]


def fill(convolution: Conv2d, kernels: HWIO, bias: Bias) -> None:
    """Put these weights into the convolution. Raises ValueError where shapes differ."""
    import torch

    weight = torch.tensor(np.ascontiguousarray(kernels.transpose(3, 2, 0, 1)))
    if weight.shape != convolution.weight.shape or bias.shape != tuple(convolution.bias.shape):
        raise ValueError(f"weights {tuple(weight.shape)} and {bias.shape} for {tuple(convolution.weight.shape)}")
    with torch.no_grad():
        convolution.weight.copy_(weight)
        convolution.bias.copy_(torch.tensor(bias))


def take_in_inputs(first: Conv2d, mean_bgr: tuple[float, float, float]) -> None:
    """Make a first convolution, which holds Caffe's weights, one for weights.imagenet_inputs.

    Exact, but where the convolution pads: its zeros now are ImageNet's mean colour instead of Caffe's, half a grey
    level away.
    """
    import torch

    mean, deviation = (torch.tensor(values, dtype=torch.float64) for values in imagenet_statistics())
    with torch.no_grad():
        rgb = first.weight.flip(1).double()  # outputs, red green blue, height, width
        scale, shift = 255 * deviation, 255 * mean - torch.tensor(mean_bgr[::-1], dtype=torch.float64)
        first.bias.copy_(first.bias + (rgb * shift[:, None, None]).sum(dim=(1, 2, 3)))
        first.weight.copy_(rgb * scale[:, None, None])


def convolutions(network: Module) -> list[Conv2d]:
    """The convolutions of a network, in the order in which they were built."""
    from torch.nn import Conv2d

    return [module for module in network.modules() if isinstance(module, Conv2d)]

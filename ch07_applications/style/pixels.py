"""Pictures as pixels that an optimiser changes: standardised by ImageNet's statistics, without limits."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from common.data.weights import imagenet_inputs, imagenet_statistics

NOISE = 0.3  # standard deviations of photographs' pixels
Picture = UInt8[np.ndarray, "_ _ 3"]  # of any height and width
Pixels = Float[Tensor, "1 3 _ _"]


def inputs_of(picture: Picture) -> Pixels:
    """The picture as the network's input."""
    return imagenet_inputs(np.ascontiguousarray(picture)[None])


def picture_of(pixels: Pixels) -> Picture:
    """The inverse of inputs_of: clipped to 0 … 255 and rounded."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in imagenet_statistics())
    colours = (255 * (pixels[0] * deviation + mean)).round().clamp(0, 255)
    return colours.byte().permute(1, 2, 0).contiguous().numpy()


def noise(size: tuple[int, int], seed: int) -> Pixels:
    """Independent Gaussian pixels, NOISE around the mean colour: a start without content. size: height and width."""
    return NOISE * torch.randn((1, 3, *size), generator=torch.Generator().manual_seed(seed))


def total_variation(pixels: Pixels) -> Float[Tensor, ""]:
    """The mean squared difference of neighbouring pixels."""
    down, across = pixels.diff(dim=2), pixels.diff(dim=3)
    return (down.square().sum() + across.square().sum()) / pixels.numel()

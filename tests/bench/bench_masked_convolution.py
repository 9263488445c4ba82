"""Speed of a masked convolution beside PyTorch's own of the same size without a mask, forwards and backwards."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from side_by_side import row
from torch import Tensor, nn

from ch07_applications.reconstruction.pixel_rnn import MaskedConvolution


def step(layer: Callable[[Tensor], Tensor], maps: Tensor) -> Tensor:
    """A pass and its gradients."""
    layer.zero_grad()
    layer(maps).sum().backward()
    return layer.weight.grad


def measure() -> list[dict]:
    """Rows for run.py: the filters of the lesson's PixelCNN on a batch of digits."""
    torch.manual_seed(0)
    rows = []
    for kind, channels, outputs, side in (("B", 24, 24, 3), ("A", 1, 48, 7)):
        masked = MaskedConvolution(kind, channels, outputs, (side, side))
        plain = nn.Conv2d(channels, outputs, side, padding=side // 2)
        with torch.no_grad():
            plain.weight.copy_(masked.weight * masked.mask)
            plain.bias.copy_(masked.bias)
        maps = torch.randn(16, channels, 28, 28, requires_grad=True)
        assert torch.allclose(masked(maps), plain(maps), atol=1e-5)
        name = f"masked convolution {side}×{side}, mask {kind}"
        peer = "torch's nn.Conv2d without a mask"
        rows.append(row(name, partial(step, masked, maps), peer, partial(step, plain, maps), 1 / 1.1, runs=50))
    return rows

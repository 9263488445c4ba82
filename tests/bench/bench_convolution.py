"""Speed of the convolutional layer, forward and backward, beside PyTorch's and beside the loops it is written as.

The loops would take minutes for the whole batch. They are timed on the first two kernels and two channels of one image
with all its pixels, and scaled up by the number of multiply-adds, which is known exactly: each of the equation's
products once forward and twice backward. What a loop spends on a product does not depend on how many there are.
"""

from __future__ import annotations

import numpy as np
import torch
from side_by_side import row
from torch.nn import functional as F

from ch05_cnn.convolution import conv2d_backward_loops, conv2d_loops
from ch05_cnn.layers.conv2d import conv2d, conv2d_backward

IMAGES, CHANNELS, SIZE, FILTERS, KERNEL = 64, 16, 28, 32, 5
FEW_FILTERS, FEW_CHANNELS = 2, 2  # of one image, for the loops


def measure() -> list[dict]:
    """Rows for run.py: 64 images of 16×28×28 and 32 kernels of 5×5, in float32."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(IMAGES, CHANNELS, SIZE, SIZE)).astype(np.float32)
    weight = rng.normal(size=(FILTERS, CHANNELS, KERNEL, KERNEL)).astype(np.float32)
    bias = rng.normal(size=FILTERS).astype(np.float32)
    delta = rng.normal(size=conv2d(x, weight, bias).shape).astype(np.float32)
    tensors = [torch.from_numpy(array).requires_grad_() for array in (x, weight, bias)]

    def ours() -> None:
        conv2d(x, weight, bias)
        conv2d_backward(delta, x, weight)

    def peer() -> None:
        torch.autograd.grad(F.conv2d(*tensors), tensors, torch.from_numpy(delta))

    def loops() -> None:
        few, kernels = x[:1, :FEW_CHANNELS], weight[:FEW_FILTERS, :FEW_CHANNELS]
        conv2d_loops(few, kernels, bias[:FEW_FILTERS])
        conv2d_backward_loops(delta[:1, :FEW_FILTERS], few, kernels)

    name = f"conv2d, forward and backward, {IMAGES}×{CHANNELS}×{SIZE}×{SIZE}, {FILTERS} kernels of {KERNEL}×{KERNEL}"
    scaled = row(name, ours, "its loops, scaled from a slice", loops, 100, runs=3)
    times = IMAGES * CHANNELS * FILTERS / (FEW_CHANNELS * FEW_FILTERS)
    scaled |= {key: times * scaled[key] for key in ("peer_seconds", "ratio")}
    return [row(name, ours, "PyTorch", peer, 1 / 3, runs=51), scaled]

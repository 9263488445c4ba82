"""A logistic regression per pixel, on all pixels before it: the fully visible sigmoid belief network (FVSBN).

Method     p(x_i = 1 | x_1 … x_{i−1}) = σ(b_i + Σ_{j<i} W_ij x_j). Neal 1992; so named by Larochelle and Murray 2011.
           The regressions share no weights, yet are together one linear map, whose matrix is zero on and above its
           diagonal, so that they are trained at once. The penalty is AdamW's weight decay, chosen on held-out digits.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PixelRegressions(nn.Module):
    """Logits of all pixels by one triangular matrix. start: each pixel's frequency of 1, for biases and centring.

    Inputs are centred; otherwise the mean image would be the direction in which every row's gradient is largest.
    """

    def __init__(self, start: Float[Tensor, "height width"]) -> None:
        super().__init__()
        pixels = start.numel()
        self.weight, self.bias = nn.Parameter(torch.zeros(pixels, pixels)), nn.Parameter(start.flatten().logit(1e-3))
        self.register_buffer("mean", start.flatten())
        self.register_buffer("mask", torch.ones(pixels, pixels).tril(-1), persistent=False)

    def forward(self, images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
        return nn.functional.linear(images.flatten(1) - self.mean, self.weight * self.mask, self.bias).view_as(images)

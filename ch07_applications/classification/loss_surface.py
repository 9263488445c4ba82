"""The loss around trained weights, along directions that are as long as the filters they change.

Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the loss landscape of neural nets", §4:

    f(α, β) = L(θ + α d + β e)

ReLU and BatchNorm let filters grow without changing the output, so that a step of fixed length means less to large
filters. Hence each filter of a random direction is scaled to the norm of the network's own filter.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

Direction = list[Tensor]  # one tensor per parameter
Maps = Float[Tensor, "n channels height width"]


def filter_normalised(network: nn.Module, generator: torch.Generator) -> Direction:
    """A random direction d, each filter of it with ‖d‖ = ‖θ‖ of the network's filter (§4). Biases, γ and β: 0.

    A filter is a row of a convolution's or dense layer's weights. The network's parameters must be on the CPU.
    """
    direction = []
    for weight in network.parameters():
        if weight.ndim < 2:
            direction.append(torch.zeros_like(weight))
            continue
        drawn = torch.randn(weight.shape, generator=generator).to(weight)
        rows, own = drawn.flatten(1), weight.detach().flatten(1)
        scaled = rows * own.norm(dim=1, keepdim=True) / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
        direction.append(scaled.reshape(weight.shape))
    return direction


@torch.no_grad()
def loss_at(network: nn.Module, images: Maps, labels: Int[Tensor, "n"], *moves: tuple[float, Direction]) -> float:
    """The mean cross-entropy at θ + Σ α d, in evaluation mode. The network's weights are left unchanged."""
    moved = copy.deepcopy(network).eval()
    for share, direction in moves:
        for weight, change in zip(moved.parameters(), direction, strict=True):
            weight.add_(change, alpha=share)
    return float(functional.cross_entropy(moved(images), labels))


def surface(
    network: nn.Module,
    images: Maps,
    labels: Int[Tensor, "n"],
    axis: Float[np.ndarray, "points"],
    generator: torch.Generator,
) -> Float[np.ndarray, "points points"]:
    """The loss on a plane through the weights. Rows follow the second random direction, columns the first."""
    first, second = (filter_normalised(network, generator) for _ in range(2))
    losses = [[loss_at(network, images, labels, (a, first), (b, second)) for a in axis] for b in axis]
    return np.array(losses)


def rise(
    network: nn.Module, images: Maps, labels: Int[Tensor, "n"], distance: float, *, directions: int, seed: int
) -> float:
    """How much the loss rises at this distance (a share of the filters' norms), averaged over random directions and
    both signs of each.
    """
    generator, rises = torch.Generator().manual_seed(seed), []
    here = loss_at(network, images, labels)
    for _ in range(directions):
        direction = filter_normalised(network, generator)
        rises += [loss_at(network, images, labels, (sign * distance, direction)) - here for sign in (-1, 1)]
    return float(np.mean(rises))

"""The start of a network's weights: random ones that keep outputs in range, or those of a trained shallow network.

Weights with deviation σ multiply the deviation of outputs by σ √(inputs / 2) in each layer that follows a ReLU. Unless
that factor is near 1, the outputs of a deep stack vanish or explode with depth (He et al. 2015, §2.2). The VGG paper
started from σ² = 10⁻², and took layers from a trained network to make deep ones train (§3.1).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

STARTS = {"He et al.": None, "normal, σ = 0.1": 0.1, "normal, σ = 0.01": 0.01}


def weighted(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The layers that have weights, in order."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def stages_of(network: nn.Module) -> list[list[nn.Conv2d]]:
    """The convolutions of every stage."""
    stages: list[list[nn.Conv2d]] = [[]]
    for layer in network.features:
        if isinstance(layer, nn.MaxPool2d):
            stages.append([])
        elif isinstance(layer, nn.Conv2d):
            stages[-1].append(layer)
    return stages[:-1]


def start(network: nn.Module, deviation: float | None = None) -> nn.Module:
    """Draw all weights from a normal distribution, biases 0. Returns the network.

    deviation: None for √(2 / inputs), Eq. (10), He et al. 2015: ReLU halves the mean square, and the 2 restores it.
    """
    for layer in weighted(network):
        inputs = layer.weight[0].numel()
        nn.init.normal_(layer.weight, std=(2 / inputs) ** 0.5 if deviation is None else deviation)
        nn.init.zeros_(layer.bias)
    return network


def begin_as(network: nn.Module, shallow: nn.Module) -> nn.Module:
    """Initialise the first layers of each stage, and the dense ones, with a trained shallow network's layers (§3.1).

    The layers between keep their random weights. Raises ValueError if widths or the number of stages differ.
    """
    ours, theirs = ([list(part) for part in stages_of(whole)] for whole in (network, shallow))
    if len(ours) != len(theirs):
        raise ValueError(f"{len(theirs)} stages do not begin a network of {len(ours)}")
    pairs = [pair for stages in zip(ours, theirs, strict=True) for pair in zip(*stages, strict=False)]
    for new, trained in [*pairs, *zip(weighted(network.classifier), weighted(shallow.classifier), strict=True)]:
        if new.weight.shape != trained.weight.shape:
            raise ValueError(f"weights of {tuple(trained.weight.shape)} do not fit {tuple(new.weight.shape)}")
        new.load_state_dict(trained.state_dict())
    return network


@torch.no_grad()
def deviations(network: nn.Module, images: Float[Tensor, "batch 3 height width"]) -> list[float]:
    """The standard deviation of every weight layer's outputs, before ReLU."""
    found: list[float] = []
    hooks = [
        layer.register_forward_hook(lambda *call: found.append(float(call[2].std()))) for layer in weighted(network)
    ]
    network.eval()(images)
    for hook in hooks:
        hook.remove()
    return found

"""LeNet of 1989 in batches, and the changes that make it a network of today, each of which can be had or not.

Method     Cross-entropy in place of squared error; max(0, z) (Glorot et al. 2011) with the start of He et al. 2015;
           Adam with weight decay (Loshchilov & Hutter 2019); convolutions as they are written now, with a bias a map
           and all maps connected; maximum pooling in place of every second pixel; dropout before the dense layers
           (Srivastava et al. 2014); digits that are moved and turned a little each time they are seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from ch05_cnn.networks import check_images
from ch05_cnn.zip_code_network import (
    CLASSES,
    HIDDEN,
    KERNEL,
    MAPS,
    SIDE,
    STRIDE,
    LeNet1989,
    ScaledTanh,
    seeded,
    squared_error,
    start,
)
from common.augment import Poses
from common.image_classifier import LabelledImages
from common.train import Training

LAYERS = ("1989", "plain", "pooled")
BATCH, MOMENTUM = 64, 0.9
RATES = {"squared error": 0.05, "cross-entropy": 0.05, "Adam": 0.02}  # of three each, on validation digits
MOVES = Poses(shift=1.0, angle=10.0)


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained. As it stands: LeNet 1989, by momentum in batches.

    layers: "1989" (stride 2, a bias a unit, few maps connected), "plain" (stride 2, a bias a map, all connected) or
    "pooled" (plain with stride 1, and pooling). dropout: the share of the units before each dense layer that is left
    out, but for the layers of 1989.
    """

    epochs: int = 8
    cross_entropy: bool = False
    relu: bool = False
    adam: bool = False
    layers: str = "1989"
    moved: bool = False
    dropout: float = 0.0

    @property
    def rate(self) -> float:
        """The peak of the learning rate."""
        return RATES["Adam" if self.adam else "cross-entropy" if self.cross_entropy else "squared error"]


class Convolutional(nn.Module):
    """The four layers of 1989, of PyTorch's own kinds: two convolutions, two dense layers."""

    def __init__(self, recipe: Recipe, squash: nn.Module) -> None:
        super().__init__()
        pooled, drop, stack = recipe.layers == "pooled", nn.Dropout(recipe.dropout), []
        for before in (1, MAPS):
            stack += [nn.Conv2d(before, MAPS, KERNEL, 1 if pooled else STRIDE, padding=KERNEL // 2), squash]
            stack += [nn.MaxPool2d(STRIDE)] if pooled else []
        stack += [nn.Flatten(), drop, nn.Linear(MAPS * (SIDE // STRIDE**2) ** 2, HIDDEN), squash, drop]
        stack += [nn.Linear(HIDDEN, CLASSES), nn.Identity() if recipe.cross_entropy else squash]
        self.layers = nn.Sequential(*stack)
        for layer in with_weights(self):
            start(layer)

    def forward(self, x: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n 10"]:
        """Raises ValueError for images of another size."""
        check_images(x, 1, SIDE)
        return self.layers(x)


def with_weights(network: nn.Module) -> list[nn.Module]:
    """The layers that have weights of their own."""
    return [layer for layer in network.modules() if isinstance(getattr(layer, "weight", None), nn.Parameter)]


def network(recipe: Recipe) -> nn.Module:
    """The recipe's network before it learns. Raises ValueError for layers that there are not."""
    if recipe.layers not in LAYERS:
        raise ValueError(f"layers must be one of {', '.join(LAYERS)}, got {recipe.layers!r}")
    squash = nn.ReLU() if recipe.relu else ScaledTanh()
    old = recipe.layers == "1989"
    whole = LeNet1989(squash, bare=recipe.cross_entropy) if old else Convolutional(recipe, squash)
    for layer in with_weights(whole) if recipe.relu else []:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return whole


def taught(
    recipe: Recipe,
    images: Float32[np.ndarray, "n 16 16"],
    labels: Int[np.ndarray, "n"],
    seed: int,
    *,
    device: torch.device | str = "cpu",
    build: Callable[[Recipe], nn.Module] = network,
) -> nn.Module:
    """A network that learned by the recipe. seed: of its first weights, its batches and whatever else is random."""
    learner = seeded(partial(build, recipe), seed)
    digits = LabelledImages(
        torch.from_numpy(images[:, None]).to(device),
        torch.tensor(labels, device=device),
        MOVES if recipe.moved else None,
    )
    Training(
        recipe.epochs,
        recipe.rate,
        BATCH,
        optimiser=torch.optim.AdamW if recipe.adam else partial(torch.optim.SGD, momentum=MOMENTUM),
        loss=nn.functional.cross_entropy if recipe.cross_entropy else squared_error,
        half=False,  # these networks are too small for it to pay
        device=device,
    )(learner, digits, seed)
    return learner

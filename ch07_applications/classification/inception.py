"""Inception modules: filters of several sizes side by side, 1×1 reductions before the large ones, auxiliary heads.

    x ─┬─ 1×1 ───────────────┐
       ├─ 1×1 ── 3×3 ────────┤
       ├─ 1×1 ── 5×5 ────────┼─ all channels side by side
       └─ 3×3 max ── 1×1 ────┘

Source     Szegedy et al. 2014, "Going deeper with convolutions", §4 and Fig. 2; auxiliary heads: §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

Maps = Float[Tensor, "batch channels height width"]
Concatenated = Float[Tensor, "batch outputs height width"]  # of all branches
HEAD_WEIGHT = 0.3  # §5: of each auxiliary head's loss, in training


@dataclass(frozen=True)
class Row:
    """Channels of one module's convolutions: a row of Table 1.

    reduce3, reduce5: channels of the 1×1 before the 3×3 and the 5×5; 0 without it. pool: channels of the 1×1 after the
    pooling; with 0 there is none, and all input channels pass.
    """

    one: int
    reduce3: int
    three: int
    reduce5: int
    five: int
    pool: int

    def outputs(self, before: int) -> int:
        """Output channels of the module for `before` input channels."""
        return self.one + self.three + self.five + (self.pool or before)

    def weights(self, before: int) -> dict[str, int]:
        """Weights by filter size; each is one multiplication per place of the map. Biases are not counted."""
        reductions = self.one + self.reduce3 + self.reduce5 + self.pool
        three = 9 * (self.reduce3 or before) * self.three
        five = 25 * (self.reduce5 or before) * self.five
        return {"1×1": before * reductions, "3×3": three, "5×5": five}

    def naive(self, projected: bool = False) -> Row:
        """The module without reductions: Fig. 2 (a). projected: keep the 1×1 after the pooling."""
        return replace(self, reduce3=0, reduce5=0, pool=self.pool if projected else 0)


@dataclass(frozen=True)
class Style:
    """The differences between the published network and torchvision's. The defaults give the published one.

    large: kernel of the branch that the paper calls 5×5. batch_norm: BatchNorm after every convolution, which then has
    no bias. response_norm: LRN beside the first two poolings. last_pool: kernel of the pooling before 5a. dropout:
    before the last layer. adaptive: heads pool into 4×4 windows of 4×4 cells, instead of 5×5 windows with stride 3.
    """

    large: int = 5
    batch_norm: bool = False
    response_norm: bool = True
    last_pool: int = 3
    dropout: float = 0.4
    adaptive: bool = False


PAPER = Style()
TORCHVISION = Style(large=3, batch_norm=True, response_norm=False, last_pool=2, dropout=0.2, adaptive=True)


def unit(before: int, after: int, size: int, *, batch_norm: bool = False, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the map's size, and ReLU. batch_norm: BatchNorm between them replaces the bias.

    BatchNorm's second argument is ε, not a width; it is passed by name, and is 0.001.
    """
    layers: list[nn.Module] = [nn.Conv2d(before, after, size, stride, size // 2, bias=not batch_norm)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(after, eps=1e-3))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


class Inception(nn.Module):
    """Four branches from the same input, their outputs side by side: Fig. 2 (b), or 2 (a) where the row is naive."""

    def __init__(self, before: int, row: Row, style: Style = PAPER) -> None:
        super().__init__()
        self.row, self.before = row, before

        def layers(reduction: int, after: int, size: int) -> nn.Sequential:
            first = [unit(before, reduction, 1, batch_norm=style.batch_norm)] if reduction else []
            return nn.Sequential(*first, unit(reduction or before, after, size, batch_norm=style.batch_norm))

        self.one = unit(before, row.one, 1, batch_norm=style.batch_norm)
        self.three = layers(row.reduce3, row.three, 3)
        self.five = layers(row.reduce5, row.five, style.large)
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1))
        if row.pool:
            self.pool.append(unit(before, row.pool, 1, batch_norm=style.batch_norm))

    def forward(self, x: Maps) -> Concatenated:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


class FastInception(nn.Module):
    """The module for small maps on a CPU: one convolution computes the four 1×1s, which share their input.

    The fourth branch pools its few channels after the 1×1, not all input channels before it, because that pooling would
    take a fifth of a step's time on 16×16 maps. BatchNorm and ReLU follow every 1×1, as in Inception.
    """

    def __init__(self, before: int, row: Row, batch_norm: bool = True) -> None:
        super().__init__()
        self.widths = (row.one, row.reduce3, row.reduce5, row.pool)
        self.ones = unit(before, sum(self.widths), 1, batch_norm=batch_norm)
        self.three = unit(row.reduce3, row.three, 3, batch_norm=batch_norm)
        self.five = unit(row.reduce5, row.five, 5, batch_norm=batch_norm)
        self.pool = nn.MaxPool2d(3, 1, 1)

    def forward(self, x: Maps) -> Concatenated:
        one, reduced3, reduced5, pool = self.ones(x).split(self.widths, 1)
        return torch.cat([one, self.three(reduced3), self.five(reduced5), self.pool(pool)], 1)


class AuxiliaryHead(nn.Module):
    """A classifier half way up: 5×5 pooling with stride 3, a 1×1, a dense layer, dropout of 70 %, scores. §5.

    side: of the square input maps. reduced: channels of the 1×1. hidden: units of the dense layer. adaptive: see Style.
    """

    def __init__(
        self,
        channels: int,
        side: int,
        classes: int,
        *,
        reduced: int = 128,
        hidden: int = 1024,
        style: Style = PAPER,
    ) -> None:
        super().__init__()
        left = (side - 5) // 3 + 1
        self.pool = nn.AdaptiveAvgPool2d(left) if style.adaptive else nn.AvgPool2d(5, 3)
        self.reduce = unit(channels, reduced, 1, batch_norm=style.batch_norm)
        self.hidden = nn.Linear(reduced * left**2, hidden)
        self.dropout = nn.Dropout(0.7)
        self.scores = nn.Linear(hidden, classes)

    def forward(self, x: Maps) -> Float[Tensor, "batch classes"]:
        hidden = functional.relu(self.hidden(self.reduce(self.pool(x)).flatten(1)))
        return self.scores(self.dropout(hidden))


def supervised(
    outputs: Float[Tensor, "batch classes"] | Sequence[Float[Tensor, "batch classes"]],
    labels: Int[Tensor, "batch"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The training loss: cross-entropy of the last scores plus 0.3 of each auxiliary head's. §5.

    outputs: scores; from a network with heads, (scores, scores of each head). smoothing: label smoothing.
    """
    last, *heads = [outputs] if isinstance(outputs, Tensor) else outputs
    losses = [functional.cross_entropy(scores, labels, label_smoothing=smoothing) for scores in (last, *heads)]
    return losses[0] + HEAD_WEIGHT * sum(losses[1:])


def xavier(network: nn.Module) -> nn.Module:
    """Glorot & Bengio 2010 initialisation, biases 0. The paper names none; its reference code uses this."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def first_gradient(
    network: nn.Module, images: Float[Tensor, "batch 3 height width"], labels: Int[Tensor, "batch"]
) -> float:
    """The norm of the loss's gradient by the first convolution's weights, on this batch, in training mode."""
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    (gradient,) = torch.autograd.grad(supervised(network.train()(images), labels), [first.weight])
    return float(gradient.norm())

"""Small stacks of Inception modules, and of plain layers that cost as much, for images of 32×32 pixels.

The compared stacks differ only in the kind of module: stem, stages, poolings and the last layer are the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.counting import multiplications_of, parameters_of
from ch07_applications.classification.inception import AuxiliaryHead, FastInception, Row, unit


@dataclass(frozen=True)
class Stack:
    """A small network for 32×32 pixels: a stem of one 3×3 layer, then stages of modules, each after a 2×2 pooling.

    stem: channels. stages: output channels of each stage's modules, to be multiplied by `width`. module: their kind, a
    key of MODULES. batch_norm: BatchNorm after every convolution. heads: an auxiliary head after each stage but the
    last.
    """

    stem: int = 32
    stages: tuple[tuple[int, ...], ...] = ((64,), (128, 128), (224, 224))
    width: float = 1.0
    module: str = "Inception"
    batch_norm: bool = True
    heads: bool = False

    def channels(self, width: int) -> int:
        """`width` times the stack's factor; a multiple of eight if a module has branches of an eighth."""
        step = 8 if self.module == "Inception" else 1
        return step * max(1, round(self.width * width / step))


def four_branches(before: int, width: int, batch_norm: bool) -> nn.Module:
    """All branches in 4c's shares of width: 1/4 from 1×1, 1/2 from 3×3, 1/8 from 5×5, 1/8 from the pooling."""
    row = Row(*(max(1, round(width * share / 512)) for share in (128, 128, 256, 24, 64, 64)))
    return FastInception(before, row, batch_norm)


def one_branch(before: int, width: int, batch_norm: bool) -> nn.Module:
    """The 3×3 branch alone, after its reduction to half of width, as in 4c."""
    reduce = unit(before, reduced := max(1, width // 2), 1, batch_norm=batch_norm)
    return nn.Sequential(reduce, unit(reduced, width, 3, batch_norm=batch_norm))


def plain(before: int, width: int, batch_norm: bool) -> nn.Module:
    """One layer of 3×3."""
    return unit(before, width, 3, batch_norm=batch_norm)


MODULES: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "Inception": four_branches,
    "3×3 branch alone": one_branch,
    "plain 3×3": plain,
}


SMALL = Stack()
THIN = Stack(stem=24, width=0.5)  # for the ablation


class SmallGoogLeNet(nn.Module):
    """A stack of modules. Returns scores; in training with heads, (scores, scores of each head)."""

    def __init__(self, stack: Stack = SMALL, classes: int = 10) -> None:
        super().__init__()
        self.stem = unit(3, stack.stem, 3, batch_norm=stack.batch_norm)
        self.stages, ends, before = nn.ModuleList(), [], stack.stem
        for widths in stack.stages:
            self.stages.append(nn.Sequential())
            for after in map(stack.channels, widths):
                self.stages[-1].append(MODULES[stack.module](before, after, stack.batch_norm))
                before = after
            ends.append(before)
        self.scores = nn.Linear(before, classes)
        heads = ((channels, 16 // 2**stage) for stage, channels in enumerate(ends[:-1]) if stack.heads)
        self.heads = nn.ModuleList(AuxiliaryHead(*end, classes, reduced=32, hidden=64) for end in heads)

    def forward(
        self, images: Float[Tensor, "batch 3 32 32"]
    ) -> Float[Tensor, "batch classes"] | tuple[Float[Tensor, "batch classes"], ...]:
        x, ends = self.stem(images), []
        for stage in self.stages:
            ends.append(x := stage(functional.max_pool2d(x, 2)))
        scores = self.scores(x.amax((2, 3)))
        if not (self.training and self.heads):
            return scores
        return scores, *(head(end) for head, end in zip(self.heads, ends, strict=False))  # the last stage has none


def cost(stack: Stack) -> int:
    """The number of multiplications per image."""
    with torch.device("meta"):
        return multiplications_of(SmallGoogLeNet(stack), (3, 32, 32))


def size(stack: Stack) -> int:
    """The number of parameters."""
    with torch.device("meta"):
        return parameters_of(SmallGoogLeNet(stack))


def matched(model: Stack, module: str, measure: Callable[[Stack], int] = cost) -> Stack:
    """The model's stack with another kind of module; of 400 widths, the one whose cost or size is nearest to the
    model's.
    """
    wanted = measure(model)
    options = [replace(model, module=module, width=model.width * factor) for factor in np.geomspace(0.25, 4, 400)]
    place = min(bisect_left(options, wanted, key=measure), len(options) - 1)
    return min(options[max(0, place - 1) : place + 1], key=lambda option: abs(measure(option) - wanted))

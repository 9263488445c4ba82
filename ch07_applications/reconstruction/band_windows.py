"""Windows on k-space: overlapping patches of one size that cover k-space of any size, with weights that sum to 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor

SIDE, STRIDE = 64, 32  # of a patch, as in the paper; the step between patches


@dataclass(frozen=True, eq=False)
class Window:
    """A patch of k-space: its first row and column, its place, and its weights in the sum of all.

    place: from frequency 0 to the patch's middle, in patches: rows + i columns.
    """

    corner: tuple[int, int]
    place: complex
    weights: Float[Tensor, "tall wide"]

    def cut(self, k_space: Num[Tensor, "*batch _ _"]) -> Num[Tensor, "*batch _ _"]:
        """The patch. Its middle becomes frequency 0, simply because the patch starts a new grid."""
        (top, left), (tall, wide) = self.corner, self.weights.shape
        return k_space[..., top : top + tall, left : left + wide]


def starts_of(length: int, side: int, stride: int = STRIDE) -> list[int]:
    """The starts of patches along an axis: one is centred on frequency 0, and the outermost end at the borders.

    Raises ValueError for k-space that is smaller than a patch.
    """
    if length < side:
        raise ValueError(f"k-space of {length} lines has no patch of {side}")
    middle, turns = length // 2 - side // 2, length // stride + 1
    return sorted({min(max(middle + stride * k, 0), length - side) for k in range(-turns, turns + 1)})


def windows_of(height: int, width: int, side: int | None = SIDE) -> list[Window]:
    """Overlapping windows whose weights, sin² towards their borders, sum to 1 everywhere. side None: one window."""
    if side is None:
        return [Window((0, 0), 0j, torch.ones(height, width))]
    taper, axes = torch.sin(torch.pi * (torch.arange(side) + 0.5) / side).square(), []
    for length in (height, width):
        weights = {start: torch.zeros(length) for start in starts_of(length, side)}
        for start, line in weights.items():
            line[start : start + side] = taper
        total = sum(weights.values())
        axes.append([(start, (line / total)[start : start + side]) for start, line in weights.items()])
    middle = complex(height // 2, width // 2)
    return [
        Window((top, left), (complex(top + side // 2, left + side // 2) - middle) / side, a[:, None] * b)
        for top, a in axes[0]
        for left, b in axes[1]
    ]


def middle_of(windows: list[Window]) -> Window:
    """The window with frequency 0 in its middle."""
    return min(windows, key=lambda window: abs(window.place))

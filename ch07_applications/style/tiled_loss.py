"""The loss of a large picture and its gradient, exactly, with the memory of a tile.

The memory of backpropagation grows with the picture: 3 GB for 1024 × 1024 pixels. Content is a sum over places and can
be computed tile by tile. Style cannot, because a Gram matrix is squared *after* its sum over all places. But its
gradient depends on the whole picture only through that sum:

    G = Σ_tiles F_t F_tᵀ,   ∂L/∂F_t = 2 (∂L/∂G) F_t

So a first pass sums Gram matrices without storing activations, and a second one backpropagates through one tile after
the other. Every tile is computed with a margin as wide as the receptive field, and only the middle of its maps counts:
so there is no seam, and the gradient of each tile's middle flows into its margin, as it does in the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from ch07_applications.style.pixels import Pixels, total_variation

if TYPE_CHECKING:
    from ch07_applications.style.gatys import Loss

TILE = 512  # pixels along a side: 0.8 GB
STRIDE = 16  # pixels between two units of relu5_1, after four poolings
MARGIN = 96  # pixels: a multiple of STRIDE above 74, the reach of a unit of relu5_1
Parts = dict[str, Tensor]  # by layer: a sum over places


class TiledLoss:
    """The same value and gradient as `loss` of a whole picture, computed from tiles of tile × tile pixels.

    A picture of a single tile is computed directly, which saves the first pass. Raises ValueError unless `tile` is a
    multiple of STRIDE.
    """

    def __init__(self, loss: Loss, tile: int = TILE) -> None:
        if tile < STRIDE or tile % STRIDE:
            raise ValueError(f"a tile must have a multiple of {STRIDE} pixels along a side, got {tile}")
        self.loss, self.tile = loss, tile

    def __call__(self, pixels: Pixels) -> Float[Tensor, ""]:
        return self.loss(pixels) if max(pixels.shape[2:]) <= self.tile else _OfTiles.apply(pixels, self)

    def value_and_gradient(self, pixels: Pixels) -> tuple[Float[Tensor, ""], Pixels]:
        """The loss and its gradient, in two passes over the tiles."""
        loss, gradient = self.loss, torch.zeros_like(pixels)
        height, width = pixels.shape[2:]
        counts = {name: (height // stride_of(name)) * (width // stride_of(name)) for name in loss.style}
        with torch.no_grad():
            sums = self._total(pixels)
        totals = {name: total.requires_grad_() for name, total in sums.items()}
        with torch.enable_grad():
            value = self._value(totals, counts)
            slopes = dict(zip(totals, torch.autograd.grad(value, list(totals.values())), strict=True))
            smooth = pixels.detach().requires_grad_()
            roughness = loss.smoothness * total_variation(smooth)
            gradient += torch.autograd.grad(roughness, smooth)[0]
        for rows, columns in self._tiles(pixels):
            piece = pixels[..., rows[0], columns[0]].detach().requires_grad_()
            with torch.enable_grad():
                parts = self._parts(piece, rows, columns)
                surrogate = sum((slopes[name] * part).sum() for name, part in parts.items())
            gradient[..., rows[0], columns[0]] += torch.autograd.grad(surrogate, piece)[0]
        return (value + roughness).detach(), gradient

    def _total(self, pixels: Pixels) -> Parts:
        """The sums of all tiles."""
        total: Parts = {}
        for rows, columns in self._tiles(pixels):
            for name, part in self._parts(pixels[..., rows[0], columns[0]], rows, columns).items():
                total[name] = total[name] + part if name in total else part
        return total

    def _tiles(self, pixels: Pixels) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
        """For rows and columns: the slice from which a tile is computed, and the slice that it represents."""
        spans = []
        for length in pixels.shape[2:]:
            starts = range(0, max(STRIDE, length - STRIDE + 1), self.tile)  # a remainder below one unit joins the last
            ends = [*list(starts)[1:], length]
            spans.append(
                [
                    (slice(max(0, start - MARGIN), min(length, end + MARGIN)), slice(start, end))
                    for start, end in zip(starts, ends, strict=True)
                ]
            )
        return ((rows, columns) for rows in spans[0] for columns in spans[1])

    def _parts(self, piece: Pixels, rows: tuple[slice, slice], columns: tuple[slice, slice]) -> Parts:
        """A tile's Gram matrix of each layer of style, and its squared error of each layer of content."""
        parts, found = {}, self.loss.activations(piece)
        for name, maps in found.items():
            stride, inner, whole = stride_of(name), [], []
            for (given, kept), there in zip((rows, columns), maps.shape[2:], strict=True):
                first = (kept.start - given.start) // stride
                last = there if kept.stop == given.stop else (kept.stop - given.start) // stride
                inner.append(slice(first, last))
                whole.append(slice(kept.start // stride, kept.start // stride + last - first))
            middle = maps[..., inner[0], inner[1]]
            if name in self.loss.style:
                filters = middle[0].flatten(1)
                parts[f"style {name}"] = filters @ filters.T
            if name in self.loss.content:
                wanted = self.loss.content[name][..., whole[0], whole[1]]
                parts[f"content {name}"] = 0.5 * (middle - wanted).square().sum()
        return parts

    def _value(self, sums: Mapping[str, Tensor], counts: Mapping[str, int]) -> Float[Tensor, ""]:
        """Content and style of the whole picture, from the sums over its tiles. counts: places of each layer."""
        loss = self.loss
        content = [sums[f"content {name}"] / (0.5 * own.square().sum()) for name, own in loss.content.items()]
        style = [
            (sums[f"style {name}"] / counts[name] - own / places).square().sum() / (own / places).square().sum()
            for name, (own, places) in loss.style.items()
        ]
        return sum(content) / max(1, len(content)) + loss.weight * sum(style) / max(1, len(style))


def stride_of(layer: str) -> int:
    """Pixels between two units: "relu3_1" comes after two poolings."""
    return 2 ** (int(layer[4]) - 1)


class _OfTiles(torch.autograd.Function):
    """A value with a gradient that is computed beforehand."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, pixels: Tensor, tiled: TiledLoss) -> Tensor:
        value, gradient = tiled.value_and_gradient(pixels)
        context.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, above: Tensor) -> tuple[Tensor, None]:
        return above * context.saved_tensors[0], None

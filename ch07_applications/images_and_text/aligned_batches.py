"""Batches of pictures' regions with one of each picture's captions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64, Shaped, UInt8
from torch import Tensor

SHIFT = 2  # the largest shift of crops in training, in pixels


@dataclass(frozen=True, eq=False)
class Pairs:
    """The regions of pictures and one sentence per picture, sliceable as a batch. crops: or features of the regions."""

    crops: Shaped[Tensor, "n regions *looks"]
    places: Float[Tensor, "n regions 4"]
    numbers: Int64[Tensor, "n words"]
    lengths: Int64[Tensor, "n"]

    def __getitem__(self, which: slice) -> Pairs:
        return Pairs(*(part[which] for part in vars(self).values()))


@dataclass
class AlignedBatches:
    """The regions of pictures with a random sentence of each picture, and its words again, as common.train.Batches.

    The crops, except the whole picture's, which is the last, are randomly mirrored and shifted a little.
    """

    crops: UInt8[Tensor, "n regions 3 side side"]
    places: Float[Tensor, "n regions 4"]
    numbers: Int64[Tensor, "n captions words"]
    lengths: Int64[Tensor, "n captions"]

    def __len__(self) -> int:
        return len(self.crops)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Pairs, Tensor]:
        drawn = torch.randint(self.lengths.shape[1], (len(index),), generator=generator)
        crops = self.crops[index]
        mirrored = torch.rand(crops.shape[:2], generator=generator) < 0.5
        mirrored[:, -1] = False
        crops = torch.where(mirrored[..., None, None, None], crops.flip(-1), crops)
        across, down = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=generator).tolist()
        crops[:, :-1] = crops[:, :-1].roll((down, across), (3, 4))
        numbers = self.numbers[index, drawn]
        return Pairs(crops, self.places[index], numbers, self.lengths[index, drawn]), numbers

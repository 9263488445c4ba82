"""Training patches of photographs: luma in high resolution, and its reduction.

Every photograph is used at several sizes: an object of ten pixels in one has six in another, so that there are more
edges to learn from. Each is reduced as a whole before patches are cut, so that no patch contains a border of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from ch07_applications.super_resolution.bicubic import cropped, resize
from ch07_applications.super_resolution.luma_chroma import Grey
from common.metrics.super_resolution import luma

SHARES = (1.0, 0.8, 0.6)  # of the photographs' sizes
LEVELS = (2, 4)
Patch = Float32[Tensor, "batch 1 _ _"]


def sizes_of(picture: Grey, shares: Sequence[float] = SHARES) -> list[Grey]:
    """A luma at several sizes, each cropped to multiples of 4."""
    sized = [picture if s == 1 else resize(picture, tuple(round(s * n) for n in picture.shape)) for s in shares]
    return [cropped(np.clip(each, 16, 235), 4) for each in sized]


@dataclass
class Patches:
    """Batches for common.train.Training: inputs, and the targets at every level in `levels`.

    Its items are places of the low resolution, drawn anew in each epoch: `epoch_length` of them, from each picture in
    proportion to its area. A patch is rotated and mirrored at random. pictures: luma, from 0 to 255. side: of a patch
    in low resolution. levels: factors of the targets; the last one gives the low resolution: (2, 4) or (2,), (4,).
    """

    pictures: list[Float32[np.ndarray, "_ _"]]
    side: int
    epoch_length: int
    levels: tuple[int, ...] = LEVELS

    @classmethod
    def of(
        cls, images: Sequence[np.ndarray], side: int, epoch_length: int, levels: tuple[int, ...] = LEVELS
    ) -> Patches:
        """Patches of photographs (H, W, 3), at SHARES of their sizes. Raises ValueError if all are too small."""
        lumas = [each.astype(np.float32) for image in images for each in sizes_of(luma(image))]
        fitting = [each for each in lumas if min(each.shape) >= side * max(levels)]
        if not fitting:
            raise ValueError(f"no picture has a patch of {side * max(levels)} × {side * max(levels)} pixels")
        return cls(fitting, side, epoch_length, levels)

    def __post_init__(self) -> None:
        last = max(self.levels)
        self._scales = []  # per picture: the low resolution, and the target of each level
        for picture in self.pictures:
            low = np.rint(shrunk(picture, last))  # like a picture, in whole grey levels
            targets = [picture if level == last else shrunk(picture, last // level) for level in self.levels]
            self._scales.append([torch.from_numpy(each) for each in (low, *targets)])
        area = np.array([picture.size for picture in self.pictures], float)
        self._shares = torch.from_numpy(area / area.sum())

    def __len__(self) -> int:
        return self.epoch_length

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Patch, ...]:
        """Low-resolution patches, and their targets by level, of random places; all as luma / 255."""
        pictures = torch.multinomial(self._shares, len(index), replacement=True, generator=generator)
        turns = torch.randint(8, (len(index),), generator=generator)
        corners = torch.rand((len(index), 2), generator=generator, dtype=torch.float64)
        cut = [self._cut(*each) for each in zip(pictures.tolist(), corners.tolist(), turns.tolist(), strict=True)]
        return tuple(torch.stack(level)[:, None] / 255 for level in zip(*cut, strict=True))

    def _cut(self, number: int, corner: list[float], turn: int) -> list[Float[Tensor, "_ _"]]:
        low, *targets = self._scales[number]
        top, left = (int(share * (n - self.side + 1)) for share, n in zip(corner, low.shape, strict=True))
        found = []
        for picture, factor in zip((low, *targets), (1, *self.levels), strict=True):
            place = [slice(factor * k, factor * (k + self.side)) for k in (top, left)]
            found.append(turned(picture[place[0], place[1]], turn))
        return found


def shrunk(picture: Float32[np.ndarray, "_ _"], factor: int) -> Float32[np.ndarray, "_ _"]:
    """Reduce to 1/factor of the pixels per side."""
    return resize(picture, tuple(length // factor for length in picture.shape)).astype(np.float32)


def turned(patch: Float[Tensor, "_ _"], turn: int) -> Float[Tensor, "_ _"]:
    """One of the eight images of a square under rotation and mirroring. turn: 0 … 7."""
    patch = torch.rot90(patch, turn % 4)
    return patch.flip(1) if turn >= 4 else patch

"""Training data of the networks: crops of the carried training photographs at three sizes, with holes, in a bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor

from ch07_applications.reconstruction.hidden_crops import SIDE, Picture, reduce_to
from ch07_applications.reconstruction.holes import draw_holes
from ch07_applications.reconstruction.smooth_fills import SmoothFill
from common.data.photo_pack import photographs
from common.run import Run

SHARES = (1.0, 0.75, 0.5)  # of a training photograph's size
PER_HOLE = 6  # crops that share a hole, so that their equations are solved at once


def learned_images(run: Run) -> list[Picture]:
    """The training photographs without the held-out ones."""
    learned = [each.image for k, each in enumerate(photographs().train) if k % 4 != 3]
    return learned[: run.pick(smoke=2, lecture=None)]


@dataclass(frozen=True, eq=False)
class TrainingCrops:
    """A bank of crops, each with a hole and its harmonic and biharmonic fills, from which common.train draws batches.

    A batch is rotated, mirrored, and its colours permuted. A network's inputs are the crop with hidden pixels at 0,
    both fills, and `known`, 1 where a pixel is not hidden; the target is the crop. Values are from 0 to 1.
    """

    crops: UInt8[Tensor, "n 3 side side"]
    fills: Float[Tensor, "n 6 side side"]
    known: Bool[Tensor, "n 1 side side"]

    def __len__(self) -> int:
        return len(self.crops)

    @classmethod
    def of(cls, images: Sequence[Picture], count: int, seed: int, side: int = SIDE) -> TrainingCrops:
        """About `count` random crops of the images, at three sizes; PER_HOLE of them share a hole."""
        rng = np.random.default_rng([seed, 7])
        sizes = [[(round(share * n) for n in image.shape[:2]) for share in SHARES] for image in images]
        pyramid = [reduce_to(image, tuple(size)) for image, own in zip(images, sizes, strict=True) for size in own]
        holes, crops, fills = draw_holes(-(-count // PER_HOLE), (side, side), rng), [], []
        for hole in holes:
            own = []
            for place in rng.integers(len(pyramid), size=PER_HOLE):
                y, x = (int(rng.integers(0, length - side + 1)) for length in pyramid[place].shape[:2])
                own.append(pyramid[place][y : y + side, x : x + side])
            crops.append(np.stack(own))
            both = [SmoothFill(hole, order).fill(crops[-1]) for order in (1, 2)]
            fills.append(np.concatenate(both, axis=3).astype(np.float16))
        both = (torch.from_numpy(np.concatenate(each)).permute(0, 3, 1, 2) for each in (crops, fills))
        known = torch.from_numpy(~holes.repeat(PER_HOLE, axis=0))[:, None]
        return cls(*both, known)

    def first(self, count: int) -> TrainingCrops:
        """The first crops of the bank."""
        return TrainingCrops(self.crops[:count], self.fills[:count], self.known[:count])

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple:
        """Inputs (known pixels, fills, known) and target, rotated and mirrored in the same way."""
        order = torch.randperm(3, generator=generator)
        turns, mirror = (int(torch.randint(n, (1,), generator=generator)) for n in (4, 2))
        parts = [
            self.crops[index][:, order].float() / 255,
            self.fills[index][:, torch.cat([order, order + 3])].float() / 255,
        ]
        parts.append(self.known[index].float())
        crops, fills, known = (each.rot90(turns, (2, 3)) for each in parts)
        if mirror:
            crops, fills, known = (each.flip(3) for each in (crops, fills, known))
        inputs = torch.cat([crops * known, fills, known], dim=1)
        return inputs, crops, known


def inputs_of(
    pictures: UInt8[np.ndarray, "n height width 3"],
    fills: Float[np.ndarray, "n height width 6"],
    holes: Bool[np.ndarray, "n height width"],
) -> Float32[Tensor, "n 10 height width"]:
    """A network's inputs: the pictures, 0 where they are hidden; their fills; 1 where they are known.

    fills: in grey levels, like the pictures. The returned values are from 0 to 1.
    """
    known = ~holes[..., None]
    stacked = np.concatenate([pictures / 255 * known, fills / 255, known], axis=3).astype(np.float32)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous()

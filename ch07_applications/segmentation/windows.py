"""Training windows: random parts of an image and of its label map, enlarged, mirrored, in other light.

One sampling grid warps an image and its labels. The image is interpolated; a label is copied from the nearest pixel,
because the mean of two class numbers would be a third class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from common.augment import in_other_light
from common.image_classifier import Pixels

Images = Float[Tensor, "n 3 height width"]
Labels = UInt8[Tensor, "n height width"]


@dataclass(frozen=True)
class Windows:
    """Random windows of images and their labels, as common.train.Batches.

    pixels: the images' standardisation. size: height and width of a window in pixels. shares: the smallest and the
    largest share of the image's sides that a window spans; it is enlarged or reduced to `size`. light: the limit
    of in_other_light.
    """

    images: UInt8[np.ndarray, "n height width 3"]
    labels: UInt8[np.ndarray, "n height width"]
    pixels: Pixels
    size: tuple[int, int]
    shares: tuple[float, float] = (1.0, 1.0)
    light: float = 0.0

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One window of each of these images, and its labels."""
        images, labels = self.pixels(self.images[index.numpy()]), torch.from_numpy(self.labels[index.numpy()])
        images, labels = sample(images, labels, self.grid(len(index), generator))
        return in_other_light(images, self.light, generator), labels

    def grid(self, n: int, generator: torch.Generator) -> Float[Tensor, "n rows columns 2"]:
        """The source place of each pixel of n windows; [-1, 1] spans the image. Shares are drawn on a log scale."""
        low, high = self.shares
        share = low * (high / low) ** torch.rand(n, generator=generator)
        right, down = (2 * torch.rand((2, n), generator=generator) - 1) * (1 - share)
        mirrored = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
        nothing = torch.zeros(n)
        rows = torch.stack([share * mirrored, nothing, right], 1), torch.stack([nothing, share, down], 1)
        return functional.affine_grid(torch.stack(rows, 1), [n, 3, *self.size], align_corners=False)


def sample(
    images: Images, labels: Labels, grid: Float[Tensor, "n rows columns 2"]
) -> tuple[Float[Tensor, "n 3 rows columns"], Int64[Tensor, "n rows columns"]]:
    """Images at the grid's places by bilinear interpolation, and labels by the nearest pixel."""
    kept = {"padding_mode": "border", "align_corners": False}
    moved = functional.grid_sample(images, grid, **kept).contiguous(memory_format=torch.channels_last)
    near = functional.grid_sample(labels[:, None].float(), grid, mode="nearest", **kept)
    return moved, near[:, 0].long()

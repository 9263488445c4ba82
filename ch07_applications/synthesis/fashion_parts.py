"""Fashion-MNIST for generators: parts for training, for choosing settings, and for scoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor
from torch.nn import functional

from common import data
from common.data import Images
from common.run import Run

FASHION = "Fashion-MNIST"
SIDE, BORDER = 32, 2  # pixels: a power of two, of the 28 pixels and a black border
Grey = UInt8[np.ndarray, "n height width"]
Pixels = Float[Tensor, "n 1 _ _"]  # from -1, black, to 1


@dataclass(frozen=True, eq=False)
class FashionParts:
    """train; validation, for choosing settings; test, scored once. classes: names of the labels."""

    train: Images
    validation: Images
    test: Images
    classes: tuple[str, ...]

    @property
    def samples(self) -> int:
        """The number of samples, which equals that of the test images they are compared with."""
        return len(self.test)


def fashion_parts(run: Run) -> FashionParts:
    """Four fifths of the training images at this run's preset, the last fifth, and the test images."""
    images = data.fashion_mnist(run.scale)
    kept = len(images.train) * 4 // 5
    return FashionParts(
        images.train.take(slice(kept)), images.train.take(slice(kept, None)), images.test, tuple(images.classes)
    )


def pixels_of(images: Shaped[np.ndarray, "..."]) -> Pixels:
    """Convert images for a network: from -1 to 1, like tanh, and 32 × 32 pixels. Raises ValueError for others."""
    if images.ndim != 3 or images.shape[1:] != (SIDE - 2 * BORDER,) * 2 or images.dtype != np.uint8:
        raise ValueError(f"images are (n, 28, 28) of uint8, not {images.shape} of {images.dtype}")
    return functional.pad(torch.tensor(images).float()[:, None] / 127.5 - 1, (BORDER,) * 4, value=-1.0)


def images_of(pixels: Pixels) -> Grey:
    """The inverse of pixels_of: without the border, rounded to 256 levels."""
    inner = pixels[:, 0, BORDER:-BORDER, BORDER:-BORDER]
    return ((inner.float().clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy().copy()


@dataclass
class NoisyImages:
    """Images with noise for the generator, as common.train.Batches: a batch is (noise, real images).

    pixels: real images. latent: noise dimensions per image, uniform from -1 to 1 as in the paper.
    """

    pixels: Pixels
    latent: int

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return uniform_noise(len(index), self.latent, generator), self.pixels[index]


def uniform_noise(n: int, latent: int, generator: torch.Generator) -> Float[Tensor, "n latent"]:
    """The noise z, uniform from -1 to 1."""
    return 2 * torch.rand(n, latent, generator=generator) - 1

"""Photographs as lightness, the input of a method, and chroma, its target.

CIE Lab separates the two: L from 0 (black) to 100 (white), a from green to red, b from blue to yellow, in units in
which a distance of about 2 is just visible. Grey has a = b = 0. Chroma varies slowly, and eyes resolve it coarsely, so
every method predicts it at half the resolution, and it is upsampled bilinearly.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor
from torch.nn import functional

from common import data
from common.data import Images
from common.data.parts import read_only
from common.run import Run

Pictures = UInt8[np.ndarray, "n height width 3"]
Lightness = Float[np.ndarray, "n height width"]
Chroma = Float[np.ndarray, "n _ _ 2"]


@dataclass(frozen=True, eq=False)
class LabPictures:
    """Pictures of one size: a part (common.data.parts.Part) whose answers are colours. All arrays are read-only.

    images: in RGB. lightness: L, 0 … 100. chroma: a and b. labels: classes. groups: of pictures that depend on
    each other, None if all are independent.
    """

    images: Pictures
    lightness: Lightness
    chroma: Chroma
    labels: Int64[np.ndarray, "n"]
    ids: Int64[np.ndarray, "n"]
    groups: Int64[np.ndarray, "n"] | None = None

    @classmethod
    def of(cls, part: Images) -> LabPictures:
        """Convert labelled colour images. Raises ValueError for grey ones."""
        lightness, chroma = lab_of(part.images)
        return cls(part.images, read_only(lightness), read_only(chroma), part.labels, part.ids, part.groups)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def inputs(self) -> Lightness:
        """The input of a method: lightness."""
        return self.lightness

    @property
    def answers(self) -> Chroma:
        """The target of a method: chroma."""
        return self.chroma

    def take(self, which: slice) -> LabPictures:
        """Some of the pictures."""
        arrays = ("images", "lightness", "chroma", "labels", "ids")
        groups = None if self.groups is None else self.groups[which]
        return replace(self, **{name: getattr(self, name)[which] for name in arrays}, groups=groups)


def lab_of(images: Shaped[np.ndarray, "n height width *channels"]) -> tuple[Lightness, Chroma]:
    """L and (a, b) of RGB images. Raises ValueError for images of another shape or type."""
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise ValueError(f"images are (n, H, W, 3) of uint8, not {images.shape} of {images.dtype}")
    lab = rgb2lab(images).astype(np.float32)
    return lab[..., 0], lab[..., 1:]


def rgb_of(lightness: Lightness, chroma: Chroma) -> Pictures:
    """The inverse of lab_of. Colours outside sRGB's gamut are clipped, which can change lightness."""
    lab = np.concatenate([lightness[..., None], chroma], axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about colours outside the gamut, which are clipped
        flat = lab2rgb(lab.reshape(1, -1, 3).astype(np.float64))
    return np.rint(255 * flat).astype(np.uint8).reshape(lab.shape)


def halved(chroma: Chroma) -> Chroma:
    """Chroma at half the resolution: means of 2 × 2 pixels. Raises ValueError for odd sides."""
    n, height, width, _ = chroma.shape
    if height % 2 or width % 2:
        raise ValueError(f"{height} × {width} pixels have no half: both sides must be even")
    return chroma.reshape(n, height // 2, 2, width // 2, 2, 2).mean(axis=(2, 4))


def doubled(chroma: Float[np.ndarray, "n _ _ 2"] | Float[Tensor, "n 2 _ _"]) -> Chroma:
    """Chroma at twice the resolution, bilinearly: a network's output, or another method's at half the resolution."""
    maps = chroma if isinstance(chroma, Tensor) else torch.tensor(chroma).permute(0, 3, 1, 2)
    large = functional.interpolate(maps.float(), scale_factor=2, mode="bilinear")
    return large.permute(0, 2, 3, 1).contiguous().numpy()


def at_size(lightness: Lightness, size: tuple[int, int]) -> Float[np.ndarray, "n _ _"]:
    """Pictures resized to the size on which a descriptor was fitted."""
    if lightness.shape[1:] == size:
        return lightness
    maps = torch.tensor(lightness)[:, None].float()
    return functional.interpolate(maps, size, mode="bilinear", antialias=True)[:, 0].numpy()


@dataclass(frozen=True, eq=False)
class ColourParts:
    """train; validation, for choosing settings; test, scored once. classes: names of the labels."""

    train: LabPictures
    validation: LabPictures
    test: LabPictures
    classes: tuple[str, ...]


def colour_parts(run: Run) -> ColourParts:
    """CIFAR-10 at this run's preset: four fifths of the training images, the last fifth, and the test images."""
    images = data.cifar10(run.scale)
    kept = len(images.train) * 4 // 5
    parts = (images.train.take(slice(kept)), images.train.take(slice(kept, None)), images.test)
    return ColourParts(*(LabPictures.of(part) for part in parts), tuple(images.classes))

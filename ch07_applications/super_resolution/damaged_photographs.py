"""Damaged photographs: reduced, noisy, or with holes, each with the truth, which only scores use.

A photograph's middle square is reduced to a few pixels by averaging, which gives a sharp picture without JPEG blocks.
Then it is damaged in a known way: by Lanczos's filter and factor, by Gaussian noise, or by hidden rectangles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from skimage.metrics import peak_signal_noise_ratio
from skimage.transform import resize_local_mean
from torch import Tensor

from ch07_applications.super_resolution.lanczos import Downsampler
from common.data.photo_pack import Photograph, photographs
from common.metrics.super_resolution import psnr

SIGMA = 25.0  # of the noise, in grey levels: the paper's
HOLES = 8  # rectangles, whose sides are a twelfth to a fifth of the picture's
Picture = UInt8[np.ndarray, "_ _ 3"]
AnyPicture = UInt8[np.ndarray, "..."]  # whose shape is not yet checked
Pixels = Float[Tensor, "1 3 _ _"]


def pixels_of(picture: AnyPicture) -> Pixels:
    """A picture as numbers in 0 … 1. Raises ValueError for one without three colours."""
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"a picture is (H, W, 3), not {picture.shape}")
    return torch.tensor(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255


def picture_of(pixels: Pixels) -> Picture:
    """The inverse of pixels_of: clipped to 0 … 1 and rounded to 256 levels."""
    return (255 * pixels[0].clamp(0, 1)).round().byte().permute(1, 2, 0).cpu().numpy().copy()


@dataclass(frozen=True, eq=False)
class Observation:
    """An observation of a picture x: x₀ = A x.

    seen: x₀. factor: by which A reduces. known: False at hidden pixels.
    """

    seen: Picture
    factor: int = 1
    known: Bool[np.ndarray, "_ _"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of x."""
        return self.seen.shape[0] * self.factor, self.seen.shape[1] * self.factor

    @property
    def downsampler(self) -> Downsampler:
        """D, which reduced x to `seen`."""
        return Downsampler(*self.size, self.factor)


@dataclass(frozen=True, eq=False)
class Damaged:
    """An observation, and the true picture."""

    truth: Picture
    observation: Observation

    def score(self, estimate: Picture) -> float:
        """PSNR in dB. For reduced pictures on luma with a border cropped, as is usual for super-resolution; for
        pictures with holes within these, in all colours; otherwise over all pixels in all colours.
        """
        observation = self.observation
        if observation.factor > 1:
            return psnr(self.truth, estimate, observation.factor)
        where = np.s_[:] if observation.known is None else ~observation.known
        return float(peak_signal_noise_ratio(self.truth[where], estimate[where], data_range=255))


def reduce(picture: AnyPicture, factor: int) -> Damaged:
    """Apply Lanczos's filter and reduce. Raises ValueError for a factor < 1, or if it does not divide both sides."""
    downsampler = Downsampler(*picture.shape[:2], factor)
    return Damaged(picture, Observation(picture_of(downsampler(pixels_of(picture))), factor))


def add_noise(picture: AnyPicture, seed: int) -> Damaged:
    """Add independent Gaussian noise of SIGMA grey levels, rounded and clipped like a picture in a file."""
    noise = np.random.default_rng([seed, 0]).normal(0, SIGMA, picture.shape)
    return Damaged(picture, Observation((picture + noise).round().clip(0, 255).astype(np.uint8)))


def make_holes(picture: AnyPicture, seed: int) -> Damaged:
    """Hide HOLES rectangles, which become black. Raises ValueError for fewer than 24 pixels a side."""
    height, width = picture.shape[:2]
    if min(height, width) < 24:
        raise ValueError(f"a picture of {height} × {width} pixels is too small for holes: it needs 24 × 24")
    rng, known = np.random.default_rng([seed, 1]), np.ones((height, width), bool)
    for _ in range(HOLES):
        sides = [int(rng.integers(length // 12, length // 5 + 1)) for length in (height, width)]
        top, left = (int(rng.integers(0, whole - own + 1)) for whole, own in zip((height, width), sides, strict=True))
        known[top : top + sides[0], left : left + sides[1]] = False
    return Damaged(picture, Observation(picture * known[..., None], known=known))


# --- The photographs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Squares:
    """Photographs as squares of one size: a part (common.data.parts.Part) whose answers are the inputs themselves.

    groups: photographs by one photographer. credits: who made each photograph.
    """

    inputs: UInt8[np.ndarray, "pictures side side 3"]
    groups: Int64[np.ndarray, "pictures"]
    credits: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def answers(self) -> UInt8[np.ndarray, "pictures side side 3"]:
        return self.inputs

    @property
    def ids(self) -> Int64[np.ndarray, "pictures"]:
        return np.arange(len(self))

    def damage(self, how: Callable[[Picture, int], Damaged], seed: int) -> list[Damaged]:
        """Damage every picture with its own seed. how: takes a picture and a seed."""
        return [how(picture, 1000 * seed + place) for place, picture in enumerate(self.inputs)]


def middle_of(picture: AnyPicture, side: int) -> Picture:
    """The middle square, reduced to `side` pixels by averaging. Raises ValueError for a smaller or a grey picture."""
    if picture.ndim != 3 or min(picture.shape[:2]) < side:
        raise ValueError(
            f"a picture of shape {picture.shape} has no square of {side} × {side} pixels and three colours"
        )
    height, width = picture.shape[:2]
    cut = min(height, width)
    top, left = (height - cut) // 2, (width - cut) // 2
    square = resize_local_mean(picture[top : top + cut, left : left + cut].astype(float), (side, side), channel_axis=2)
    return square.round().clip(0, 255).astype(np.uint8)


def squares(pictures: Sequence[Photograph], side: int) -> Squares:
    """The middle squares of these photographs."""
    _, groups = np.unique([picture.author for picture in pictures], return_inverse=True)
    inputs = np.stack([middle_of(picture.image, side) for picture in pictures])
    return Squares(inputs, groups.astype(np.int64), tuple(picture.credit for picture in pictures))


def judged_squares(side: int, which: Sequence[int] = range(7)) -> Squares:
    """The test photographs, on which nothing is chosen. which: their indices."""
    return squares([photographs().test[place] for place in which], side)


def choosing_squares(side: int, most: int | None = None) -> Squares:
    """Training photographs in colour, on which settings are chosen."""
    coloured = [each for each in photographs().train if np.ptp(each.image, axis=2).any()]
    return squares(coloured[:most], side)

"""Translations without a network that need no pairs either: by grey levels, by patches, and by smoothing.

Transport  One increasing map of grey levels transforms one domain's distribution into the other's: F⁻¹ ∘ F of their
           cumulative distributions. It is the cheapest of all maps that do so (optimal transport in one dimension).
           There is one map for all images, or one per image.
Otsu       Two thresholds per image minimise the variance within three classes (Otsu 1979): ground, dark stripe, bright
           stripe. The darker cloth is made as bright as the brighter.
CORAL      Sun, Feng & Saenko 2016: patches are whitened, and coloured with the other domain's covariance,
           (z − μ) C^−½ C'^½ + μ'. Overlapping patches are averaged.
Smoothing  A Gaussian, a median, or a closing (the darkest of neighbourhoods' brightest), and then the transport of grey
           levels, because smoothing changes them. The filter and its width are chosen by the distance to the partners
           of validation images. Networks' settings were chosen on the same pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy import ndimage
from skimage.filters import threshold_multiotsu
from torch.nn.functional import fold, unfold

from ch07_applications.synthesis.sample_judge import square_root

TRANSPORT, PER_IMAGE, OTSU = "transport of grey levels", "transport per image", "Otsu per image"
CORAL, SMOOTHING = "CORAL on patches", "smoothing"
SIDES = (1, 3, 5)  # of patches, in pixels
RIDGE = 4.0  # variance that is added to every direction, in squared grey levels
Grey = UInt8[np.ndarray, "_ _ _"]


@runtime_checkable
class Rival(Protocol):
    """Fits to images of both domains, in any order; translates images from the first to the second."""

    def fit(self, source: Grey, target: Grey) -> Rival: ...

    def transform(self, images: Grey) -> Grey: ...


def rounded(images: Float[np.ndarray, "n height width"]) -> UInt8[np.ndarray, "n height width"]:
    """Round to 256 levels."""
    return np.rint(np.clip(images, 0, 255)).astype(np.uint8)


def levels_between(source: Grey, target: Grey) -> Float[np.ndarray, "256"]:
    """For each grey level of one set of images, that of the same rank in the other; linear between ranks."""
    shares = [np.bincount(images.ravel(), minlength=256).cumsum() / images.size for images in (source, target)]
    occurring = np.unique(target)
    return np.interp(shares[0], shares[1][occurring], occurring.astype(float))


@dataclass
class Transport:
    """One map of grey levels for all images."""

    def fit(self, source: Grey, target: Grey) -> Transport:
        self.levels_ = levels_between(source, target)
        return self

    def transform(self, images: Grey) -> Grey:
        return rounded(self.levels_[images])


@dataclass
class TransportPerImage:
    """A map per image, which gives it the grey levels of the whole other domain."""

    def fit(self, source: Grey, target: Grey) -> TransportPerImage:
        self.target_ = target
        return self

    def transform(self, images: Grey) -> Grey:
        counts = np.bincount(self.target_.ravel(), minlength=256).cumsum() / self.target_.size
        occurring = np.unique(self.target_)
        shares = [np.bincount(image.ravel(), minlength=256).cumsum() / image.size for image in images]
        maps = [np.interp(share, counts[occurring], occurring.astype(float)) for share in shares]
        return rounded(np.stack([levels[image] for levels, image in zip(maps, images, strict=True)]))


@dataclass
class OtsuLevels:
    """The darker of an image's two tones of cloth becomes as bright, on average, as the brighter one."""

    def fit(self, source: Grey, target: Grey) -> OtsuLevels:
        return self

    def transform(self, images: Grey) -> Grey:
        return np.stack([self._lift(image) for image in images])

    @staticmethod
    def _lift(image: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
        """Brighten one image; with fewer than three tones it stays unchanged."""
        if len(np.unique(image)) < 3:
            return image
        low, high = threshold_multiotsu(image, 3)
        dark = (image > low) & (image <= high)
        if not dark.any():
            return image
        lifted = image * np.where(dark, image[image > high].mean() / image[dark].mean(), 1.0)
        return rounded(lifted[None])[0]


@dataclass
class Coral:
    """Whitening and colouring of patches of `side` × `side` pixels."""

    side: int = 3

    @property
    def setting(self) -> str:
        return f"patches of {self.side} × {self.side} pixels"

    def fit(self, source: Grey, target: Grey) -> Coral:
        (self.mean_, covariance), (self.target_mean_, other) = (self._moments(images) for images in (source, target))
        self.map_ = np.linalg.inv(square_root(covariance)) @ square_root(other)
        return self

    def map_patches(self, patches: Float[np.ndarray, "n pixels"]) -> Float[np.ndarray, "n pixels"]:
        return (patches - self.mean_) @ self.map_ + self.target_mean_

    def transform(self, images: Grey) -> Grey:
        rows = self._patches(images)
        mapped = self.map_patches(rows.reshape(-1, rows.shape[2]).astype(np.float64)).reshape(rows.shape)
        columns = torch.tensor(mapped).transpose(1, 2)
        added, ones = (
            fold(each, images.shape[1:], self.side, padding=self.side // 2)
            for each in (columns, torch.ones_like(columns))
        )
        return rounded((added / ones)[:, 0].numpy())

    def _patches(self, images: Grey) -> Float[np.ndarray, "n places pixels"]:
        """A patch around every pixel; beyond the edge all is black."""
        pixels = torch.tensor(images)[:, None].float()
        return unfold(pixels, self.side, padding=self.side // 2).transpose(1, 2).numpy()

    def _moments(self, images: Grey) -> tuple[Float[np.ndarray, "pixels"], Float[np.ndarray, "pixels pixels"]]:
        rows = self._patches(images)
        rows = rows.reshape(-1, rows.shape[2]).astype(np.float64)
        return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False)) + RIDGE * np.eye(rows.shape[1])


@dataclass
class Smoothing:
    """A filter, and then the transport of grey levels. width: of the filter, in pixels."""

    smooth: Callable[[Grey, float], Grey]
    width: float

    @property
    def setting(self) -> str:
        return f"{self.smooth.__name__} of {self.width} pixels"

    def fit(self, source: Grey, target: Grey) -> Smoothing:
        self.transport_ = Transport().fit(self.smooth(source, self.width), target)
        return self

    def transform(self, images: Grey) -> Grey:
        return self.transport_.transform(self.smooth(images, self.width))


def blur(images: Grey, width: float) -> Grey:
    """Blur by a Gaussian with a deviation of `width` pixels."""
    return rounded(ndimage.gaussian_filter(images.astype(np.float64), (0, width, width)))


def take_median(images: Grey, width: int) -> Grey:
    """The median of windows of width × width pixels."""
    return ndimage.median_filter(images, (1, width, width))


def close_gaps(images: Grey, width: int) -> Grey:
    """Close dark gaps that are narrower than `width` pixels."""
    return ndimage.grey_closing(images, (1, width, width))


def rivals() -> dict[str, list[Rival]]:
    """The rivals by name, each with all candidate settings."""
    widths = {blur: (0.5, 0.75, 1.0, 1.5), take_median: (3, 5), close_gaps: (2, 3, 5)}
    smoothings = [Smoothing(smooth, width) for smooth, tried in widths.items() for width in tried]
    return {
        TRANSPORT: [Transport()], PER_IMAGE: [TransportPerImage()], OTSU: [OtsuLevels()],
        CORAL: [Coral(side) for side in SIDES], SMOOTHING: smoothings,
    }  # fmt: skip

"""The perceptual distance of two pictures in a network that was not trained on it, and their radial spectra.

Distance   After Zhang et al. 2018 (LPIPS), without weights learned from people's judgments: the activations of every
           place are divided by their length, and the squared distance of the two is averaged over places and layers.
           The mean squared error of pixels, and so PSNR, prefers a blurred edge to a sharp one that is a pixel off;
           activations of a network that recognises objects do not.
Spectrum   The power of each spatial frequency, averaged over all directions. The mean of all sharp pictures that fit
           the low resolution lacks power above the low resolution's frequencies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor, nn

from common.data.weights import imagenet_inputs

LAYERS = (1, 4, 7, 9, 10, 11, 12)  # LPIPS's indices in SqueezeNet's stack: the first rectifier and fire modules
DISTANCE = "perceptual distance"
ROUNDING = 1 / 12  # the power of rounding to grey levels: smaller powers cannot be represented
Picture = UInt8[np.ndarray, "..."]  # (H, W) or (H, W, 3)


class Judge:
    """Distances in a network, SqueezeNet unchanged. layers: indices in its stack."""

    def __init__(self, network: nn.Module, layers: Sequence[int] = LAYERS) -> None:
        self.stack, self.layers = network.features.eval(), tuple(layers)

    @classmethod
    def of(cls, network: nn.Module | None) -> Judge | None:
        """A judge if there is a network, else None."""
        return None if network is None else cls(network)

    def activations(self, picture: Picture) -> list[Float[Tensor, "channels places"]]:
        """The activations of the used layers, divided by their length at each place; zero where nothing responds."""
        colour = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
        x, found = imagenet_inputs(np.ascontiguousarray(colour)[None]), []
        with torch.inference_mode():
            for place, layer in enumerate(self.stack[: max(self.layers) + 1]):
                x = layer(x)
                if place in self.layers:
                    maps = x[0].flatten(1).clone()  # the next rectifier may write over it
                    found.append(maps / maps.norm(dim=0).clamp(min=1e-10))
        return found

    def distance(self, picture: Picture, truth: Picture) -> float:
        """The distance of a picture: 0 for the truth itself, at most 2. Raises ValueError if sizes differ."""
        if picture.shape != truth.shape:
            raise ValueError(f"the truth is {truth.shape}, but the picture {picture.shape}")
        both = zip(self.activations(picture), self.activations(truth), strict=True)
        return float(np.mean([float((a - b).square().sum(dim=0).mean()) for a, b in both]))

    def distances(self, pictures: Sequence[Picture], truths: Sequence[Picture]) -> Float64[np.ndarray, "pictures"]:
        """The distance of each picture from its truth."""
        return np.array([self.distance(*both) for both in zip(pictures, truths, strict=True)])


def radial_power(picture: Float[np.ndarray, "height width"], bins: int = 32) -> Float64[np.ndarray, "bins"]:
    """The mean power of frequencies from 0 to 1/2 cycle per pixel, in rings of equal width around 0.

    The mean is subtracted and a Hann window applied first; otherwise the picture's borders, which do not match each
    other, would count as edges. White noise of variance 1 has a power of about 1 everywhere. Rings without any
    frequency, in pictures of less than 2 · bins pixels per side, have the power 0.
    """
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in picture.shape))
    power = np.abs(np.fft.fft2((picture - picture.mean()) * window)) ** 2 / np.square(window).sum()
    radius = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, picture.shape), indexing="ij"))
    ring = np.minimum((radius * 2 * bins).astype(int), bins)  # beyond 1/2, in the corners: the last ring, dropped
    sums, counts = (np.bincount(ring.ravel(), each, bins + 1)[:bins] for each in (power.ravel(), None))
    return sums / np.maximum(counts, 1)


def upper_power(picture: Float[np.ndarray, "height width"], factor: int) -> float:
    """The mean power, in dB, of frequencies that a reduction by the factor removes: 1/(2 · factor) … 1/2.

    A picture of one colour has −10.8 dB, the power of rounding to grey levels.
    """
    power = radial_power(picture)
    return float(10 * np.log10(power[len(power) // factor :].mean() + ROUNDING))


def spectral_distance(
    picture: Float[np.ndarray, "height width"], truth: Float[np.ndarray, "height width"], factor: int
) -> float:
    """The mean difference of the two radial spectra, in absolute dB, over the lost frequencies."""
    ours, theirs = (10 * np.log10(radial_power(each) + ROUNDING) for each in (picture, truth))
    return float(np.abs(ours - theirs)[len(ours) // factor :].mean())

"""Colours without a network: nearest neighbours, ridge and trees on descriptions of grey pixels.

Method     Welsh, Ashikhmin & Mueller 2002 give a pixel the colour of the reference pixel with the nearest luminance and
           standard deviation around it. Here the references are pixels of all training pictures, and a pixel is
           described by more: the 7 × 7 pixels around it, their standard deviation, the picture as a thumbnail, and the
           place in it. The same description goes to a ridge regression and to extremely randomised trees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import RegressorMixin
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from ch07_applications.colour.ab_bins import nearest_bin
from ch07_applications.colour.lab_pictures import Chroma, Lightness, doubled, halved

AROUND = 7  # pixels of half the resolution, along a side
THUMBNAIL = 8  # pixels, along a side
WEIGHTS = (1.0, 2.0, 0.5, 60.0)  # of neighbourhood, deviation, thumbnail and place in distances; chosen on validation
PIXELS = 30_000  # training pixels of the rivals
Features = Float[np.ndarray, "pixels features"]


def describe(lightness: Lightness) -> Features:
    """A row per pixel at half the resolution, picture by picture. Raises ValueError for too small or odd pictures."""
    n, height, width = lightness.shape
    if height % THUMBNAIL or width % THUMBNAIL or min(height, width) < 2 * THUMBNAIL:
        raise ValueError(f"sides must be multiples of {THUMBNAIL}, from {2 * THUMBNAIL}; got {height} × {width}")
    half = lightness.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    margin = AROUND // 2
    padded = np.pad(half, ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, (AROUND, AROUND), axis=(1, 2))
    around = around.reshape(*half.shape, AROUND**2)
    cells = lightness.reshape(n, THUMBNAIL, height // THUMBNAIL, THUMBNAIL, width // THUMBNAIL)
    thumbnail = np.broadcast_to(cells.mean(axis=(2, 4)).reshape(n, 1, 1, -1), (*half.shape, THUMBNAIL**2))
    place = np.stack(np.meshgrid(*(np.linspace(0, 1, side) for side in half.shape[1:]), indexing="ij"), axis=-1)
    place = np.broadcast_to(place, (*half.shape, 2))
    groups = (around, around.std(axis=-1, keepdims=True), thumbnail, place)
    weighted = [weight * group for weight, group in zip(WEIGHTS, groups, strict=True)]
    return np.concatenate(weighted, axis=-1).reshape(half.size, -1).astype(np.float32)


@dataclass
class PixelColouriser:
    """A regressor of (a, b) from the description of a pixel, as an estimator of whole pictures.

    describe: computes the rows. weights: of the chroma bins; training pixels are drawn in proportion to them, or
    uniformly without. seed: of that draw.
    """

    regressor: RegressorMixin
    describe: Callable[[Lightness], Features] = describe
    weights: Float[np.ndarray, "bins"] | None = None
    pixels: int = PIXELS
    seed: int = 0

    def fit(self, lightness: Lightness, chroma: Chroma) -> PixelColouriser:
        """Fit to pixels of the pictures, drawn with replacement."""
        colours, rows = halved(chroma).reshape(-1, 2), self.describe(lightness)
        share = None if self.weights is None else self.weights[nearest_bin(colours)]
        share = share if share is None else share / share.sum()
        drawn = np.random.default_rng(self.seed).choice(len(rows), self.pixels, p=share)
        self.regressor.fit(rows[drawn], colours[drawn])
        return self

    def predict(self, lightness: Lightness) -> Chroma:
        """The chroma of every pixel."""
        n, height, width = lightness.shape
        return doubled(self.regressor.predict(self.describe(lightness)).reshape(n, height // 2, width // 2, 2))


def neighbours() -> KNeighborsRegressor:
    """The mean colour of the five nearest training pixels; five: chosen on validation among 1, 5 and 20."""
    return KNeighborsRegressor(5, algorithm="brute")


def trees(seed: int) -> ExtraTreesRegressor:
    """Extremely randomised trees; better than a random forest on validation, and three times as fast."""
    return ExtraTreesRegressor(50, max_features=0.3, min_samples_leaf=5, n_jobs=-1, random_state=seed)


def rivals(seed: int, pixels: int = PIXELS) -> dict[str, Any]:
    """The unfitted rivals by name."""
    regressors = {"nearest neighbours": neighbours(), "ridge": Ridge(10.0), "trees": trees(seed)}
    return {name: PixelColouriser(each, pixels=pixels, seed=seed) for name, each in regressors.items()}

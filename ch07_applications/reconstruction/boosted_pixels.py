"""Boosted trees that predict a pixel from those before it: the rival without a network.

Method     One classifier for all pixels (gradient boosting on histograms; Friedman 2001, Ke et al. 2017). Its features
           are the causal neighbourhood, the receptive field of a masked 11 × 11 filter, and the pixel's row and
           column. The product of its probabilities over an image is a probability of the image, because each depends
           on earlier pixels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier

from ch07_applications.reconstruction.binarised_digits import Greys, check_binary, draw

REACH = 5  # pixels to the left, to the right and above
OUTSIDE = 2  # the value of a pixel beyond the border: neither 0 nor 1

Binary = UInt8[np.ndarray, "images height width"]


def causal_offsets(reach: int = REACH) -> Int64[np.ndarray, "neighbours 2"]:
    """(rows, columns) from a pixel to its causal neighbours: all above within reach, and those on its left."""
    span = range(-reach, reach + 1)
    return np.array([(y, x) for y in range(-reach, 1) for x in span if (y, x) < (0, 0)], np.int64).reshape(-1, 2)


def features(
    images: Binary, places: Int64[np.ndarray, "pixels 3"], offsets: Int64[np.ndarray, "neighbours 2"]
) -> UInt8[np.ndarray, "pixels features"]:
    """The causal neighbours of pixels (image, row, column), and their row and column."""
    reach = max(1, int(np.abs(offsets).max(initial=0)))
    wide = np.pad(images, ((0, 0), (reach, 0), (reach, reach)), constant_values=OUTSIDE)
    image, row, column = places.T
    seen = wide[image[:, None], row[:, None] + offsets[:, 0] + reach, column[:, None] + offsets[:, 1] + reach]
    return np.column_stack([seen, row, column]).astype(np.uint8)


def every_place(images: Binary) -> Int64[np.ndarray, "pixels 3"]:
    """(image, row, column) of all pixels, image by image in reading order."""
    return np.stack(np.unravel_index(np.arange(images.size), images.shape), axis=1).astype(np.int64)


@dataclass
class BoostedPixels(BaseEstimator):
    """pixels: number of training pixels. trees: their maximum. leaves: the most per tree. rate: the step per tree."""

    pixels: int = 300_000
    trees: int = 300
    leaves: int = 31
    rate: float = 0.1
    reach: int = REACH
    seed: int = 0

    def fit(self, greys: Greys, answers: object = None) -> BoostedPixels:
        """Fit to pixels of one binarisation of the digits."""
        rng = np.random.default_rng(self.seed)
        images, offsets = draw(greys, rng), causal_offsets(self.reach)
        chosen = rng.choice(images.size, min(self.pixels, images.size), replace=False)
        places = np.stack(np.unravel_index(chosen, images.shape), axis=1).astype(np.int64)
        self.model_ = HistGradientBoostingClassifier(
            max_iter=self.trees, max_leaf_nodes=self.leaves, learning_rate=self.rate, early_stopping=False,
            min_samples_leaf=min(20, max(1, len(places) // 10)), random_state=self.seed,
        )  # fmt: skip
        self.model_.fit(features(images, places, offsets), images[tuple(places.T)])
        return self

    def probabilities(
        self, images: Binary, places: Int64[np.ndarray, "pixels 3"] | None = None
    ) -> Float[np.ndarray, "pixels"]:
        """The probability of 1 for each pixel at these places (default: all), given the pixels before it."""
        places = every_place(images) if places is None else places
        return self.model_.predict_proba(features(images, places, causal_offsets(self.reach)))[:, 1]

    def pixel_nats(self, images: Binary) -> Float[np.ndarray, "images height width"]:
        """−log p of every pixel given those before it. Raises ValueError for pixels other than 0 and 1."""
        check_binary(images)
        ones = self.probabilities(images).reshape(images.shape)
        return -np.log(np.where(images == 1, ones, 1 - ones).clip(1e-12))

    def sample(self, images: Binary, rng: np.random.Generator, given_rows: int = 0) -> Binary:
        """Images with the given first rows; every other pixel is drawn after its neighbours.

        A pixel's neighbours reach no further than `reach` to the right in the rows above it. So pixels with the same
        (reach + 1) · row + column do not depend on each other, and are drawn at the same time.
        """
        images, uniform, slope = images.copy(), rng.random(images.shape), self.reach + 1
        images[:, given_rows:] = 0
        rows, columns = (each.ravel() for each in np.indices(images.shape[1:])[:, given_rows:])
        turns = slope * rows + columns
        for turn in np.unique(turns):
            row, column = rows[turns == turn], columns[turns == turn]
            image = np.repeat(np.arange(len(images)), len(row))
            places = np.column_stack([image, np.tile(row, len(images)), np.tile(column, len(images))]).astype(np.int64)
            images[tuple(places.T)] = uniform[tuple(places.T)] < self.probabilities(images, places)
        return images

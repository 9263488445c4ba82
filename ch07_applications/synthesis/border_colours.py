"""The rival of translations to grey digits: how far each pixel's colour is from the colours at the image's border.

It learns nothing, from pairs or otherwise. A digit does not reach the border, whose pixels show only the ground.

Distance   To the border's mean colour, μ; or Mahalanobis's, √((y − μ)ᵀ (C + r I)⁻¹ (y − μ)), where C is the covariance
           of the border's colours: the more the ground varies in a direction, the less a difference in it counts; or
           to the nearest of the border's colours.
Levels     Otsu's threshold per image (1979) divides the distances. Its two sides become black and white; or the means
           of the two sides do, with grey in between, as at the edges of grey digits.
Axis       Or the distances' threshold yields the digit's colour, c, and the grey level is the position of a pixel on
           the way from μ to c: (y − μ)ᵀ M (c − μ) / (c − μ)ᵀ M (c − μ), with M = (C + r I)⁻¹. This is Fisher's linear
           discriminant, and ignores differences in other directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8

WIDTH = 4  # pixels of the border
RIDGE = 25.0  # r, in squared grey levels: two colours closer than 5 are not distinguished
MEAN, MAHALANOBIS, NEAREST = "the mean colour", "Mahalanobis's distance", "the nearest colour"
SHARP, SOFT, AXIS = "two levels", "levels between", "an axis"
CHUNK = 64  # images at a time
Colour = UInt8[np.ndarray, "n height width 3"]
Values = Float[np.ndarray, "n pixels"]


@dataclass(frozen=True)
class BorderColours:
    """Translates coloured digits to grey ones. distance: MEAN, MAHALANOBIS or NEAREST. levels: SHARP, SOFT or AXIS."""

    distance: str = MAHALANOBIS
    levels: str = SOFT

    @property
    def setting(self) -> str:
        return f"{self.distance}, {self.levels}"

    def transform(self, images: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "n height width"]:
        """Raises ValueError for images that are all border, or without three channels of uint8."""
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise ValueError(f"images are (n, height, width, 3) of uint8, not {images.shape} of {images.dtype}")
        if min(images.shape[1:3]) <= 2 * WIDTH:
            raise ValueError(f"images of {images.shape[1:3]} pixels are all border, which is {WIDTH} pixels wide")
        parts = [self._shares(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)]
        shares = np.concatenate(parts) if parts else np.zeros((0, images.shape[1] * images.shape[2]))
        return np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8).reshape(images.shape[:3])

    def _shares(self, images: Colour) -> Values:
        """The share of each pixel that belongs to the digit."""
        colours = images.reshape(len(images), -1, 3).astype(np.float64)
        border = colours[:, border_of(*images.shape[1:3])]
        means, inverses = moments(border)
        away = colours - means[:, None]
        if self.distance == MEAN:
            distances = np.linalg.norm(away, axis=2)
        elif self.distance == MAHALANOBIS:
            distances = np.sqrt(np.einsum("npc,ncd,npd->np", away, inverses, away))
        else:
            distances = nearest(colours, border)
        thresholds = otsu(distances)
        digit = distances > thresholds[:, None]
        if self.levels == SHARP:
            return digit.astype(float)
        if self.levels == AXIS:
            metric = inverses if self.distance == MAHALANOBIS else np.broadcast_to(np.eye(3), inverses.shape)
            towards = np.einsum("ncd,nd->nc", metric, mean_where(away, digit))
            distances = np.einsum("npc,nc->np", away, towards)
        low, high = (mean_where(distances[..., None], side)[:, 0, None] for side in (~digit, digit))
        return (distances - low) / np.maximum(high - low, 1e-9)


def border_of(height: int, width: int) -> Bool[np.ndarray, "pixels"]:
    """True for the pixels of an image, row by row, that lie at its border."""
    inner = np.zeros((height, width), bool)
    inner[WIDTH:-WIDTH, WIDTH:-WIDTH] = True
    return ~inner.ravel()


def moments(
    border: Float[np.ndarray, "n pixels 3"],
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3 3"]]:
    """Each border's mean colour, μ, and (C + r I)⁻¹."""
    means = border.mean(axis=1)
    away = border - means[:, None]
    covariances = np.einsum("npc,npd->ncd", away, away) / border.shape[1]
    return means, np.linalg.inv(covariances + RIDGE * np.eye(3))


def nearest(colours: Float[np.ndarray, "n pixels 3"], border: Float[np.ndarray, "n border 3"]) -> Values:
    """Each pixel's distance to the nearest of its border's colours."""
    squares = (colours**2).sum(axis=2)[:, :, None] + (border**2).sum(axis=2)[:, None, :]
    squares -= 2 * colours @ border.transpose(0, 2, 1)
    return np.sqrt(np.clip(squares.min(axis=2), 0, None))


def otsu(values: Values) -> Float[np.ndarray, "n"]:
    """Each row's threshold with the least variance within the two sides. Otsu 1979, Eq. (18).

    Candidates are the midpoints between successive values. If all values are equal, it is that value.
    """
    ordered = np.sort(values, axis=1)
    below = np.arange(1, values.shape[1])
    sums = np.cumsum(ordered, axis=1)
    low, total = sums[:, :-1], sums[:, -1:]
    above = values.shape[1] - below
    between = below * above * (low / below - (total - low) / above) ** 2  # n² times the variance between the sides
    between = np.where(ordered[:, 1:] > ordered[:, :-1], between, -1.0)  # equal values are not divided
    best, rows = between.argmax(axis=1), np.arange(len(values))
    return (ordered[rows, best] + ordered[rows, best + 1]) / 2


def mean_where(
    values: Float[np.ndarray, "n pixels k"], chosen: Bool[np.ndarray, "n pixels"]
) -> Float[np.ndarray, "n k"]:
    """The mean of each row's chosen values; 0 if none is chosen."""
    return np.einsum("npk,np->nk", values, chosen) / np.maximum(chosen.sum(axis=1), 1)[:, None]


def options() -> list[BorderColours]:
    """All candidates."""
    axes = [BorderColours(distance, AXIS) for distance in (MEAN, MAHALANOBIS)]
    return [BorderColours(d, levels) for d in (MEAN, MAHALANOBIS, NEAREST) for levels in (SHARP, SOFT)] + axes

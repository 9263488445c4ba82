"""The plane of chroma in bins of 10 × 10: which sRGB can show, which are common, and the one nearest to a colour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from skimage.color import rgb2lab

SIDE = 10  # of a bin, in units of Lab. Zhang et al. 2016, §2.2
LEVELS = 64  # of each primary colour, by which the gamut is sampled: all 256 give the same bins
COMMON = 1e-4  # the share of training pixels that makes a bin common


@cache
def centres() -> Float[np.ndarray, "bins 2"]:
    """The centres of the bins that sRGB can show: those nearest to some colour, in order of a, then b.

    There are 261. Zhang et al. 2016 count 313 and publish the list, but not the rule.
    """
    level = np.linspace(0, 255, LEVELS).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(level, level, level, indexing="ij"), axis=-1).reshape(1, -1, 3)
    return SIDE * np.unique(np.round(rgb2lab(cube)[0, :, 1:] / SIDE), axis=0)


def nearest_bin(chroma: Float[np.ndarray, "*pixels 2"]) -> Int[np.ndarray, "*pixels"]:
    """The index of the bin with the nearest centre."""
    return cKDTree(centres()).query(chroma.reshape(-1, 2))[1].reshape(chroma.shape[:-1])


def shares(chroma: Float[np.ndarray, "*pixels 2"]) -> Float[np.ndarray, "bins"]:
    """The share of pixels in each bin."""
    counts = np.bincount(nearest_bin(chroma).ravel(), minlength=len(centres()))
    return counts / counts.sum()


@dataclass(frozen=True, eq=False)
class Colours:
    """The frequency of each bin in training pictures."""

    shares: Float[np.ndarray, "bins"]

    @classmethod
    def of(cls, chroma: Float[np.ndarray, "*pixels 2"]) -> Colours:
        return cls(shares(chroma))

    @property
    def common(self) -> Bool[np.ndarray, "bins"]:
        """Bins with at least a ten-thousandth of the pixels: the others are too rare to score."""
        return self.shares >= COMMON

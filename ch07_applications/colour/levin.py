"""Colour by optimisation: neighbours of the same lightness have the same colour, starting from a few given colours.

Method     Levin, Lischinski & Weiss 2004, "Colorization Using Optimization". The chroma U minimises

               J(U) = Σ_r (U(r) − Σ_{s ∈ N(r)} w_rs U(s))²,   w_rs ∝ exp(−(Y(r) − Y(s))² / 2σ_r²)        (1), (2)

           over the eight neighbours N(r), where the weights of a pixel sum to 1 and U is fixed where a colour is given.
           As in the authors' code, U(r) = Σ w_rs U(s) is solved for every pixel without a given colour. In this linear
           system pixels depend on the rows above and below, so that its matrix is banded.
Use        An assisted reference: it uses true colours of the picture, which no other method of this task
           does.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import solve_banded

from ch07_applications.colour.lab_pictures import Chroma, Lightness

POINTS = 20  # with a given colour, per picture
LEAST = 2e-6  # of σ_r², for lightness in 0 … 1, from the authors' code: equal pixels have no variance
NEIGHBOURS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]


def neighbour_weights(lightness: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "8 height width"]:
    """w_rs of each pixel for its neighbours in the order of NEIGHBOURS; 0 outside the picture. They sum to 1."""
    height, width = lightness.shape
    padded = np.pad(lightness / 100, 1, constant_values=np.nan)
    around = np.stack([padded[1 + d : 1 + d + height, 1 + r : 1 + r + width] for d, r in NEIGHBOURS])
    own = lightness[None] / 100
    variance = 0.6 * np.nanvar(np.concatenate([around, own]), axis=0)
    closest = np.nanmin((around - own) ** 2, axis=0)
    variance = np.maximum(np.maximum(variance, closest / np.log(100)), LEAST)  # so that not all weights vanish
    weights = np.where(np.isnan(around), 0.0, np.exp(-((np.nan_to_num(around) - own) ** 2) / variance))
    return weights / weights.sum(axis=0)


def propagate(
    lightness: Float[np.ndarray, "height width"],
    given: Bool[np.ndarray, "height width"],
    chroma: Float[np.ndarray, "height width 2"],
) -> Float[np.ndarray, "height width 2"]:
    """The chroma of a whole picture from the given pixels. Raises ValueError if none is given."""
    if not given.any():
        raise ValueError("no colour is given: any constant chroma would be a solution")
    height, width = lightness.shape
    weights, reach = np.where(given, 0.0, neighbour_weights(lightness)), width + 1
    bands = np.zeros((2 * reach + 1, height * width))
    bands[reach] = 1.0
    for (down, right), weight in zip(NEIGHBOURS, weights, strict=True):
        step = down * width + right
        filled = np.zeros(height * width)
        values = -weight.ravel()  # the entry of row r and column r + step lies in band reach − step, at that column
        if step > 0:
            filled[step:] = values[:-step]
        else:
            filled[:step] = values[-step:]
        bands[reach - step] += filled
    wanted = np.where(given[..., None], chroma, 0.0).reshape(-1, 2)
    return solve_banded((reach, reach), bands, wanted).reshape(height, width, 2)


def given_points(n: int, size: tuple[int, int], seed: int, points: int = POINTS) -> Int[np.ndarray, "n points"]:
    """Random places of each picture, as pixel numbers in reading order."""
    rng = np.random.default_rng(seed)
    return np.argsort(rng.random((n, size[0] * size[1])), axis=1)[:, :points]


def assisted(lightness: Lightness, chroma: Chroma, seed: int, points: int = POINTS) -> Chroma:
    """Colour all pictures from their true chroma at a few random places. Each picture is a linear system of its own."""
    n, height, width = lightness.shape
    given = np.zeros((n, height * width), bool)
    np.put_along_axis(given, given_points(n, (height, width), seed, points), True, axis=1)
    given = given.reshape(lightness.shape)
    found = [propagate(*each) for each in zip(lightness.astype(float), given, chroma.astype(float), strict=True)]
    return np.stack(found).astype(np.float32)

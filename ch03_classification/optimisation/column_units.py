"""Columns in units in which the logistic loss curves by at most 1 along each weight: one step length suits them all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from common.scales import LARGE, powers_of_two, warn_of_scale

EPSILON = np.finfo(np.float64).eps


@dataclass(frozen=True)
class ScaledDesign:
    """A column of ones and the centred columns of X, divided by their units, with the penalty of each weight.

    A θ that is fitted to the matrix belongs, divided by unit and then by factors, to X less its mean.
    """

    matrix: Float[np.ndarray, "n m+1"]
    penalties: Float[np.ndarray, "m+1"]
    unit: Float[np.ndarray, "m+1"]
    factors: Float[np.ndarray, "m"]
    mean: Float[np.ndarray, "m"]


def centre_columns(
    X: Float[np.ndarray, "n m"],
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "n m+1"], Float[np.ndarray, "m+1"]]:
    """The columns' means, a column of ones before the columns less their means, and the sum of squares of each."""
    mean, design = X.mean(axis=0), np.empty((len(X), X.shape[1] + 1))
    design[:, 0] = 1.0
    np.subtract(X, mean, out=design[:, 1:])
    return mean, design, np.einsum("ij,ij->j", design, design)


def scale_columns(X: Float[np.ndarray, "n m"], penalty: float) -> ScaledDesign:
    """X in such units. The penalty stays on the weights of the columns as they came; the intercept has none.

    Columns are centred, which the intercept makes up for. Columns whose squares would overflow or vanish are brought
    near 1 first, and constant ones get weight 0.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, design, squares = centre_columns(X)
    factors = np.ones(X.shape[1])
    if not ((squares > LARGE**-2) & (squares < LARGE**2)).all():  # constant columns, too
        factors = powers_of_two(X)
        mean, design, squares = centre_columns(X / factors)
        if penalty > 0:
            warn_of_scale(X, "the penalty counts for nothing, or for all", stacklevel=4)
    with np.errstate(over="ignore"):
        penalties = np.r_[0.0, np.minimum(penalty / factors / factors, 1e300)]
    unit = np.sqrt(squares / 4 + penalties)
    unit[1:][unit[1:] <= len(X) * EPSILON * np.abs(mean)] = np.inf  # constant, but for the rounding of the mean
    design /= unit
    return ScaledDesign(design, penalties / unit**2, unit, factors, mean)

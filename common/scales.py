"""Columns so large or so small that their squares overflow or vanish: brought near 1 first, or said aloud."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from jaxtyping import Real as RealArray

LARGE = 1e100  # the squares of values beyond it, or of those beyond its inverse, are not far from the ends of a float


def powers_of_two(values: RealArray[np.ndarray, "n *columns"]) -> np.ndarray | np.floating:
    """For each column the power of 2 just below its largest |value|, if that is beyond LARGE or 1 / LARGE; else 1.

    To divide by it rounds nothing.
    """
    largest = np.abs(values).max(axis=0, initial=0.0)
    return np.ldexp(1.0, np.where(is_extreme(largest), np.frexp(largest)[1] - 1, 0))


def is_extreme(largest: Any) -> Any:
    """Whether a column's largest |value| is beyond LARGE or 1 / LARGE; a column of zeros is not."""
    return (largest > LARGE) | ((largest < 1 / LARGE) & (largest > 0))


def warn_of_scale(values: RealArray[np.ndarray, "n *columns"], what: str, stacklevel: int = 3) -> None:
    """Warn where columns are beyond LARGE or 1 / LARGE: of which size they are, and what follows from it."""
    largest = np.ravel(np.abs(values).max(axis=0, initial=0.0))
    extreme = largest[is_extreme(largest)]
    if extreme.size:
        sizes = " and ".join(f"{size:.1e}" for size in sorted({extreme.min(), extreme.max()}))
        warnings.warn(f"values of the size of {sizes}: {what}; bring them near 1", UserWarning, stacklevel=stacklevel)


def must_be(name: str, value: Any, *, least: float = 0.0, open_end: bool = False, whole: bool = False) -> None:
    """Raise ValueError unless a setting is a finite number of at least, or with open_end above, the least.

    whole: it must be a whole number. A bool is no number.
    """
    kind = Integral if whole else Real
    fits = isinstance(value, kind) and not isinstance(value, bool | np.bool_) and np.isfinite(value)
    if not fits or value < least or (open_end and value == least):
        number = "whole" if whole else "finite"
        raise ValueError(
            f"{name} must be a {number} number {'above' if open_end else 'of at least'} {least:g}, got {value!r}"
        )

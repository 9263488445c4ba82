"""What is held against what: a mistake of shape or of label is an error, before it becomes a wrong number.

NumPy broadcasts a column against a row, and counts a negative index from the end. Neither is ever meant where scores
meet answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped


def check_labels(
    labels: Any, scores: tuple[int, ...], classes: int, names: tuple[str, str] = ("answers", "scores")
) -> Int64[np.ndarray, "n"]:
    """One label from 0 to classes − 1 for each row of scores, as an array.

    scores: the shape of what is judged; the first length counts. names: what the two are called in the error. Raises
    ValueError for another shape, for labels that are not whole numbers, and for labels out of range.
    """
    labels = np.asarray(labels)
    if labels.shape != scores[:1]:
        raise ValueError(
            f"{names[0]} have shape {labels.shape}, {names[1]} {scores}: each row wants one label, shape {scores[:1]}"
        )
    if labels.dtype.kind == "b":
        labels = labels.astype(np.int64)  # as an index, booleans would be a mask
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{names[0]} must be whole numbers from 0 to {classes - 1}, got {labels.dtype}")
    least, most = np.minimum.reduce(labels, initial=0), np.maximum.reduce(labels, initial=0)
    if least < 0 or most >= classes:
        raise ValueError(f"{names[0]} must lie in 0 … {classes - 1}, got {least if least < 0 else most}")
    return labels.astype(np.int64, copy=False)


def check_same_shape(**arrays: Any) -> None:
    """Raise ValueError, with the names and shapes, unless all arrays have the shape of the first."""
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    (first, wanted), *others = shapes.items()
    for name, shape in others:
        if shape != wanted:
            raise ValueError(f"{first} and {name} must have the same shape, got {wanted} and {shape}")


def refuse_text(targets: Any) -> None:
    """Raise ValueError for targets that are text, even if it reads as a number: quantities are wanted."""
    array = np.asarray(targets)
    if array.dtype.kind in "US" or (array.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in array.flat)):
        raise ValueError(f"targets must be numbers, got text: {array.flat[0]!r}")


def as_floats(values: Any) -> Shaped[np.ndarray, "..."]:
    """The values as an array of floats, of double precision unless they are floats already.

    Unsigned whole numbers wrap around below 0 and small ones overflow, both in silence.
    """
    values = np.asarray(values)
    return values if values.dtype.kind == "f" else values.astype(np.float64)

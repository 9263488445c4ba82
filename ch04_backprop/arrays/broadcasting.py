"""Broadcasting uses a number many times; on the way back the gradients of all its uses are added up."""

from __future__ import annotations

import numpy as np

Array = np.ndarray | np.floating  # NumPy makes a number of an array of no axes


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: a number that was used n times gets the sum of n gradients."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape)))) if g.ndim > len(shape) else g
    stretched = tuple(axis for axis, n in enumerate(shape) if n == 1 and g.shape[axis] != 1)
    return g.sum(axis=stretched, keepdims=True) if stretched else g

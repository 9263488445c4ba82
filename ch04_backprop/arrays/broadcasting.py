"""Broadcasting uses a number many times; in the backward pass the gradients of all its uses are summed."""

from __future__ import annotations

import numpy as np

Array = np.ndarray | np.floating  # NumPy turns an array without axes into a number


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: a number that was used n times gets the sum of n gradients."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape)))) if g.ndim > len(shape) else g
    stretched = tuple(axis for axis, n in enumerate(shape) if n == 1 and g.shape[axis] != 1)
    return g.sum(axis=stretched, keepdims=True) if stretched else g

"""An array that counts its changes, so that nobody differentiates through values that are no longer there.

What a Tensor is apart from its gradients: it has a shape, it compares, and it can be changed in place. Comparisons give
NumPy masks. Every change, through the array's own operators or by setting data, makes it another version.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Mask = np.ndarray | np.bool_  # NumPy makes a number of an array of no axes


def values(other: Any) -> Any:
    """The array of a VersionedArray; anything else as it is."""
    return other.data if isinstance(other, VersionedArray) else other


class VersionedArray:
    """data: array of floats; whole numbers become floats. version: how often data was changed."""

    __array_ufunc__ = None  # array + self is self's business, not the array's
    __hash__ = object.__hash__

    def __init__(self, data: ArrayLike | VersionedArray) -> None:
        data = np.asarray(values(data))
        self._data = data if data.dtype.kind == "f" else data.astype(np.float64)
        self.version = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._data})"

    @property
    def data(self) -> np.ndarray:
        return self._data

    @data.setter
    def data(self, array: ArrayLike) -> None:  # x.data -= step ends up here, too
        if np.shape(array) != self.shape:
            raise ValueError(f"data has shape {self.shape}; an array of shape {np.shape(array)} can't replace it")
        self._data = np.asarray(array, dtype=self.dtype)
        self.version += 1

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def dtype(self) -> np.dtype:
        return self._data.dtype

    def __len__(self) -> int:
        return len(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._data, dtype=dtype, copy=copy)

    def item(self) -> float:
        """The one number in it. Raises ValueError where there are more."""
        return float(self._data.item())

    __float__ = item

    # Changes in place

    def _overwrite(self, index: Any, other: Any) -> VersionedArray:
        self._data[index] = values(other)
        self.version += 1
        return self

    def __setitem__(self, index: Any, other: Any) -> None:
        self._overwrite(index, other)

    def __iadd__(self, other: Any) -> VersionedArray:
        return self._overwrite(..., self + other)

    def __isub__(self, other: Any) -> VersionedArray:
        return self._overwrite(..., self - other)

    def __imul__(self, other: Any) -> VersionedArray:
        return self._overwrite(..., self * other)

    def __itruediv__(self, other: Any) -> VersionedArray:
        return self._overwrite(..., self / other)

    # Masks

    def __gt__(self, other: Any) -> Mask:
        return self._data > values(other)

    def __ge__(self, other: Any) -> Mask:
        return self._data >= values(other)

    def __lt__(self, other: Any) -> Mask:
        return self._data < values(other)

    def __le__(self, other: Any) -> Mask:
        return self._data <= values(other)

    def __eq__(self, other: Any) -> Mask:
        return self._data == values(other)

    def __ne__(self, other: Any) -> Mask:
        return self._data != values(other)

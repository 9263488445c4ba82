"""An array that counts its changes, so that nothing is differentiated through values that were overwritten.

It contains all of a Tensor except its gradients: a shape, comparisons, and in-place changes. Comparisons give NumPy
masks. Every change, through the array's own operators or by setting data, makes a new version. As in PyTorch, items
that are set through data, x.data[0] = 1, are not counted.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Mask = np.ndarray | np.bool_  # NumPy turns an array without axes into a number


def values(other: Any) -> Any:
    """The array of a VersionedArray; anything else unchanged."""
    return other.data if isinstance(other, VersionedArray) else other


def floats(numbers: Any, dtype: Any = None, copy: bool = True) -> np.ndarray:
    """An array of floats; whole numbers become double precision. dtype: another precision.

    copy: False if no other code can change the numbers. Raises TypeError unless they are real numbers.
    """
    array = np.asarray(numbers)
    if array.dtype.kind not in "fiub":  # NumPy would turn None into NaN, and "3" into 3
        raise TypeError(f"real numbers are wanted, got {numbers!r:.60}")
    return np.array(array, dtype or (array.dtype if array.dtype.kind == "f" else np.float64), copy=copy or None)


def kept(index: Any) -> Any:
    """A copy of the index, protected from later changes of its arrays."""
    if isinstance(index, tuple):
        return tuple(map(kept, index))
    return deepcopy(index) if isinstance(index, np.ndarray | list) else index


class VersionedArray:
    """data: array of floats; whole numbers become floats. version: how often data was changed.

    copy: True if other code might change the given array. Raises TypeError unless it contains real numbers.
    """

    __array_ufunc__ = None  # self handles array + self, not the array
    __hash__ = object.__hash__

    def __init__(self, data: ArrayLike | VersionedArray, copy: bool = False) -> None:
        self._data = floats(values(data), copy=copy)
        self.version = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._data})"

    @property
    def data(self) -> np.ndarray:
        return self._data

    @data.setter
    def data(self, array: ArrayLike) -> None:  # x.data -= step calls this, too
        if np.shape(array) != self.shape:
            raise ValueError(f"data has shape {self.shape}; an array of shape {np.shape(array)} can't replace it")
        if array is not self._data:
            self._data = floats(values(array), self.dtype)
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
        array = np.array(self._data, dtype=dtype, copy=copy)
        if array is self._data:  # read-only: a change of the array would change the tensor without being counted
            array = array.view()
            array.flags.writeable = False
        return array

    def item(self) -> float:
        """Its only number. Raises ValueError if there are more."""
        return float(self._data.item())

    __float__ = item

    def __bool__(self) -> bool:
        """Whether its only number is not 0. Raises ValueError if there are more, or none."""
        if self._data.size != 1:
            raise ValueError(
                f"whether an array of shape {self.shape} is true is ambiguous: use .any() or .all() of a mask"
            )
        return bool(self._data.item())

    # Changes in place

    def _overwrite(self, index: Any, other: Any) -> VersionedArray:
        self._data[index] = floats(values(other), self.dtype, copy=False)
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

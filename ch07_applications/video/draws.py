"""Random numbers that belong to one film or one person, independent of how many others are drawn with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64


class Draws:
    """Uniform random numbers of many items, in columns. Each item has its own generator.

    keys: a seed for each item. So the numbers of an item depend neither on its place nor on the other items. Raises
    ValueError if more columns are requested than there are.
    """

    def __init__(self, keys: Sequence[tuple[int, ...]], columns: int) -> None:
        self.generators = [np.random.Generator(np.random.PCG64(list(key))) for key in keys]
        self.numbers = np.array([generator.random(columns) for generator in self.generators])
        self.taken = 0

    def between(self, low: float, high: float, columns: int = 1) -> Float[np.ndarray, "items columns"]:
        """The next numbers of every item, from low to below high."""
        if self.taken + columns > self.numbers.shape[1]:
            raise ValueError(f"only {self.numbers.shape[1]} numbers were drawn per item")
        found = self.numbers[:, self.taken : self.taken + columns]
        self.taken += columns
        return low + (high - low) * found

    def among(self, count: int) -> Int64[np.ndarray, "items"]:
        """A random index from 0 to count − 1 for every item."""
        return np.minimum(self.between(0, count)[:, 0].astype(np.int64), count - 1)

    def sign(self) -> Float[np.ndarray, "items 1"]:
        """A random sign, −1 or +1, for every item."""
        return np.where(self.between(0, 1) < 0.5, -1.0, 1.0)

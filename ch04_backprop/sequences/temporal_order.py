"""Sequences that require memory: which of X and Y came first, and which second, many steps ago?

Method     The temporal order problem (Hochreiter and Schmidhuber 1997, §5.6, Task 6a). Of six symbols, a to d carry no
           information. Two of the first EARLY steps are an X or a Y each; the four classes are XX, XY, YX and YY. Then
           `lag` further symbols of a to d follow, after which the class is predicted.
Differs    The paper puts the two symbols near the 15th and the 55th of 100 steps. Here they are anywhere among the
           first EARLY steps, and the lag is a setting.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int, Shaped

from common.data import Table
from common.data.dataset import Dataset

SYMBOLS = "abcdXY"
CLASSES = ("XX", "XY", "YX", "YY")
PLAIN, EARLY = 4, 10  # symbols without information; steps among which the two others occur


def temporal_order(lag: int, sizes: tuple[int, int], seed: int) -> Dataset:
    """Training and test sequences (sizes) of EARLY + lag steps. A table's row holds six numbers per step, one of them
    1. Raises ValueError for a lag below 0."""
    if lag < 0:
        raise ValueError(f"lag must be 0 or more, got {lag}")
    rng = np.random.default_rng([seed, lag])
    train, test = (draw_part(size, lag, rng) for size in sizes)
    return Dataset(f"temporal order, lag {lag}", train, test, CLASSES, "order of X and Y", "made here")


def draw_part(n: int, lag: int, rng: np.random.Generator) -> Table:
    """n sequences with their classes."""
    symbols = rng.integers(PLAIN, size=(n, EARLY + lag))
    places = np.sort(rng.permuted(np.tile(np.arange(EARLY), (n, 1)), axis=1)[:, :2], axis=1)
    kinds = rng.integers(2, size=(n, 2))  # X or Y
    np.put_along_axis(symbols, places, PLAIN + kinds, axis=1)
    names = tuple(f"{symbol} at step {t}" for t in range(1, EARLY + lag + 1) for symbol in SYMBOLS)
    return Table(one_hot(symbols), 2 * kinds[:, 0] + kinds[:, 1], names)


def one_hot(symbols: Int[np.ndarray, "n steps"]) -> Float64[np.ndarray, "n columns"]:
    """Encode a row per sequence: six numbers per step, 1 for the step's symbol and 0 for the others."""
    return np.eye(len(SYMBOLS))[symbols].reshape(len(symbols), -1)


def symbols_of(rows: Shaped[np.ndarray, "n columns"]) -> Int[np.ndarray, "n steps"]:
    """The symbols of rows that one_hot made."""
    return rows.reshape(len(rows), -1, len(SYMBOLS)).argmax(axis=2)

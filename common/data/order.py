"""Random orders that are the same on every machine, and whose every head is a fair sample."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Int64


def shuffled(n: int, seed: int) -> Int64[np.ndarray, "n"]:
    """A permutation of 0 … n − 1 drawn by seed.

    It sorts the raw bits of PCG64, since these are what NumPy promises never to change (NEP 19); `permutation` of a
    Generator may give another order in another version, and a pack rebuilt next year must be the same pack.
    """
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable").astype(np.int64)


def stratified(labels: Int[np.ndarray, "n"], seed: int) -> Int64[np.ndarray, "n"]:
    """A permutation drawn by seed in which every head holds each class in its share of the whole, to within one or two.

    The r-th member of a class of m (r = 0, 1, …) stands at (r + ½) / m of the way: Webster's apportionment of seats,
    handing out one seat at a time. Which member is the r-th, and who goes first in a tie, is drawn by seed. Classes of
    the same size are served in rounds, so a head of 10 k items from 10 such classes holds exactly k of each.
    """
    order = shuffled(len(labels), seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return order[np.argsort(place[order], kind="stable")]

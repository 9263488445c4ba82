"""Speed of the search for the nearest patch beside the textbook's loop over patches, which finds the same."""

from __future__ import annotations

from functools import partial

import numpy as np
from side_by_side import row

from ch07_applications.reconstruction.exemplar import Sources
from ch07_applications.reconstruction.holes import BANDS, draw_hole
from common import data

SIZE, QUERIES = 9, 10
Query = tuple[np.ndarray, np.ndarray]  # a patch and its known pixels


def search_by_loop(picture: np.ndarray, known: np.ndarray, queries: list[Query]) -> list[int]:
    """Of each patch, the fully known one with the least squared difference, in the order of rows."""
    height, width = (length - SIZE + 1 for length in known.shape)
    found = []
    for patch, mask in queries:
        least, best, number = np.inf, -1, 0
        for y in range(height):
            for x in range(width):
                if not known[y : y + SIZE, x : x + SIZE].all():
                    continue
                difference = (picture[y : y + SIZE, x : x + SIZE] - patch)[mask]
                error = (difference * difference).sum()
                if error < least:
                    least, best = error, number
                number += 1
        found.append(best)
    return found


def search_at_once(sources: Sources, queries: list[Query]) -> list[int]:
    """The same by two products."""
    return [sources.nearest(patch, mask) for patch, mask in queries]


def measure() -> list[dict]:
    """A row for run.py: a crop of 64 × 64 pixels with a hole."""
    picture, rng = data.photo("coffee")[100:164, 200:264].astype(float), np.random.default_rng(0)
    known = ~draw_hole((64, 64), BANDS[2], rng)
    queries = []
    while len(queries) < QUERIES:
        y, x = rng.integers(0, 64 - SIZE + 1, 2)
        box = np.s_[y : y + SIZE, x : x + SIZE]
        if known[box].any() and not known[box].all():
            queries.append((picture[box], known[box]))
    sources = Sources(picture, known, SIZE)
    assert search_at_once(sources, queries) == search_by_loop(picture, known, queries)
    ours, peer = partial(search_at_once, sources, queries), partial(search_by_loop, picture, known, queries)
    return [
        row(f"exemplars: {QUERIES} of {len(sources.patches):,} patches", ours, "a loop over patches", peer, 20, runs=3)
    ]

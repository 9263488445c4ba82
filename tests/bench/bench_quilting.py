"""Speed of image quilting beside the textbook's loop, which lays one block after the other: the same picture."""

from __future__ import annotations

from functools import partial

import numpy as np
from side_by_side import row

from ch07_applications.style import quilting
from ch07_applications.style.quilting import Pass, luminance, matched, new_side
from common import data


def one_by_one(one: Pass) -> np.ndarray:
    """A pass with a loop over blocks, and for each a comparison with all candidates."""
    canvas, side, overlap = one.empty.copy(), one.side, one.overlap
    for row_, column in np.ndindex(one.rows, one.columns):
        place = np.s_[one.step * row_ : one.step * row_ + side, one.step * column : one.step * column + side]
        old, shared = canvas[place].copy(), np.zeros((side, side), bool)
        shared[: overlap * (row_ > 0)] = True
        shared[:, : overlap * (column > 0)] = True
        errors = one.fixed[row_ * one.columns + column].copy()
        errors += one.alpha * ((one.candidates - old)[:, shared] ** 2).sum(axis=(1, 2)) / 3
        block, seen = one.candidates[int(errors.argmin())], np.ones((side, side), bool)
        differences = ((block - old) ** 2).sum(axis=2)
        if column:
            seen[:, :overlap] &= new_side(differences[:, :overlap])
        if row_:
            seen[:overlap] &= new_side(differences[:overlap].T).T
        canvas[place][seen] = block[seen]
    return canvas[: one.size[0], : one.size[1]]


def measure() -> list[dict]:
    """Rows for run.py: one pass over 128 × 128 pixels. Draws are off, so that both lay the same blocks."""
    photograph, texture = (np.ascontiguousarray(data.photo(name)[:128, :128]) for name in ("coffee", "chelsea"))
    quilting.TOLERANCE = 0.0
    tones = luminance(texture, 3)
    one = Pass(texture, tones, matched(luminance(photograph, 3), tones), None, 18, 0.1, np.random.default_rng(0))
    differing = np.mean(np.any(one() != one_by_one(one), axis=2))
    assert differing < 0.05  # rounding may decide between two candidates
    return [row("image quilting: a pass over 128×128", one, "a loop over blocks", partial(one_by_one, one), 5)]

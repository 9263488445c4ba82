"""Speed of image quilting and of Gram matrices beside the textbook's loops, which give the same."""

from __future__ import annotations

from functools import partial
from statistics import median
from time import perf_counter

import numpy as np
import torch
from side_by_side import row

from ch07_applications.style import quilting
from ch07_applications.style.gatys import gram
from ch07_applications.style.quilting import Pass, luminance, matched, new_side
from common import data

MARK = 5.0  # seconds


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


def gram_by_pairs(maps: torch.Tensor) -> torch.Tensor:
    """The Gram matrix by its definition: for each pair of filters, a sum over places."""
    filters = maps[0].flatten(1)
    return torch.stack([torch.stack([(a * b).sum() for b in filters]) for a in filters])


def measure() -> list[dict]:
    """Rows for run.py: one pass over 128 × 128 pixels, draws off, so that both lay the same blocks; a picture of 256 ×
    256 pixels beside the mark; and a Gram matrix of 64 filters."""
    photographs = [np.ascontiguousarray(data.photo(name)[:256, :256]) for name in ("coffee", "chelsea")]
    photograph, texture = (np.ascontiguousarray(each[:128, :128]) for each in photographs)
    tolerance, quilting.TOLERANCE = quilting.TOLERANCE, 0.0
    tones = luminance(texture, 3)
    one = Pass(texture, tones, matched(luminance(photograph, 3), tones), None, 18, 0.1, np.random.default_rng(0))
    differing = np.mean(np.any(one() != one_by_one(one), axis=2))
    assert differing < 0.05  # rounding may decide between two candidates
    rows = [row("image quilting: a pass over 128×128", one, "a loop over blocks", partial(one_by_one, one), 5)]
    quilting.TOLERANCE = tolerance

    taken = []
    for _ in range(3):
        start = perf_counter()
        quilting.quilt(*photographs)
        taken.append(perf_counter() - start)
    mark = {"ours_seconds": median(taken), "peer_seconds": MARK, "ratio": MARK / median(taken)}
    rows.append(rows[0] | {"name": "image quilting: a picture of 256×256", "peer": f"the mark, {MARK:g} s"} | mark)
    rows[-1] |= {"at_least": 1, "runs": len(taken)}

    maps = torch.rand((1, 64, 32, 32), generator=torch.Generator().manual_seed(0))
    assert torch.allclose(gram(maps), gram_by_pairs(maps), rtol=1e-4)
    name = "Gram matrix: 64 filters, 32×32 places"
    return [*rows, row(name, partial(gram, maps), "a loop over pairs of filters", partial(gram_by_pairs, maps), 20)]

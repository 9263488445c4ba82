"""Speed of bicubic reduction and enlargement by two matrices beside a loop over pixels; values beside Pillow's, and
beside MATLAB's where Set5 is in the data folder."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image
from side_by_side import row

from ch07_applications.super_resolution.bicubic import enlarge, reduce, resize, weights
from common import data
from common.data.scale import LECTURE
from common.data.super_resolution_sets import super_resolution_set_or_none


def pixel_by_pixel(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Every pixel of the new picture by itself: the weighted mean of its neighbours."""
    rows, columns = (weights(old, new).toarray() for old, new in zip(picture.shape, size, strict=True))
    near = [[np.flatnonzero(line) for line in matrix] for matrix in (rows, columns)]
    found = np.empty(size)
    for y, x in np.ndindex(size):
        there, across = near[0][y], near[1][x]
        found[y, x] = rows[y, there] @ picture[np.ix_(there, across)] @ columns[x, across]
    return found


def share_that_differs(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of pixels, by more than a grey level."""
    return float((np.abs(ours.astype(int) - theirs) > 1).mean())


def measure() -> list[dict]:
    """Rows for run.py: a grey picture of 512 × 512 reduced by 4, and one of 128 × 128 enlarged by 4."""
    picture = data.photo("astronaut")[..., 1]
    exact = Image.fromarray(picture.astype(np.float32))  # of floats, which are not rounded between the axes
    pillow = np.asarray(exact.resize((128, 128), Image.Resampling.BICUBIC))
    assert np.allclose(resize(picture, (128, 128))[2:-2, 2:-2], pillow[2:-2, 2:-2], atol=1e-3)
    if kept := super_resolution_set_or_none(LECTURE, lambda text: None):
        for factor in (2, 4):
            assert all(share_that_differs(reduce(each.high, factor), each.low) < 0.02 for each in kept.pairs[factor])

    small, peer, rows = picture[::4, ::4].astype(float), "a loop over pixels", []
    for name, ours, slow in (
        ("÷4, 512×512", partial(resize, picture, (128, 128)), partial(pixel_by_pixel, picture, (128, 128))),
        ("×4, 128×128", partial(enlarge, small, 4), partial(pixel_by_pixel, small, (512, 512))),
    ):
        assert np.allclose(ours(), slow())
        rows.append(row(f"bicubic {name}", ours, peer, slow, 10, runs=3))
    return rows

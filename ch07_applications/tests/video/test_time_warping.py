"""Dynamic time warping against the table filled by hand, and what a warp is and is not blind to."""

import importlib.util
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ch07_applications.video.time_warping import WarpedNeighbour, warped_distances


def by_hand(a, b, band):
    """The distance of one pair, cell by cell, by the recurrence."""
    n = len(a)
    table = np.full((n + 1, n + 1), np.inf)
    table[0, 0] = 0
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            if abs(i - j) <= band:
                least = min(table[i - 1, j], table[i, j - 1], table[i - 1, j - 1])
                table[i, j] = ((a[i - 1] - b[j - 1]) ** 2).sum() + least
    return np.sqrt(table[n, n])


def series(n, steps=12, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, steps, channels))


@given(st.integers(1, 9), st.integers(0, 10), st.integers(1, 3), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_distances_are_those_of_the_table(steps, band, channels, seed):
    a, b = series(3, steps, channels, seed), series(2, steps, channels, seed + 100)
    wanted = [[by_hand(x, y, band) for y in b] for x in a]
    np.testing.assert_allclose(warped_distances(a, b, band), wanted, atol=1e-6)


def test_a_band_of_0_is_euclid_and_wider_ones_are_never_larger():
    a, b = series(40), series(30, seed=1)
    euclid = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=(2, 3)))
    np.testing.assert_allclose(warped_distances(a, b, 0), euclid)
    found = [warped_distances(a, b, band) for band in (0, 1, 3, 12, 50)]
    assert all((wide <= narrow + 1e-9).all() for narrow, wide in pairwise(found))
    np.testing.assert_array_equal(found[-2], found[-1])


def test_it_is_symmetric_and_0_to_itself():
    a, b = series(5), series(7, seed=1)
    np.testing.assert_allclose(warped_distances(a, b, 3), warped_distances(b, a, 3).T)
    assert np.diag(warped_distances(a, a, 3)).max() < 1e-6


def test_a_pause_costs_nothing_within_the_band():
    moves = np.array([0.0, 1, 2, 3, 3, 3, 4, 5])[None, :, None]
    other = np.array([0.0, 1, 1, 1, 2, 3, 4, 5])[None, :, None]
    assert warped_distances(moves, other, 2)[0, 0] == 0
    assert warped_distances(moves, other, 0)[0, 0] > 1


def test_single_precision_is_close():
    a, b = series(40, 32, 6), series(50, 32, 6, seed=1)
    single = warped_distances(a.astype(np.float32), b.astype(np.float32), 4)
    np.testing.assert_allclose(single, warped_distances(a, b, 4), rtol=1e-4)


def test_a_thousand_pairs_take_a_fiftieth_of_a_second():
    a, b = series(100, 32, 6).astype(np.float32), series(100, 32, 6, seed=1).astype(np.float32)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        warped_distances(a, b, 4)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.2


@pytest.mark.skipif(importlib.util.find_spec("dtaidistance") is None, reason="dtaidistance is not installed")
def test_distances_are_dtaidistance_s():
    from dtaidistance import dtw_ndim

    a, b = series(10, 32, 6), series(12, 32, 6, seed=1)
    wanted = [[dtw_ndim.distance(x, y, window=5) for y in b] for x in a]
    np.testing.assert_allclose(warped_distances(a, b, 4), wanted, atol=1e-9)


def test_a_negative_band_is_refused():
    with pytest.raises(ValueError, match="band of -1"):
        warped_distances(series(1), series(1), -1)


def test_the_neighbour_of_a_kept_window_is_itself():
    X, y = series(30, 64, 6).astype(np.float32), np.arange(30) % 4 + 5
    model = WarpedNeighbour().fit(X, y)
    assert (model.predict(X) == y).all()
    votes = model.predict_proba(X)
    assert votes.sum(axis=1).tolist() == [1] * 30
    assert (model.classes_[votes.argmax(axis=1)] == y).all()

"""Exemplars: priorities, nearest patches, and pictures that patches of themselves restore."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ch07_applications.reconstruction.exemplar import FLOOR, Sources, data_term, fill_by_exemplars
from ch07_applications.reconstruction.holes import BANDS, draw_hole


def checks(size=(32, 40), period=4):
    y, x = np.indices(size)
    return np.where(((x // period + y // period) % 2)[..., None], [220, 40, 90], [20, 160, 240]).astype(np.uint8)


def test_a_texture_that_repeats_is_restored_exactly():
    picture, hole = checks(), np.zeros((32, 40), bool)
    hole[10:21, 12:25] = True
    assert (fill_by_exemplars(np.where(hole[..., None], 0, picture), hole, 9) == picture).all()


def test_an_edge_is_continued_through_the_hole():
    """The isophote term fills the edge first; without it flat patches would close in on the edge from both sides."""
    picture = np.zeros((33, 33, 3), np.uint8)
    picture[16:] = 200
    hole = np.zeros((33, 33), bool)
    hole[10:23, 10:23] = True
    assert (fill_by_exemplars(picture, hole, 7) == picture).all()


def test_the_data_term_is_large_where_an_edge_meets_the_rim_head_on():
    grey, known = np.zeros((15, 15)), np.ones((15, 15), bool)
    grey[8:], known[:, 8:] = 255, False  # the edge runs into the hole's straight left rim at row 7/8
    data = data_term(grey, known)[:, 8]
    assert data[7] > 10 * FLOOR
    assert data[8] > 10 * FLOOR
    assert_allclose(data[[1, 2, 3, 12, 13]], FLOOR)
    along = np.zeros((15, 15))
    along[:, 6:] = 255  # an edge that is parallel to the rim
    assert_allclose(data_term(along, known)[2:13, 8], FLOOR)


def test_the_nearest_source_is_that_of_a_loop_over_patches():
    rng = np.random.default_rng(0)
    picture, hole = rng.integers(0, 256, (20, 22, 3)).astype(float), draw_hole((20, 22), BANDS[1], rng)
    sources, mask = Sources(picture, ~hole, 5), rng.random((5, 5)) < 0.6
    patch = rng.uniform(0, 255, (5, 5, 3))
    found = []
    for y in range(16):
        for x in range(18):
            if not hole[y : y + 5, x : x + 5].any():
                own = picture[y : y + 5, x : x + 5]
                found.append((((own - patch)[mask] ** 2).sum(), own))
    assert len(found) == len(sources.patches)
    assert_allclose(sources[sources.nearest(patch, mask)], min(found, key=lambda each: each[0])[1])


def test_only_patches_that_were_known_are_copied_and_known_pixels_stay():
    rng = np.random.default_rng(1)
    picture, hole = rng.integers(0, 200, (24, 24, 3)).astype(np.uint8), draw_hole((24, 24), BANDS[3], rng)
    wild = np.where(hole[..., None], 255, picture).astype(np.uint8)
    filled = fill_by_exemplars(wild, hole, 3)
    assert (filled == fill_by_exemplars(picture, hole, 3)).all()
    assert (filled[~hole] == picture[~hole]).all()
    known = {tuple(colour) for colour in picture[~hole]}
    assert all(tuple(colour) in known for colour in filled[hole])


def test_patches_are_smaller_where_none_is_fully_known():
    hole = np.ones((9, 9), bool)
    hole[4, 4] = hole[0, 0] = False
    picture = np.full((9, 9, 3), 50, np.uint8)
    assert Sources(picture.astype(float), ~hole, 7).size == 1
    assert (fill_by_exemplars(picture, hole, 7) == 50).all()


@pytest.mark.parametrize("size", [4, 0, -3])
def test_an_even_patch_is_refused(size):
    with pytest.raises(ValueError, match="odd number"):
        fill_by_exemplars(np.zeros((9, 9, 3), np.uint8), np.eye(9) > 0, size)

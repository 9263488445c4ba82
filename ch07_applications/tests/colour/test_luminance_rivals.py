"""Rivals without a network: how pixels are described and drawn, similar pictures, and Levin's optimisation."""

import numpy as np
import pytest
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import NearestNeighbors

from ch07_applications.colour.ab_bins import nearest_bin
from ch07_applications.colour.lab_pictures import doubled, halved
from ch07_applications.colour.levin import NEIGHBOURS, assisted, given_points, neighbour_weights, propagate
from ch07_applications.colour.luminance_rivals import AROUND, WEIGHTS, PixelColouriser, describe, rivals
from ch07_applications.colour.similar_pictures import SimilarPictures, descriptors
from ch07_applications.tests.colour.small_runs import coloured_squares, pictures


def test_a_pixel_is_described_by_its_surroundings_the_thumbnail_and_its_place():
    lightness = np.random.default_rng(0).uniform(0, 100, (2, 16, 24)).astype(np.float32)
    rows = describe(lightness).reshape(2, 8, 12, -1)
    half = lightness.reshape(2, 8, 2, 12, 2).mean(axis=(2, 4))
    around = half[1, 1:8, 2:9]  # of the pixel in row 4, column 5
    assert rows[1, 4, 5, : AROUND**2] == pytest.approx(around.ravel(), rel=1e-5)
    assert rows[1, 4, 5, AROUND**2] == pytest.approx(WEIGHTS[1] * around.std(), rel=1e-4)
    thumbnail = lightness[1].reshape(8, 2, 8, 3).mean(axis=(1, 3))
    assert rows[1, 4, 5, AROUND**2 + 1 : -2] == pytest.approx(WEIGHTS[2] * thumbnail.ravel(), rel=1e-5)
    assert rows[1, 4, 5, -2:] == pytest.approx([WEIGHTS[3] * 4 / 7, WEIGHTS[3] * 5 / 11])
    with pytest.raises(ValueError, match="multiples of 8, from 16; got 20 × 24"):
        describe(np.zeros((1, 20, 24), np.float32))


def test_colours_that_lightness_tells_are_found_by_all():
    train, test = coloured_squares(), coloured_squares(8, seed=1)
    for model in [*rivals(0, 4000).values(), SimilarPictures(5, 5)]:
        found = model.fit(train.lightness, train.chroma).predict(test.lightness)
        assert found.shape == test.chroma.shape
        error = np.abs(found - test.chroma).mean()
        assert error < 0.5 * np.abs(test.chroma - test.chroma.mean(axis=(0, 1, 2))).mean()


def test_rebalanced_pixels_are_drawn_in_proportion_to_their_weights():
    class Keeps(LinearRegression):
        def fit(self, X, y):
            self.seen = y
            return super().fit(X, y)

    train = coloured_squares()
    bins = np.unique(nearest_bin(halved(train.chroma)))
    weights = np.zeros(261)
    weights[bins[:2]] = 1.0
    model = PixelColouriser(Keeps(), weights=weights, pixels=500).fit(train.lightness, train.chroma)
    assert set(np.unique(nearest_bin(model.regressor.seen))) == set(bins[:2])
    plain = PixelColouriser(Keeps(), pixels=500).fit(train.lightness, train.chroma)
    assert set(np.unique(nearest_bin(plain.regressor.seen))) > set(bins[:2])


def test_similar_pictures_are_the_nearest_by_hog_and_give_the_mean_of_their_nearest_pixels():
    train, test = coloured_squares(), coloured_squares(3, seed=5)
    model = SimilarPictures(4, 6).fit(train.lightness, train.chroma)
    found = model.predict(test.lightness)
    nearest = NearestNeighbors(n_neighbors=4).fit(descriptors(train.lightness))
    pictures_ = nearest.kneighbors(descriptors(test.lightness[1:2]), return_distance=False)[0]
    candidates = describe(train.lightness[pictures_])
    colours = halved(train.chroma[pictures_]).reshape(-1, 2)
    own = describe(test.lightness[1:2])
    pixel = NearestNeighbors(n_neighbors=6).fit(candidates).kneighbors(own, return_distance=False)
    wanted = colours[pixel].mean(axis=1).reshape(8, 8, 2)
    assert found[1] == pytest.approx(doubled(wanted[None])[0], abs=1e-3)


def test_a_training_picture_finds_itself():
    train = coloured_squares(10)
    found = SimilarPictures(1, 1).fit(train.lightness, train.chroma).predict(train.lightness)
    assert found == pytest.approx(doubled(halved(train.chroma)), abs=1e-3)


def test_weights_of_neighbours_sum_to_one_and_follow_lightness():
    lightness = np.full((5, 6), 30.0)
    lightness[:, 3:] = 70.0
    weights = neighbour_weights(lightness)
    assert weights.sum(axis=0) == pytest.approx(np.ones((5, 6)))
    across, within = NEIGHBOURS.index((0, 1)), NEIGHBOURS.index((0, -1))
    assert weights[across, 2, 2] < 0.05 * weights[within, 2, 2]
    assert weights[NEIGHBOURS.index((-1, 0)), 0].max() == 0  # above the first row there is nothing


def test_the_banded_solution_is_that_of_the_sparse_system():
    rng = np.random.default_rng(0)
    lightness, chroma = rng.uniform(0, 100, (7, 9)), rng.normal(size=(7, 9, 2))
    given = rng.random((7, 9)) < 0.15
    matrix, wanted = lil_matrix((63, 63)), np.zeros((63, 2))
    weights = neighbour_weights(lightness)
    for row in range(7):
        for column in range(9):
            k = 9 * row + column
            matrix[k, k] = 1
            if given[row, column]:
                wanted[k] = chroma[row, column]
                continue
            for (down, right), weight in zip(NEIGHBOURS, weights[:, row, column], strict=True):
                if weight:
                    matrix[k, 9 * (row + down) + column + right] = -weight
    solution = np.stack([spsolve(matrix.tocsr(), wanted[:, k]) for k in range(2)], axis=1)
    assert propagate(lightness, given, chroma).reshape(-1, 2) == pytest.approx(solution, abs=1e-8)


def test_given_colours_stay_and_fill_regions_of_one_lightness():
    lightness = np.full((8, 8), 20.0)
    lightness[:, 4:] = 80.0
    chroma, given = np.zeros((8, 8, 2)), np.zeros((8, 8), bool)
    for column, colour in ((1, (30.0, -10.0)), (6, (-20.0, 40.0))):
        given[3, column], chroma[3, column] = True, colour
    found = propagate(lightness, given, chroma)
    assert found[given] == pytest.approx(chroma[given])
    assert np.abs(found[:, :3] - (30.0, -10.0)).max() < 1
    assert np.abs(found[:, 5:] - (-20.0, 40.0)).max() < 1
    with pytest.raises(ValueError, match="no colour is given"):
        propagate(lightness, np.zeros((8, 8), bool), chroma)


def test_each_picture_gets_as_many_points_and_its_own():
    points = given_points(5, (8, 8), seed=0)
    assert points.shape == (5, 20)
    assert all(np.unique(row).size == 20 for row in points)
    assert not np.array_equal(points[0], points[1])
    part = pictures(3)
    found = assisted(part.lightness, part.chroma, seed=0)
    places = given_points(3, (8, 8), seed=0)
    rows = found.reshape(3, -1, 2)[np.arange(3)[:, None], places]
    assert rows == pytest.approx(part.chroma.reshape(3, -1, 2)[np.arange(3)[:, None], places], abs=1e-4)

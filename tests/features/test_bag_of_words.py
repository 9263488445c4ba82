"""Bags of visual words against histograms counted by hand, scikit-learn's k-means and the theory of pyramids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from common.features.bag_of_words import BagOfVisualWords, pyramid_cells, squared_distances
from common.features.sift import DenseSIFT

SIZE = 4
CENTRES = np.eye(SIZE) * 10


def patches(n=30, side=4, seed=0):
    """Images of side×side descriptors, each near one of four centres, or blank; and which: −1 for blank."""
    rng = np.random.default_rng(seed)
    which = rng.integers(-1, SIZE, (n, side * side))
    near = CENTRES[which] + rng.normal(0, 0.1, (n, side * side, SIZE))
    near[which == -1] = 0
    return near.reshape(n, -1), which


def words(**parameters):
    return BagOfVisualWords(
        SIZE, **{"descriptor_size": SIZE, "power": 1.0, "norm": None, "random_state": 0} | parameters
    )


@parametrize_with_checks(
    [
        BagOfVisualWords(3, random_state=0),
        BagOfVisualWords(3, descriptor_size=1, assignment="soft", norm="l1", random_state=0),
    ]
)
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_each_word_is_found_and_counted():
    X, which = patches()
    bag = words(pyramid=(1,)).fit(X)
    names = cdist(CENTRES, bag.words_).argmin(axis=1)
    assert sorted(names) == list(range(SIZE))  # k-means finds the four heaps
    counts = np.stack([(which == k).sum(axis=1) for k in range(SIZE)], axis=1)
    assert_array_equal(bag.transform(X)[:, names], counts)
    assert_array_equal(bag.assign(X), np.where(which < 0, -1, names[which]))


def test_a_cell_of_the_pyramid_counts_its_own_quarter():
    X, which = patches()
    bag = words(pyramid=(1, 2)).fit(X)
    names = cdist(CENTRES, bag.words_).argmin(axis=1)
    histograms = bag.transform(X).reshape(len(X), 5, SIZE)[..., names]
    grid = which.reshape(len(X), 4, 4)
    quarters = [grid[:, :2, :2], grid[:, :2, 2:], grid[:, 2:, :2], grid[:, 2:, 2:]]
    for cell, part in enumerate([grid, *quarters]):
        assert_array_equal(histograms[:, cell], [[(image == k).sum() for k in range(SIZE)] for image in part])


@settings(max_examples=100, deadline=None)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9), level=st.integers(1, 12))
def test_the_cells_of_a_level_are_a_partition_into_rectangles(rows, columns, level):
    cells = pyramid_cells((rows, columns), [level]).reshape(-1, rows, columns)
    assert len(cells) == min(level, rows) * min(level, columns)
    assert_array_equal(cells.sum(axis=0), 1)
    for cell in cells:
        down, across = cell.any(axis=1), cell.any(axis=0)
        assert_array_equal(cell, np.outer(down, across))
        assert 1 <= down.sum() <= -(-rows // min(level, rows))
        assert 1 <= across.sum() <= -(-columns // min(level, columns))


def test_levels_follow_each_other():
    cells = pyramid_cells((4, 6), (1, 3))
    assert_array_equal(cells, np.concatenate([pyramid_cells((4, 6), (1,)), pyramid_cells((4, 6), (3,))]))


def test_distances_are_those_of_scipy():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 5, 7)), rng.normal(size=(3, 7))
    expected = np.stack([cdist(image, w, "sqeuclidean") for image in x])
    assert_allclose(squared_distances(x, w), expected, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.5, 3.0, None])
def test_soft_assignment_is_the_formula(sigma):
    X = np.random.default_rng(0).normal(size=(8, 9 * SIZE))
    bag = words(assignment="soft", sigma=sigma, pyramid=(1,)).fit(X)
    distances = cdist(X.reshape(-1, SIZE), bag.words_)
    if sigma is None:
        assert bag.sigma_ == pytest.approx(np.sqrt(np.mean(distances.min(axis=1) ** 2)) / 2, rel=0.1)
    shares = np.exp(-(distances**2) / (2 * bag.sigma_**2))
    shares /= shares.sum(axis=1, keepdims=True)
    assert_allclose(bag.transform(X), shares.reshape(8, 9, SIZE).sum(axis=1), atol=1e-10)


def test_a_narrow_soft_assignment_is_a_hard_one():
    X, _ = patches()
    assert_allclose(words(assignment="soft", sigma=1e-3).fit_transform(X), words().fit_transform(X), atol=1e-12)


@pytest.mark.parametrize("assignment", ["hard", "soft"])
def test_normalisation(assignment):
    X, which = patches()
    counts = words(assignment=assignment).fit_transform(X)
    assert_allclose(counts.sum(axis=1), 2 * (which >= 0).sum(axis=1))  # each patch once a level
    shares = words(assignment=assignment, norm="l1").fit_transform(X)
    assert_allclose(shares, counts / counts.sum(axis=1, keepdims=True))
    roots = words(assignment=assignment, norm="l2", power=0.5).fit_transform(X)
    assert_allclose(roots, np.sqrt(shares), atol=1e-12)  # Hellinger's kernel: roots of shares have length 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("words", 0),
        ("words", 3.0),
        ("pyramid", ()),
        ("pyramid", 2),
        ("pyramid", (1, 0)),
        ("assignment", "firm"),
        ("sigma", 0),
        ("sigma", "wide"),
        ("norm", "l3"),
    ],
)
def test_refuses_a_parameter_that_makes_no_sense(name, value):
    with pytest.raises(ValueError, match=rf"The '{name}' parameter of BagOfVisualWords must be .* Got .* instead\."):
        words().set_params(**{name: value}).fit(patches()[0])


def test_digits_are_told_apart_in_a_pipeline():
    digits = load_digits()
    X_train, X_test, y_train, y_test = train_test_split(digits.images, digits.target, random_state=0)
    pipeline = make_pipeline(DenseSIFT(1, 1), BagOfVisualWords(60, random_state=0), SVC(C=10))
    with_quarters = pipeline.fit(X_train, y_train).score(X_test, y_test)
    assert with_quarters > 0.93
    plain = pipeline.set_params(bagofvisualwords__pyramid=(1,)).fit(X_train, y_train)
    assert plain.score(X_test, y_test) < with_quarters

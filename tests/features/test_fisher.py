"""Fisher vectors against scikit-image, scikit-learn's mixture and finite differences of the log likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.feature import fisher_vector
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from common.features.fisher import FisherVector, coordinates, fisher_gradients, responsibilities
from common.features.sift import DenseSIFT

K, SIZE = 3, 4


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).gamma(2.0, size=(5, 16, SIZE))


@pytest.fixture(scope="module")
def mixture(x):
    return GaussianMixture(K, covariance_type="diag", random_state=0).fit(x.reshape(-1, SIZE))


@parametrize_with_checks([FisherVector(2, random_state=0), FisherVector(2, descriptor_size=1, random_state=0)])
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_responsibilities_are_those_of_scikit_learn(x, mixture):
    expected = mixture.predict_proba(x.reshape(-1, SIZE)).reshape(5, 16, K)
    assert_allclose(responsibilities(x, mixture), expected, atol=1e-10)


def test_gradients_are_those_of_the_log_likelihood(x, mixture):
    """∂/∂μ and ∂/∂σ of the mean log likelihood, times σ/√w and σ/√(2w)."""
    ours = fisher_gradients(x, responsibilities(x, mixture), mixture)
    deviations, h = np.sqrt(mixture.covariances_), 1e-5

    def likelihood(of: np.ndarray, means: np.ndarray, deviations: np.ndarray) -> float:
        moved = clone(mixture)
        moved.weights_, moved.means_, moved.covariances_ = mixture.weights_, means, deviations**2
        moved.precisions_cholesky_ = 1 / deviations
        return moved.score(of)

    for image, (to_mean, to_deviation) in zip(x[:2], ours, strict=False):
        for k in range(K):
            for d in range(SIZE):
                step = np.zeros((K, SIZE))
                step[k, d] = h
                up, down = (likelihood(image, mixture.means_ + s * step, deviations) for s in (1, -1))
                scale = deviations[k, d] / np.sqrt(mixture.weights_[k])
                assert to_mean[k, d] == pytest.approx((up - down) / (2 * h) * scale, abs=1e-6)
                up, down = (likelihood(image, mixture.means_, deviations + s * step) for s in (1, -1))
                assert to_deviation[k, d] == pytest.approx((up - down) / (2 * h) * scale / np.sqrt(2), abs=1e-6)


def test_gradients_are_those_of_scikit_image(x, mixture):
    """Which puts the gradient of the weights in front, and turns the sign of the one of the deviations."""
    ours = fisher_gradients(x, responsibilities(x, mixture), mixture)
    theirs = np.stack([fisher_vector(image, mixture) for image in x])[:, K:].reshape(5, 2, K, SIZE)
    assert_allclose(ours * [[[[1]], [[-1]]]], theirs, atol=1e-10)


def test_the_whole_vector_is_scikit_image_s(x):
    """Through the transformer, without positions: principal components, root and length as well."""
    encoder = FisherVector(K, descriptor_size=SIZE, dimensions=SIZE, positions=False, random_state=0)
    ours = encoder.fit_transform(x.reshape(5, -1))
    described = [encoder.pca_.transform(image) for image in x]
    theirs = np.stack([fisher_vector(image, encoder.mixture_, improved=True) for image in described])[:, K:]
    theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    sign = np.repeat([1, -1], K * SIZE)
    assert_allclose(ours * sign, theirs, atol=1e-8)
    assert_allclose(np.linalg.norm(ours, axis=1), 1)


def test_positions_are_appended(x):
    with_them = FisherVector(K, descriptor_size=SIZE, dimensions=2, random_state=0).fit(x.reshape(5, -1))
    assert with_them.mixture_.means_.shape == (K, 2 + 2)
    assert_array_equal(with_them.coordinates_[[0, 3, 12, 15]], [[-1, -1], [-1, 1], [1, -1], [1, 1]])
    turned = x.reshape(5, 4, 4, SIZE)[:, ::-1].reshape(5, -1)  # the same patches elsewhere
    assert not np.allclose(with_them.transform(turned), with_them.transform(x.reshape(5, -1)), atol=0.05)
    without = FisherVector(K, descriptor_size=SIZE, dimensions=2, positions=False, random_state=0).fit(x.reshape(5, -1))
    assert_allclose(without.transform(turned), without.transform(x.reshape(5, -1)), atol=1e-10)


@pytest.mark.parametrize(("grid", "axes"), [((3, 4), 2), ((1, 4), 1), ((3, 1), 1), ((1, 1), 0)])
def test_an_axis_with_one_keypoint_has_no_coordinate(grid, axes):
    assert coordinates(grid).shape == (grid[0] * grid[1], axes)


@pytest.mark.parametrize(("name", "value"), [("components", 0), ("dimensions", 1.5), ("positions", 1), ("power", -1)])
def test_refuses_a_parameter_that_makes_no_sense(x, name, value):
    encoder = FisherVector(K, descriptor_size=SIZE).set_params(**{name: value})
    with pytest.raises(ValueError, match=rf"The '{name}' parameter of FisherVector must be .* Got .* instead\."):
        encoder.fit(x.reshape(5, -1))


def test_digits_are_told_apart_in_a_pipeline():
    digits = load_digits()
    X_train, X_test, y_train, y_test = train_test_split(digits.images, digits.target, random_state=0)
    pipeline = make_pipeline(DenseSIFT(1, 1), FisherVector(8, random_state=0), LinearSVC(dual=True, random_state=0))
    assert pipeline.fit(X_train, y_train).score(X_test, y_test) > 0.95
    y_shuffled = np.random.default_rng(0).permutation(y_train)
    assert pipeline.fit(X_train, y_shuffled).score(X_test, y_test) < 0.3

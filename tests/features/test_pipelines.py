"""The kernel machine against scikit-learn's SVM; mirrored training; thumbnails; and what a pipeline may see."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.measure import block_reduce
from sklearn.datasets import load_iris
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from common.data import Scale, cifar10, mnist
from common.errors import Problem
from common.features import pipelines
from common.features.pipelines import KernelMachine, doubled, thumbnail


@parametrize_with_checks([KernelMachine(random_state=0)])
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("C", "width"), [(10.0, 1.0), (0.5, 3.0)])
def test_with_all_components_the_machine_is_an_svm_on_the_inputs(C, width):
    """Principal components are a rotation, which keeps distances; γ is the width over the total variance."""
    X, y = load_iris(return_X_y=True)
    ours = KernelMachine(C=C, width=width).fit(X, y)
    gamma = width / X.var(axis=0, ddof=1).sum()
    peer = SVC(C=C, kernel="precomputed").fit(rbf_kernel(X, gamma=gamma), y)
    assert_array_equal(ours.predict(X), peer.predict(rbf_kernel(X, gamma=gamma)))
    assert_allclose(ours.estimator_[-1].dual_coef_, peer.dual_coef_, atol=0.02 * C)


def test_no_more_components_than_asked_for():
    X, y = load_iris(return_X_y=True)
    assert KernelMachine(2).fit(X, y).estimator_[-1].support_vectors_.shape[1] == 2
    assert KernelMachine(200).fit(X[::50], y[::50]).estimator_[-1].support_vectors_.shape[1] == 3


@pytest.mark.parametrize("shape", [(3, 28, 28), (2, 32, 32, 3), (2, 9, 14, 3)])
def test_a_thumbnail_is_scikit_image_s_block_mean(shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    whole = images[:, : shape[1] // 4 * 4, : shape[2] // 4 * 4]
    expected = np.stack([block_reduce(image, (4, 4, 1)[: image.ndim], np.mean).ravel() / 255 for image in whole])
    assert_allclose(thumbnail(images), expected, atol=1e-5)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_doubling_is_undone_by_block_means(channels):
    """Of a ramp, which linear interpolation continues; the border apart."""
    ramp = np.broadcast_to((8 * np.arange(20)).reshape(1, 1, 20, *(1 for _ in channels)), (2, 10, 20, *channels))
    images = doubled(ramp.astype(np.uint8))
    assert images.shape == (2, 20, 40, *channels)
    assert images.dtype == np.uint8
    halved = images.reshape(2, 10, 2, 20, 2, *channels).mean(axis=(2, 4))
    assert_allclose(halved[:, 1:-1, 1:-1], ramp[:, 1:-1, 1:-1], atol=0.51)


def test_another_set_of_images_is_refused():
    with pytest.raises(Problem, match="no hand-crafted settings for 'svhn': there are mnist, fashion_mnist, cifar10"):
        pipelines.hog_svm("svhn")


@pytest.mark.parametrize("make", [pipelines.hog_svm, pipelines.sift_words_svm, pipelines.fisher_svm])
def test_a_pipeline_learns_digits_from_a_hundred(make):
    digits = mnist(Scale("smoke"))
    few = digits.train.take(slice(100))
    machine = make("mnist", seed=1).fit(few.images, few.labels)
    right = machine.predict(digits.test.images) == digits.test.labels
    assert right.mean() > 0.72  # nearest neighbours of pixels: 0.66
    assert_array_equal(
        make("mnist", seed=1).fit(few.images, few.labels).predict(digits.test.images[:50]) == digits.test.labels[:50],
        right[:50],
    )


def test_objects_in_colour():
    objects = cifar10(Scale("smoke"))
    few = objects.train.take(slice(300))
    machine = pipelines.best_hand_crafted("cifar10").fit(few.images, few.labels)
    assert np.mean(machine.predict(objects.test.images) == objects.test.labels) > 0.3
    grey = np.repeat(objects.test.images.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    assert np.mean(machine.predict(grey) != machine.predict(objects.test.images)) > 0.02  # it sees colour

"""The mixture of Bernoullis: EM climbs, sums over components are right, and parts of images are conditioned on."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ch07_applications.reconstruction.bernoulli_mixture import BernoulliMixture


def images(n=200, seed=0, size=(3, 4)):
    """Two kinds of images."""
    rng = np.random.default_rng(seed)
    means = rng.uniform(0.05, 0.95, (2, *size))
    return (rng.random((n, *size)) < means[rng.integers(2, size=n)]).astype(np.uint8)


def brute_force(model, x):
    """−log Σ_k π_k Π_i μ^x (1 − μ)^(1 − x), factor by factor."""
    total = 0.0
    for weight, means in zip(model.weights_, model.means_, strict=True):
        total += weight * np.prod([m if on else 1 - m for m, on in zip(means, x.ravel(), strict=True)])
    return -np.log(total)


def test_the_likelihood_of_the_posterior_never_decreases():
    for pseudo_count in (1e-3, 0.5, 5.0):
        model = BernoulliMixture(5, pseudo_count, 25).fit(images())
        steps = np.diff(model.objective_)
        assert (steps > -1e-2).all(), steps.min()
        assert model.objective_[-1] > model.objective_[0] + 1


def test_one_component_is_the_means():
    x = images()
    model = BernoulliMixture(1, 0.0, 2).fit(x)
    assert_allclose(model.means_[0], x.reshape(200, -1).mean(axis=0), atol=1e-5)


def test_it_is_a_sum_over_components():
    x = images()
    model = BernoulliMixture(4, rounds=5).fit(x)
    assert_allclose(model.nats(x[:20]), [brute_force(model, each) for each in x[:20]], rtol=1e-5)


def test_it_finds_components_that_are_far_apart():
    means = np.array([[0.9] * 6 + [0.1] * 6, [0.1] * 6 + [0.9] * 6])
    rng = np.random.default_rng(0)
    kinds = rng.integers(2, size=2000)
    x = (rng.random((2000, 12)) < means[kinds]).astype(np.uint8).reshape(-1, 3, 4)
    model = BernoulliMixture(2, rounds=30, seed=1).fit(x)
    order = np.argsort(-model.means_[:, 0])
    assert_allclose(model.means_[order], means, atol=0.04)
    assert_allclose(model.weights_, 0.5, atol=0.05)


def test_the_probabilities_of_all_images_sum_to_1_and_so_do_those_of_a_part_given_the_other():
    model = BernoulliMixture(3, rounds=5).fit(images(size=(2, 3)))
    every = np.array(list(product([0, 1], repeat=6)), np.uint8).reshape(-1, 2, 3)
    assert np.exp(-model.nats(every)).sum() == pytest.approx(1, abs=1e-5)
    given = every[np.all(every[:, 0] == [1, 0, 1], axis=1)]
    assert len(given) == 8
    assert np.exp(-model.nats(given, 1)).sum() == pytest.approx(1, abs=1e-5)


def test_a_part_given_the_other_is_the_whole_without_it():
    x = images()
    model = BernoulliMixture(3, rounds=5).fit(x)
    upper = BernoulliMixture(3)
    upper.weights_, upper.means_ = model.weights_, model.means_[:, :8]
    assert_allclose(model.nats(x, 2), model.nats(x) - upper.nats(x[:, :2]), atol=1e-4)
    assert_allclose(model.nats(x, 0), model.nats(x))


def test_samples_keep_what_is_given_and_follow_the_components():
    x = images(4000)
    model = BernoulliMixture(2, rounds=20).fit(x)
    rng = np.random.default_rng(0)
    assert np.abs(model.sample(np.zeros_like(x), rng).mean(axis=0) - x.mean(axis=0)).max() < 0.05
    completed = model.sample(x, rng, 2)
    assert_array_equal(completed[:, :2], x[:, :2])
    ours, theirs = (np.corrcoef(images.reshape(len(images), -1).T) for images in (completed, x))
    assert np.abs(ours - theirs).max() < 0.12, "the upper rows did not count"


def test_what_it_cannot_fit_is_refused():
    with pytest.raises(ValueError, match="as many images"):
        BernoulliMixture(10).fit(images(5))
    with pytest.raises(ValueError, match="binarise"):
        BernoulliMixture(1).fit(2 * images(5))

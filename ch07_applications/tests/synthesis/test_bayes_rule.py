"""Bayes' rule against brute force, and what a class can save."""

import numpy as np
import pytest

from ch07_applications.synthesis.bayes_rule import log_joint, log_posterior, marginal_nats, most_probable


def densities(classes=4, values=32, seed=0):
    """The p(x | y) of every x, a column per class, and very unequal priors."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(values, 0.4), classes).T + 1e-12, rng.dirichlet(np.full(classes, 1.0))


def test_posterior_marginal_and_decision_are_those_of_brute_force():
    likelihood, priors = densities()
    nats = -np.log(likelihood)
    for x, row in enumerate(likelihood):
        joint = [p * prior for p, prior in zip(row, priors, strict=True)]
        np.testing.assert_allclose(np.exp(log_posterior(nats, priors)[x]), np.array(joint) / sum(joint), rtol=1e-9)
        assert marginal_nats(nats, priors)[x] == pytest.approx(-np.log(sum(joint)))
        assert most_probable(nats, priors)[x] == np.argmax(joint)


def test_priors_change_the_decision():
    nats = np.array([[1.0, 1.2]])
    assert most_probable(nats, np.array([0.5, 0.5]))[0] == 0
    assert most_probable(nats, np.array([0.2, 0.8]))[0] == 1


def test_a_digit_of_thousands_of_nats_does_not_underflow():
    nats = np.array([[2000.0, 2003.0]])
    np.testing.assert_allclose(np.exp(log_posterior(nats, np.array([0.5, 0.5]))).sum(), 1)
    assert marginal_nats(nats, np.array([0.5, 0.5]))[0] == pytest.approx(2000 + np.log(2) - np.log1p(np.exp(-3)))


def test_a_class_saves_at_most_minus_log_of_its_prior_and_on_average_the_mutual_information():
    likelihood, priors = densities()
    nats = -np.log(likelihood)
    gains = marginal_nats(nats, priors)[:, None] - nats
    assert (gains <= -np.log(priors) + 1e-9).all()
    joint = likelihood * priors / (likelihood * priors).sum()
    information = (joint * np.log(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0)))).sum()
    assert (joint * gains).sum() == pytest.approx(information, abs=1e-6)
    assert information < -(priors * np.log(priors)).sum() <= np.log(len(priors)) + 1e-12


def test_ten_classes_that_nothing_confuses_save_ln_10_and_equal_ones_nothing():
    apart = np.where(np.eye(10), 5.0, 1000.0)
    uniform = np.full(10, 0.1)
    np.testing.assert_allclose(marginal_nats(apart, uniform) - 5, np.log(10))
    np.testing.assert_allclose(marginal_nats(np.full((3, 10), 7.0), uniform), 7)


@pytest.mark.parametrize("priors", [np.array([0.5, 0.6]), np.array([-0.5, 1.5])])
def test_priors_that_are_no_shares_are_refused(priors):
    with pytest.raises(ValueError, match="sum to 1"):
        log_joint(np.zeros((1, 2)), priors)


def test_an_image_without_likelihood_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        log_posterior(np.array([[np.nan, 1.0]]), np.array([0.5, 0.5]))

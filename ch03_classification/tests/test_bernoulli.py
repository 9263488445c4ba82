"""Likelihood, log loss, averages and intervals of a coin against scipy.stats, scikit-learn and simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate, optimize, stats
from sklearn import metrics

from ch03_classification.bernoulli import (
    coverage,
    entropy,
    expected_log_loss,
    laplace_rule,
    likelihood,
    log_loss,
    malignant_as_1,
    maximum_likelihood,
    outcomes,
    score_probability,
    wald_interval,
)
from common.console import Console
from common.data import Scale, breast_cancer
from common.record import LessonRecord
from common.results import wilson_interval
from common.run import Run

inside = st.floats(1e-6, 1 - 1e-6)


# --- the data ---------------------------------------------------------------------------------------------------------


def test_malignant_becomes_1():
    """Of the 569 tumours 212 are malignant (Street, Wolberg and Mangasarian 1993), and the set calls them 0."""
    tumours = breast_cancer(seed=0)
    assert tumours.classes == ("malignant", "benign")
    train, test = malignant_as_1(tumours.train), malignant_as_1(tumours.test)
    assert train.labels.sum() + test.labels.sum() == 212
    assert_array_equal(train.labels == 1, tumours.train.labels == 0)
    assert_array_equal(train.features, tumours.train.features)
    assert_array_equal(train.ids, tumours.train.ids)
    assert train.names == tumours.train.names


# --- the likelihood ---------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(tosses=st.lists(st.integers(0, 1), min_size=1, max_size=30), h=inside)
def test_the_likelihood_is_the_product_over_tosses(tosses, h):
    y = np.array(tosses)
    product = stats.bernoulli.pmf(y, h).prod()
    assert_allclose(likelihood(h, int(y.sum()), len(y)), product, rtol=1e-9)
    assert_allclose(np.exp(-log_loss(y, h).sum()), product, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(1, 50))
def test_no_coin_is_likelier_than_k_out_of_n(data, n):
    k = data.draw(st.integers(0, n))
    grid = np.linspace(0, 1, 401)
    assert (likelihood(grid, k, n) <= likelihood(maximum_likelihood(k, n), k, n) * (1 + 1e-12)).all()
    found = optimize.minimize_scalar(lambda h: log_loss(k / n, h), bounds=(0, 1), method="bounded")
    assert_allclose(maximum_likelihood(k, n), found.x, atol=1e-4)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (0, 5), (5, 5), (3, 7)])
def test_laplaces_rule_is_the_mean_of_the_posterior(k, n):
    evidence, _ = integrate.quad(lambda h: likelihood(h, k, n), 0, 1)
    mean, _ = integrate.quad(lambda h: h * likelihood(h, k, n) / evidence, 0, 1)
    assert_allclose(laplace_rule(k, n), mean, rtol=1e-9)
    assert_allclose(laplace_rule(k, n), stats.beta(k + 1, n - k + 1).mean(), rtol=1e-12)


# --- the log loss -----------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(data=st.data(), n=st.integers(1, 20))
def test_the_log_loss_is_scikit_learns(data, n):
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    p = np.array(data.draw(st.lists(inside, min_size=n, max_size=n)))
    assert_allclose(log_loss(y, p).mean(), metrics.log_loss(y, p, labels=[0, 1]), rtol=1e-10)


def test_certainty_costs_nothing_or_everything():
    with np.errstate(all="raise"):
        assert_array_equal(log_loss(np.array([0, 1, 0, 1]), np.array([0.0, 1.0, 1.0, 0.0])), [0, 0, np.inf, np.inf])
    assert_allclose(log_loss(1, 1e-300), 300 * np.log(10), rtol=1e-14)
    assert_allclose(log_loss(0, 1e-20), 1e-20, rtol=1e-14)


@pytest.mark.parametrize(("y", "p"), [(1, -0.1), (1, 1.1), (2, 0.5), (-1, 0.5), (1, np.nan)])
def test_refuses_what_is_no_probability(y, p):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        log_loss(y, p)


@settings(max_examples=100, deadline=None)
@given(p=st.floats(0, 1), q=inside)
def test_the_entropy_is_scipys_and_the_floor_of_the_log_loss(p, q):
    assert_allclose(entropy(p), stats.entropy([p, 1 - p]), atol=1e-12)
    assert_allclose(log_loss(p, q) - entropy(p), stats.entropy([p, 1 - p], [q, 1 - q]), atol=1e-9)
    assert log_loss(p, q) >= entropy(p) - 1e-12


# --- averages over samples --------------------------------------------------------------------------------------------


def test_outcomes_are_binomial():
    k, chance = outcomes(7, 0.3)
    assert_array_equal(k, np.arange(8))
    assert_allclose(chance, stats.binom.pmf(np.arange(8), 7, 0.3))


@pytest.mark.parametrize("rule", [maximum_likelihood, laplace_rule])
def test_the_expected_log_loss_is_that_of_many_samples(rule):
    rng, y = np.random.default_rng(0), np.array([0, 1, 1])
    k = (rng.random((40_000, 6)) < 0.4).sum(axis=1)
    drawn = [metrics.log_loss([label], [[1 - p, p]], labels=[0, 1]) for label in y for p in rule(np.arange(7), 6)]
    mean = np.bincount(k, minlength=7) / len(k) @ np.array(drawn).reshape(3, 7).T
    assert_allclose(expected_log_loss(rule, 6, 0.4, y), mean, rtol=0.05)


# --- intervals --------------------------------------------------------------------------------------------------------


def test_walds_interval_by_hand():
    low, high = wald_interval(3, 12)
    assert_allclose([low, high], 0.25 + np.array([-1, 1]) * 1.96 * np.sqrt(0.25 * 0.75 / 12))
    assert wald_interval(0, 9) == (0, 0)


def test_coverage_is_what_simulation_counts():
    rng, truths = np.random.default_rng(1), np.array([0.05, 0.3, 0.5])
    for interval in (wald_interval, lambda k, n: wilson_interval(k, n).ends[1:]):
        ends = np.array([interval(k, 20) for k in range(21)])
        k = rng.binomial(20, truths, (100_000, 3))
        inside = (ends[k, 0] <= truths) & (truths <= ends[k, 1])
        assert_allclose(coverage(interval, 20, truths), inside.mean(axis=0), atol=0.01)


def test_the_whole_line_covers_always_and_nothing_never():
    truths = np.linspace(0.01, 0.99, 9)
    assert_allclose(coverage(lambda k, n: (0.0, 1.0), 10, truths), 1)
    assert_allclose(coverage(lambda k, n: (2.0, 3.0), 10, truths), 0)


# --- the scoreboard ---------------------------------------------------------------------------------------------------


def test_a_probability_is_scored_by_accuracy_and_log_loss():
    run = Run("bernoulli", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())
    test = malignant_as_1(breast_cancer(seed=0).test)
    p = np.random.default_rng(2).random(len(test))
    p[:2] = 0.0, 1.0
    with run.method("guess", kind="classical") as method:
        score_probability(method, test, lambda X: p)
    rows = {row.metric: row.value for row in run.record.rows}
    assert_allclose(rows["log loss"], metrics.log_loss(test.labels, p), rtol=1e-9)
    assert_allclose(rows["accuracy"], 100 * metrics.accuracy_score(test.labels, p >= 0.5))

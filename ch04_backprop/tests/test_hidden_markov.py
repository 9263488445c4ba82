"""The hidden Markov model against sums over all paths, and the promise of expectation-maximisation."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ch04_backprop.sequences import hidden_markov
from ch04_backprop.sequences.hidden_markov import MarkovClassifier, log_likelihoods, random_model, reestimate


def path_sums(model, series):
    """p(sequence), and the expected counts of first states, moves and emissions, by all paths."""
    K, S = model.emits.shape
    total, first, moves, emits = 0.0, np.zeros(K), np.zeros((K, K)), np.zeros((K, S))
    for path in product(range(K), repeat=len(series)):
        p = model.first[path[0]] * np.prod([model.emits[s, o] for s, o in zip(path, series, strict=True)])
        p *= np.prod([model.moves[a, b] for a, b in pairwise(path)])
        total += p
        first[path[0]] += p
        for a, b in pairwise(path):
            moves[a, b] += p
        for s, o in zip(path, series, strict=True):
            emits[s, o] += p
    return total, first / total, moves / total, emits / total


@pytest.fixture
def model():
    return random_model(3, 4, np.random.default_rng(0))


SERIES = np.random.default_rng(1).integers(4, size=(5, 6))


def test_likelihoods_are_sums_over_all_paths(model):
    assert_allclose(log_likelihoods(model, SERIES), [np.log(path_sums(model, each)[0]) for each in SERIES])


def test_a_step_of_baum_and_welch_is_normalised_counts_over_all_paths(model):
    counts = [sum(each) for each in zip(*(path_sums(model, one)[1:] for one in SERIES), strict=True)]
    for found, count in zip(reestimate(model, SERIES), counts, strict=True):
        expected = count + hidden_markov.PSEUDO
        assert_allclose(found, expected / expected.sum(axis=-1, keepdims=True), rtol=1e-9)


def test_without_pseudo_counts_no_step_lowers_the_likelihood(model, monkeypatch):
    monkeypatch.setattr(hidden_markov, "PSEUDO", 1e-12)
    before = log_likelihoods(model, SERIES).sum()
    for _ in range(15):
        model = reestimate(model, SERIES)
        after = log_likelihoods(model, SERIES).sum()
        assert after >= before - 1e-9
        before = after


def test_probabilities_of_all_sequences_add_up_to_1(model):
    everything = np.array(list(product(range(4), repeat=4)))
    assert_allclose(np.exp(log_likelihoods(model, everything)).sum(), 1)


def test_two_orders_of_the_same_symbols_are_told_apart():
    """0 1 0 1 … and 0 0 … 1 1 …: equal histograms, different transitions."""
    rng = np.random.default_rng(0)
    alternating = (np.arange(12) + rng.integers(2, size=(60, 1))) % 2
    halves = np.sort(alternating, axis=1)
    series, labels = np.concatenate([alternating, halves]), np.repeat([0, 1], 60)
    fitted = MarkovClassifier(2, 20, 2, seed=0).fit(series, labels)
    assert (fitted.predict(series) == labels).all()


def test_the_likeliest_start_is_kept():
    series, labels = np.random.default_rng(0).integers(3, size=(40, 8)), np.zeros(40, int)
    few, many = (MarkovClassifier(3, 5, starts, seed=0).fit(series, labels) for starts in (1, 6))
    of = [log_likelihoods(each.models[0], series).sum() for each in (few, many)]
    assert of[1] >= of[0]

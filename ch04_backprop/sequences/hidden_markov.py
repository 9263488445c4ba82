"""A hidden Markov model per class: the classical sequence model with a state, like a recurrent network.

Method     A hidden state s_t changes by a matrix of probabilities A, and emits the symbol of step t by another, B; the
           first state is drawn from p. The likelihood of a sequence is a sum over all paths of states, computed step
           by step (Rabiner 1989, §III.A). Fitted by expectation-maximisation (Baum et al. 1970): the posterior
           probabilities of states and moves are counted, and normalised counts are the next p, A and B. A sequence is
           assigned to the class whose model gives it the largest likelihood, times the class's share.
Differs    Counts start at PSEUDO and not at 0, so that no symbol is impossible.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

PSEUDO = 0.1  # added to each count


class Model(NamedTuple):
    """p(s_1), p(s_t ∣ s_{t−1}) and p(symbol ∣ s_t); rows add up to 1."""

    first: Float[np.ndarray, "states"]
    moves: Float[np.ndarray, "states states"]
    emits: Float[np.ndarray, "states symbols"]


def normalise(counts: Float[np.ndarray, "*rows columns"]) -> Float[np.ndarray, "*rows columns"]:
    return counts / counts.sum(axis=-1, keepdims=True)


def random_model(states: int, symbols: int, rng: np.random.Generator) -> Model:
    """A random model: states mostly stay, and emit at random."""
    moves = rng.random((states, states)) / states + states * np.eye(states)
    return Model(*map(normalise, (rng.random(states), moves, 1 + rng.random((states, symbols)))))


def forward(model: Model, series: Int[np.ndarray, "n steps"]) -> tuple[Float[np.ndarray, "n steps states"], np.ndarray]:
    """α̂_t = p(s_t ∣ symbols up to t), and p(symbol t ∣ those before), whose logarithms add up to the likelihood's."""
    alpha = np.empty((*series.shape, len(model.first)))
    share = np.empty(series.shape)
    before = np.broadcast_to(model.first, (len(series), len(model.first)))
    for t in range(series.shape[1]):
        joint = before * model.emits.T[series[:, t]]
        share[:, t] = joint.sum(axis=1)
        alpha[:, t] = joint / share[:, t, None]
        before = alpha[:, t] @ model.moves
    return alpha, share


def log_likelihoods(model: Model, series: Int[np.ndarray, "n steps"]) -> Float[np.ndarray, "n"]:
    """log p(sequence), in nats."""
    return np.log(forward(model, series)[1]).sum(axis=1)


def reestimate(model: Model, series: Int[np.ndarray, "n steps"]) -> Model:
    """One step of Baum and Welch: it never lowers the likelihood, apart from the effect of PSEUDO."""
    alpha, share = forward(model, series)
    states, symbols = model.emits.shape
    beta, moves = np.ones((len(series), states)), np.zeros((states, states))
    emits = np.zeros((symbols, states))
    for t in reversed(range(series.shape[1])):
        posterior = alpha[:, t] * beta  # p(s_t ∣ all symbols)
        np.add.at(emits, series[:, t], posterior)
        onward = model.emits.T[series[:, t]] * beta / share[:, t, None]
        if t:
            moves += model.moves * (alpha[:, t - 1].T @ onward)
        beta = onward @ model.moves.T
    return Model(*(normalise(PSEUDO + counts) for counts in (posterior.sum(axis=0), moves, emits.T)))


class MarkovClassifier:
    """A model for each class. states: per model; steps: of Baum and Welch; starts: random; the likeliest is kept."""

    def __init__(self, states: int, steps: int, starts: int, seed: int) -> None:
        self.states, self.steps, self.starts, self.seed = states, steps, starts, seed

    def fit(self, series: Int[np.ndarray, "n steps"], labels: Int[np.ndarray, "n"]) -> MarkovClassifier:
        """Fit a model to the sequences of each class."""
        rng, symbols = np.random.default_rng(self.seed), int(series.max()) + 1
        self.shares = np.bincount(labels) / len(labels)
        self.models = [self._best(series[labels == k], symbols, rng) for k in range(len(self.shares))]
        return self

    def _best(self, series: Int[np.ndarray, "n steps"], symbols: int, rng: np.random.Generator) -> Model:
        models = [random_model(self.states, symbols, rng) for _ in range(self.starts)]
        for _ in range(self.steps):
            models = [reestimate(model, series) for model in models]
        return max(models, key=lambda model: log_likelihoods(model, series).sum())

    def predict(self, series: Int[np.ndarray, "n steps"]) -> Int[np.ndarray, "n"]:
        """The class with the largest likelihood times its share."""
        logs = np.array([log_likelihoods(model, series) for model in self.models]).T + np.log(self.shares)
        return logs.argmax(axis=1)

    def parameters(self) -> list[Float[np.ndarray, "..."]]:
        """All its probabilities, which prediction needs."""
        return [self.shares, *(array for model in self.models for array in model)]

"""When to stop, what to go back to, and how near that is to ridge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge

from ch04_backprop import early_stopping
from ch04_backprop.batchnorm import batchnorm_then_relu
from ch04_backprop.digits.few_digits import few_digits, new_network
from ch04_backprop.early_stopping import EarlyStopping, draw_epochs, mean_loss, ridge, train_at_constant_rate
from ch04_backprop.gradient_descent import descend
from ch04_backprop.layers import Linear, Network
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run
from tests import smoke_recordings
from tests.recorded_lesson import recorded


def make_run() -> Run:
    return Run("early_stopping", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())


def counted(losses, patience):
    """Go through the losses; before each, all weights become the epoch's number."""
    network = Network([Linear(2, 1, np.random.default_rng(0))], SoftmaxCrossEntropy())
    remaining = iter(losses)
    stopping = EarlyStopping(network, lambda: next(remaining), patience)
    for epoch in range(1, len(losses) + 1):
        for parameter in network.parameters():
            parameter.data[...] = epoch
        if stopping(epoch):
            break
    return epoch, stopping, network


def stopped_descent(H, g, rate, steps):
    """θ after 1, 2, … steps from 0, as the lesson computes it."""
    return descend(lambda theta: H @ theta - g, np.zeros(len(g)), rate, steps)[1:]


@settings(max_examples=100, deadline=None)
@given(losses=st.lists(st.integers(0, 9).map(float), min_size=1, max_size=30), patience=st.integers(1, 6))
def test_it_stops_and_goes_back_where_one_would_by_hand(losses, patience):
    ends = [t for t in range(len(losses)) if t - int(np.argmin(losses[: t + 1])) >= patience]
    last = ends[0] if ends else len(losses) - 1
    epoch, stopping, network = counted(losses, patience)
    assert epoch == last + 1
    assert stopping.best == int(np.argmin(losses[: last + 1])) + 1
    assert stopping.losses == losses[: last + 1]
    stopping.restore()
    for parameter in network.parameters():
        assert_array_equal(parameter.data, stopping.best)


def test_a_loss_that_is_no_number_is_never_the_best():
    nan = float("nan")
    epoch, stopping, _ = counted([3.0, nan, nan, 1.0], 2)
    assert (epoch, stopping.best) == (3, 1)
    epoch, stopping, network = counted([nan, nan, nan], 2)
    assert (epoch, stopping.best) == (2, 0)
    stopping.restore()
    assert np.abs(network.layers[0].W.data).max() not in (1, 2)


def test_what_batchnorm_measured_is_restored_too():
    rng = np.random.default_rng(1)
    network = new_network(rng, hidden=batchnorm_then_relu)
    norm = network.layers[1]
    assert len(network.state()) == 4 + 2 + 2
    stopping = EarlyStopping(network, iter((1.0, 2.0)).__next__, patience=1)
    network.forward(rng.normal(size=(20, 784)).astype(np.float32))
    measured = [array.copy() for array in norm.measured]
    assert not stopping(1)
    network.forward(5 + rng.normal(size=(20, 784)).astype(np.float32))
    assert np.abs(norm.measured[0] - measured[0]).max() > 0.01
    assert stopping(2)
    stopping.restore()
    for now, then in zip(norm.measured, measured, strict=True):
        assert_array_equal(now, then)


def test_in_training_it_ends_the_epochs_and_asks_a_network_in_use():
    run = make_run()
    few = few_digits(run, 0)
    network, asked = new_network(np.random.default_rng(0)), (few.x_validation, few.validation.labels)
    modes, losses = [], iter((0.5, 0.4, 0.6, 0.7, 0.3, 0.2))

    def loss():
        modes.append(any(layer.training for layer in network.layers))
        return next(losses)

    stopping = EarlyStopping(network, loss, patience=2)
    at_best = []
    train_at_constant_rate(
        run,
        network,
        (few.x, few.train.labels),
        6,
        lambda epoch: stopping(epoch) or at_best.append(network.layers[0].W.data.copy()),
    )
    assert stopping.losses == [0.5, 0.4, 0.6, 0.7]
    assert modes == [False] * 4
    assert np.abs(network.layers[0].W.data - at_best[1]).max() > 0
    stopping.restore()
    assert_array_equal(network.layers[0].W.data, at_best[1])
    assert mean_loss(network, asked) == pytest.approx(few.losses(network)[1])


def quadratic(seed: int = 0, n: int = 50, m: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, m)) @ rng.normal(size=(m, m))
    y = x @ rng.normal(size=m) + rng.normal(size=n)
    return x, y, x.T @ x / n, x.T @ y / n


@pytest.mark.parametrize("seed", range(3))
def test_descent_has_come_that_part_of_the_way_along_every_eigenvector(seed):
    x, y, H, g = quadratic(seed)
    h, V = np.linalg.eigh(H)
    rate, steps = 0.5 / h[-1], np.array([1, 2, 10, 200])
    goal = V.T @ np.linalg.lstsq(x, y)[0]
    ways = 1 - (1 - rate * h) ** steps[:, None]
    assert_allclose(stopped_descent(H, g, rate, 200)[steps - 1] @ V, ways * goal, atol=1e-9)


def test_ridge_is_scikit_learns():
    x, y, H, g = quadratic()
    penalties = np.array([1e-3, 0.1, 5.0])
    expected = [Ridge(penalty * len(x), fit_intercept=False).fit(x, y).coef_ for penalty in penalties]
    assert_allclose(ridge(H, g, penalties), expected, rtol=1e-8)


@pytest.mark.parametrize(("share", "gap"), [(1e-4, 0.204), (0.2, 0.227), (1.0, 0.5)])
def test_how_far_ridge_is_behind_descent_depends_on_the_step(share, gap):
    """The three values that ridge's docstring gives, for one weight: share is ηh, with h = 1."""
    H, g = np.eye(1), np.ones(1)
    steps = np.arange(1, round(10 / share) + 2)
    behind = stopped_descent(H, g, share, len(steps)) - ridge(H, g, 1 / (share * steps))
    assert behind.max() == pytest.approx(gap, abs=5e-4)


def test_stopped_descent_and_ridge_differ_by_a_fifth_of_the_way_at_most():
    """max over s of (1 − e^−s) − s / (1 + s) is 0.2036, at ηth = s = 2.51; far from there the two are the same."""
    x, y, H, g = quadratic()
    h, V = np.linalg.eigh(H)
    rate = 0.01 / h[-1]  # small, as (1 − ηh)ᵗ is to be e^−ηht
    steps = np.unique(np.geomspace(1, 200_000, 200).astype(int))
    goal = V.T @ np.linalg.lstsq(x, y)[0]
    stopped, penalised = stopped_descent(H, g, rate, int(steps[-1]))[steps - 1], ridge(H, g, 1 / (rate * steps))
    ways = [theta @ V / goal for theta in (stopped, penalised)]
    gap = ways[0] - ways[1]
    assert gap.min() > -1e-6
    assert gap.max() == pytest.approx(0.2036, abs=0.003)
    s = rate * steps[:, None] * h
    assert gap[(s < 0.01) | (s > 100)].max() < 0.0101
    assert s.ravel()[gap.argmax()] == pytest.approx(2.51, rel=0.1)


@smoke_recordings.worker("ch04_backprop")
@pytest.mark.parametrize(("p_of_accuracy", "claimed"), [(1e-4, True), (0.06, False)])
def test_the_digits_lost_are_claimed_by_the_accuracy_whatever_the_log_loss(p_of_accuracy, claimed):
    run = smoke_recordings.recorded("ch04_backprop", "early_stopping")
    (holds,) = next(conditions for text, conditions in run.claims if text.startswith("Early stopping costs the digits"))
    pair = {"early stopping", "all digits, no early stopping"}
    decided = []
    for each in run.record.comparisons:
        p = p_of_accuracy if {each.a, each.b} == pair and each.metric == "accuracy" else 1.0  # the log losses are level
        ahead = 1.0 if (each.a != "early stopping") == each.higher_is_better else -1.0
        decided.append(replace(each, difference=ahead, p_value=p))
    assert holds(replace(run.record, comparisons=decided)) is claimed


def test_the_legend_counts_the_digits_of_each_part(monkeypatch):
    found = recorded(early_stopping, monkeypatch)
    few = few_digits(found.run, 0)
    legend = draw_epochs(*found.figures["epochs"]).axes[1].get_legend()
    kept = round(0.8 * len(few.x))
    assert [text.get_text() for text in legend.get_texts()] == [
        f"training ({kept})",
        f"held out for stopping ({len(few.x) - kept})",
        f"other digits ({len(few.x_validation)})",
    ]

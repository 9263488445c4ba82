"""ReLU and tanh race under the same conditions, each with a learning rate of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from ch07_applications.classification import activation_race
from ch07_applications.classification.activation_race import (
    WINDOW,
    Training,
    fastest,
    flat_share,
    four_layers,
    race,
    train_to_target,
)
from common.console import Console
from common.data import Images, Scale
from common.paper_claims import PaperClaims
from common.record import LessonRecord
from common.run import Run


def made(n=96):
    rng = np.random.default_rng(0)
    return Images(rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, n))


def test_it_has_arrived_when_the_last_batches_are_right_three_times_in_four():
    training = Training(0.1, nn.Sequential(), [1.0] * 40 + [0.25] * (WINDOW - 1))
    assert not training.arrived
    assert training.steps == np.inf
    training.errors.append(0.25)
    assert training.arrived
    assert training.steps == 40 + WINDOW
    assert not Training(0.1, nn.Sequential(), [0.0] * (WINDOW - 1)).arrived
    assert_allclose(training.curve()[[0, -1]], [100, 25])
    assert len(training.curve()) == len(training.errors) - WINDOW + 1


def test_the_network_has_four_layers_and_starts_with_signals_of_like_size():
    for activation in (nn.ReLU, nn.Tanh):
        torch.manual_seed(0)
        network = four_layers(activation)
        weighted = [layer for layer in network if hasattr(layer, "weight")]
        assert len(weighted) == 4
        factor = {nn.ReLU: 2, nn.Tanh: 1}[activation]
        variances = [float(layer.weight.detach().var() * layer.weight[0].numel()) for layer in weighted]
        assert_allclose(variances, factor, rtol=0.25)


def test_errors_are_of_the_batches_before_their_step():
    part = made(64)
    data = (torch.randn(64, 3, 32, 32), torch.tensor(part.labels))
    training = train_to_target(nn.ReLU, 0.01, data, seed=3, most=1)
    torch.manual_seed(3)
    first = four_layers(nn.ReLU)(data[0]).argmax(1) != data[1]
    assert training.errors == [pytest.approx(float(first.float().mean()))]


def test_both_activations_see_the_same_batches(monkeypatch):
    seen = {nn.ReLU: [], nn.Tanh: []}
    asked = activation_race.minibatches
    for activation, orders in seen.items():
        noting = lambda *args, orders=orders: (orders.append(b.tolist()) or b for b in asked(*args))  # noqa: E731
        monkeypatch.setattr(activation_race, "minibatches", noting)
        data = (torch.randn(96, 3, 32, 32), torch.zeros(96, dtype=torch.long))
        train_to_target(activation, 1e-6, data, seed=0, most=3)
    assert seen[nn.ReLU] == seen[nn.Tanh]
    assert len(seen[nn.ReLU]) == 3


def test_the_rate_that_arrives_first_is_taken_and_later_ones_are_stopped(monkeypatch):
    needed, limits = {0.1: 80, 0.2: np.inf, 0.3: 50, 0.4: 70}, []

    def trained(activation, rate, data, seed, most):
        limits.append(most)
        arrives = needed[rate] <= most
        return Training(rate, nn.Sequential(), [0.0 if arrives else 1.0] * int(min(needed[rate], most)))

    monkeypatch.setattr(activation_race, "train_to_target", trained)
    assert fastest(nn.ReLU, tuple(needed), made(8), seed=0, most=100).rate == 0.3
    assert limits == [100, 80, 80, 50]


def test_flat_units_are_those_that_let_no_gradient_through():
    identity = nn.Conv2d(3, 3, 1, bias=False)
    identity.weight.data = torch.eye(3)[:, :, None, None]
    part = Images(np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 255)]), np.arange(2))  # −1 and 1
    assert flat_share(nn.Sequential(identity, nn.ReLU()), part) == 0.5
    assert flat_share(nn.Sequential(identity, nn.Tanh()), part) == 0
    identity.weight.data *= 3  # 1 − tanh(3)² is 0.01
    assert flat_share(nn.Sequential(identity, nn.Tanh()), part) == 1


def test_the_race_is_run_on_the_part_it_is_given_with_rates_of_its_own(monkeypatch):
    asked = []

    def taken(activation, rates, part, seed, most):
        asked.append((activation, part))
        return Training({nn.ReLU: 0.1, nn.Tanh: 0.2}[activation], four_layers(activation), [0.0] * WINDOW)

    monkeypatch.setattr(activation_race, "fastest", taken)
    run = Run("toy", 2, Scale("smoke"), LessonRecord("", ""), Path(), Console(quiet=True))
    part = made(40)
    trainings = race(run, PaperClaims(run), part)
    assert {name: training.rate for name, training in trainings.items()} == {"ReLU": 0.1, "tanh": 0.2}
    assert all(np.array_equal(given.images, part.images) for _, given in asked)
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts["chosen learning rate: tanh"] == 0.2
    assert facts["steps to 25% training error: ReLU"] == WINDOW

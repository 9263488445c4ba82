"""False alarms where the truth is known, and an experiment that follows its settings."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop import scientific_method
from ch04_backprop.digits.few_digits import few_digits
from ch04_backprop.hidden_units import Tanh
from ch04_backprop.layers import Linear, ReLU, Sigmoid
from ch04_backprop.networks.training import Training, one_cycle
from ch04_backprop.optimisers import SGD, Adam, Momentum
from ch04_backprop.scientific_method import (
    FACTORS,
    GROUP,
    Settings,
    alarms_of_groups,
    alarms_of_single_runs,
    draw_families,
    experiment,
    families_with_alarms,
    holm,
    p_values_of_nulls,
)
from common import significance
from common.console import Console
from common.data import Scale
from common.errors import LossNotFinite
from common.record import LessonRecord
from common.run import Run


def make_run(preset="smoke"):
    return Run("scientific_method", 0, Scale(preset), LessonRecord("", ""), Path(), Console())


# --- False alarms -----------------------------------------------------------------------------------------------------


def test_runs_that_agree_are_never_called_different():
    same = np.tile(np.random.default_rng(0).random(300) < 0.9, (6, 1))
    assert alarms_of_single_runs(same) == 0
    assert alarms_of_groups(same, 2, 20, np.random.default_rng(0)) == 0


def test_of_three_runs_one_is_different_and_so_are_two_of_the_three_pairs():
    rng = np.random.default_rng(1)
    good, bad = rng.random(500) < 0.95, rng.random(500) < 0.5
    assert_allclose(alarms_of_single_runs(np.array([good, bad, good])), 200 / 3)
    assert alarms_of_single_runs(np.array([good, bad])) == 100


def runs_of_one_program(seed, luck, runs=30, items=800):
    """Runs that differ by luck only: each item has its difficulty, each run its own draw and a good or a bad day."""
    rng = np.random.default_rng(seed)
    ease = np.log(9) + 2 * rng.normal(size=items) + luck * rng.normal(size=(runs, 1))
    return rng.random((runs, items)) < 1 / (1 + np.exp(-ease))


@pytest.mark.parametrize(("luck", "at_most"), [(0.0, 4), (0.1, 5), (0.3, 8)])
def test_groups_of_runs_of_one_program_are_rarely_called_different(luck, at_most):
    """A test at 5 %. With luck 0.3 that is what 1500 groups drawn afresh came to; the draws here share their runs."""
    programs = [runs_of_one_program(seed, luck) for seed in range(6)]
    alarms = [alarms_of_groups(program, GROUP, 40, np.random.default_rng(0)) for program in programs]
    assert np.mean(alarms) <= at_most


def test_single_runs_of_one_program_are_called_different_the_more_often_the_more_luck_they_have():
    alarms = [alarms_of_single_runs(runs_of_one_program(0, luck)) for luck in (0.0, 0.3, 1.0)]
    assert alarms[0] < 6  # McNemar's test at 5 %, where its null hypothesis holds
    assert 10 < alarms[1] < alarms[2]


def test_groups_that_do_differ_are_found_out():
    """Ten runs, five of them much worse: how often a draw of two groups separates good from bad decides."""
    rng = np.random.default_rng(3)
    correct = rng.random((4, 2000)) < np.array([0.95, 0.95, 0.6, 0.6])[:, None]
    alarms = alarms_of_groups(
        correct, 2, 300, rng
    )  # good against bad in a third of draws; else each group has one of each
    assert 23 < alarms < 44


def test_the_groups_are_drawn_by_the_generator_and_share_no_run(monkeypatch):
    drawn = []
    crossed_test = scientific_method.significance.crossed_test
    monkeypatch.setattr(
        scientific_method.significance, "crossed_test", lambda a, b: drawn.append((a, b)) or crossed_test(a, b)
    )
    marked = np.eye(9, 40, dtype=bool)  # run k is right about item k only
    alarms_of_groups(marked, 3, 25, np.random.default_rng(4))
    orders = [np.concatenate([a, b]).argmax(axis=1) for a, b in drawn]
    assert len(orders) == 25
    assert all(len(set(order)) == 6 for order in orders)
    assert len({tuple(order) for order in orders}) > 20
    assert {run for order in orders for run in order} == set(range(9))


# --- Many tests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "corrected"),
    [  # as R's p.adjust(p, "holm") has them
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.5, 0.001], [1.0, 1.0, 0.003]),
        ([0.2], [0.2]),
    ],
)
def test_holms_values_are_rs(p, corrected):
    assert_allclose(holm(np.array(p)), corrected)


@given(st.lists(st.sampled_from([0.0, 0.001, 0.004, 0.01, 0.02, 0.03, 0.5, 1.0]), min_size=1, max_size=7))
def test_holm_closes_bonferroni(p):
    """Marcus, Peritz and Gabriel 1976: reject a null where Bonferroni rejects every set of nulls that contains it."""
    p, places = np.array(p), range(len(p))
    sets = [list(s) for size in range(1, len(p) + 1) for s in combinations(places, size)]
    closed = [max(min(1.0, len(s) * p[s].min()) for s in sets if place in s) for place in places]
    assert_allclose(holm(p), closed)
    assert_allclose(holm(p), significance.holm(p))  # which corrects the verdicts


def test_families_with_alarms_are_counted():
    p = np.array([[0.001, 0.9, 0.9], [0.03, 0.9, 0.9], [0.2, 0.3, 0.9], [0.06, 0.06, 0.06]])
    assert families_with_alarms(p) == (50, 25)  # 3 × 0.03 is not an alarm


def test_p_values_of_nulls_are_even_and_their_families_as_theory_says():
    accuracies = np.random.default_rng(0).normal(91, 0.6, 30)
    p = p_values_of_nulls(accuracies, GROUP, 2000, 20, np.random.default_rng(1))
    assert p.shape == (2000, 20)
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.01)
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=0.02)
    uncorrected, corrected = families_with_alarms(p)
    assert uncorrected == pytest.approx(100 * (1 - 0.95**20), abs=4)
    assert corrected < 8


def test_groups_are_drawn_from_the_runs_alone_and_runs_that_agree_give_no_alarm():
    assert_array_equal(p_values_of_nulls(np.full(6, 90.0), 2, 3, 4, np.random.default_rng(0)), np.ones((3, 4)))


def test_the_families_are_drawn_as_they_were_counted():
    alarms = np.array([[5.0, 5.0], [64.0, 4.0]])
    theory, uncorrected, corrected, level = draw_families((1, 20), alarms).axes[0].lines
    assert_allclose(theory.get_ydata()[[0, 19]], [5, 100 * (1 - 0.95**20)])
    assert_array_equal(uncorrected.get_ydata(), alarms[:, 0])
    assert_array_equal(corrected.get_ydata(), alarms[:, 1])
    assert_allclose(level.get_ydata(), 5)


# --- The experiment ---------------------------------------------------------------------------------------------------


def test_the_seed_decides_everything_about_an_experiment():
    run = make_run()
    (network, first), (_, again), (_, other) = (experiment(run, Settings(), seed) for seed in (5, 5, 6))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    few = few_digits(run, 5)
    assert_array_equal(first, network.forward(few.pixels(few.test.images)).argmax(axis=1))
    assert np.mean(first == few.test.labels) > 0.4


@pytest.fixture
def taught(monkeypatch):
    """The calls of experiment() to a training that does nothing: [(training, network, x, answers), …]."""
    asked = []

    def call(self, network, x, answers, rng):
        asked.append((self, network, x, answers))
        return []

    monkeypatch.setattr(Training, "__call__", call)
    return asked


def test_every_setting_takes_effect(taught):
    run = make_run("lecture")

    def described(settings):
        experiment(run, settings, 0)
        training, network, *_ = taught[-1]
        optimiser = training.optimiser(network.parameters())
        shapes = [layer.W.shape for layer in network.layers if isinstance(layer, Linear)]
        units = {type(layer) for layer in network.layers if not isinstance(layer, Linear)}
        return {
            "hidden": shapes,
            "unit": units,
            "optimiser": type(optimiser),
            "learning_rate": optimiser.learning_rate,
            "batch_size": training.batch_size,
            "one_cycle": training.schedule,
            "epochs": training.epochs,
        }

    base, usual = described(Settings()), Settings()
    assert base == {
        "hidden": [(784, 128), (128, 128), (128, 10)],
        "unit": {ReLU},
        "optimiser": Momentum,
        "learning_rate": usual.learning_rate,
        "batch_size": usual.batch_size,
        "one_cycle": one_cycle,
        "epochs": usual.epochs,
    }
    changes = {
        "hidden": ((7,), [(784, 7), (7, 10)]),
        "unit": (Tanh, {Tanh}),
        "optimiser": (SGD, SGD),
        "learning_rate": (0.5, 0.5),
        "batch_size": (8, 8),
        "one_cycle": (False, None),
        "epochs": (3, 3),
    }
    assert changes.keys() == base.keys() == {field.name for field in fields(Settings)}
    for name, (value, expected) in changes.items():
        assert described(replace(Settings(), **{name: value})) == base | {name: expected}, name
    adam = described(replace(Settings(), optimiser=Adam))
    assert_allclose(adam["learning_rate"], usual.learning_rate / 10)


def test_an_experiment_learns_a_thousand_training_digits_of_its_seed(taught):
    run = make_run("lecture")
    for seed in (0, 1):
        experiment(run, Settings(), seed)
        few = few_digits(run, seed)
        assert_array_equal(taught[-1][2], few.x)
        assert_array_equal(taught[-1][3], few.train.labels)
        assert len(few.x) == 1000
    assert not np.array_equal(taught[0][2], taught[1][2])


def test_a_run_that_runs_away_counts_as_it_last_stood(monkeypatch):
    problems, run = [], make_run()
    call = Training.__call__

    def watched(self, network, *args):
        try:
            return call(self, network, *args)
        except LossNotFinite as problem:
            problems.append(([p.data.copy() for p in network.parameters()], problem))
            raise

    monkeypatch.setattr(Training, "__call__", watched)
    network, predicted = experiment(run, Settings(learning_rate=1e12), 0)
    ((weights, _),) = problems
    for parameter, values in zip(network.parameters(), weights, strict=True):
        assert_array_equal(parameter.data, values)
    assert len(predicted) == len(few_digits(run, 0).test)


def test_every_level_of_every_factor_is_a_change():
    assert FACTORS.keys() == {field.name for field in fields(Settings)}
    for name, levels in FACTORS.items():
        assert getattr(Settings(), name) not in levels
        assert len(set(levels)) == len(levels)
    assert Sigmoid in FACTORS["unit"]

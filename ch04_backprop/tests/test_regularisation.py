"""The ablation's variants are what their names say, and nothing is chosen on test digits."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop import regularisation
from ch04_backprop.batchnorm import BatchNorm
from ch04_backprop.digits.few_digits import few_digits, new_network, recipe
from ch04_backprop.dropout import Dropout
from ch04_backprop.layers import Linear, ReLU
from ch04_backprop.noise import GaussianNoise, NoisyLinear
from ch04_backprop.penalties import sizes
from ch04_backprop.regularisation import (
    AT_ITS_RATE,
    GRIDS,
    NEEDS_L2,
    NO_STRENGTHS,
    Variant,
    build_network,
    draw,
    measure_gains,
    train_under,
    weaken,
)
from common.console import Console
from common.data import Scale
from common.paired import Comparison
from common.record import LessonRecord
from common.run import Run


def make_run(preset: str = "smoke") -> Run:
    return Run("regularisation", 0, Scale(preset), LessonRecord("", ""), Path(), Console())


def kinds(**change) -> list[type]:
    return [type(layer) for layer in build_network(Variant(**change), 0).layers]


def test_layers_stand_where_they_should():
    assert kinds() == [Linear, ReLU, Linear]
    assert kinds(batchnorm=True, dropout=0.5) == [Linear, BatchNorm, ReLU, Dropout, Linear]
    assert kinds(hidden_noise=1.0, dropout=0.5) == [Linear, ReLU, GaussianNoise, Dropout, Linear]
    assert kinds(input_noise=1.0, weight_noise=0.3) == [GaussianNoise, NoisyLinear, ReLU, NoisyLinear]
    network = build_network(Variant(input_noise=0.7, dropout=0.2, smoothing=0.1), 0)
    assert (network.layers[0].std, network.layers[3].p, network.cost.smoothing) == (0.7, 0.2, 0.1)


@pytest.mark.parametrize("name", GRIDS)
def test_all_variants_of_a_seed_begin_with_the_same_weights(name):
    for change in GRIDS[name]:
        assert_array_equal(sizes(build_network(Variant(**change), 3)), sizes(build_network(Variant(), 3)))
    assert np.abs(sizes(build_network(Variant(), 4)) - sizes(build_network(Variant(), 3))).max() > 0.01


def test_the_base_is_the_recipe():
    run = make_run()
    few = few_digits(run, 1)
    network = new_network(np.random.default_rng(1))
    recipe(run)(network, few.x, few.train.labels, np.random.default_rng([1, 2]))
    assert_array_equal(sizes(train_under(Variant(), run, few, 1)), sizes(network))


@pytest.mark.parametrize("name", [name for name in GRIDS if name != "early stopping"])
def test_every_variant_learns_something_else_and_the_same_again(name):
    run = make_run()
    few = few_digits(run, 1)
    change = GRIDS[name][-1]
    ours, again, base = (sizes(train_under(Variant(**c), run, few, 1)) for c in (change, change, {}))
    assert_array_equal(ours, again)
    assert np.abs(ours - base).max() > 1e-4


def test_penalties_shrink_and_both_may_be_on():
    run = make_run()
    few = few_digits(run, 1)

    def size(**change):
        return np.abs(sizes(train_under(Variant(**change), run, few, 1))).sum()

    assert size(l2=0.5, l1=0.01) < min(size(l2=0.5), size(l1=0.01)) < max(size(l2=0.5), size(l1=0.01)) < size()


def test_early_stopping_learns_from_other_digits_than_it_asks(monkeypatch):
    run = make_run()
    few, seen, asked = few_digits(run, 1), [], []
    monkeypatch.setattr(regularisation, "mean_loss", lambda network, part: asked.append(part) or 1.0)

    class Recorder:
        epochs = 1

        def __init__(self, run, **changes):
            self.each_epoch = changes["each_epoch"]
            assert changes["schedule"] is None

        def __call__(self, network, x, answers, rng):
            seen.append((x, answers))
            self.each_epoch(1)

    monkeypatch.setattr(regularisation, "recipe", Recorder)
    train_under(Variant(patience=5), run, few, 1)
    (x, answers), (others, labels) = seen[0], asked[0]
    assert (len(x), len(others)) == (160, 40)
    assert_array_equal(np.concatenate([x, others]), few.x)
    assert_array_equal(np.concatenate([answers, labels]), few.train.labels)


def test_times_is_a_factor_of_the_epochs():
    run = make_run()
    few = few_digits(run, 1)
    network = new_network(np.random.default_rng(1))
    recipe(run, epochs=6)(network, few.x, few.train.labels, np.random.default_rng([1, 2]))
    assert_array_equal(sizes(train_under(Variant(times=3), run, few, 1)), sizes(network))


def test_weakened_leaves_what_is_no_strength():
    change = {"l2": 0.01, "dropout": 0.5, "shift": 2.0, "batchnorm": True, "rate": 0.5, "patience": 5}
    less = {"l2": 0.001, "dropout": 0.05, "shift": 2.0, "batchnorm": True, "rate": 0.5, "patience": 5}
    weaker = weaken(change, 0.1)
    assert weaker.keys() == less.keys()
    assert_allclose(list(weaker.values()), list(less.values()))
    assert {field.name for field in fields(Variant)} >= set(NO_STRENGTHS)


def test_gains_are_measured_on_validation_digits_against_the_base():
    run = make_run()
    fews = {seed: few_digits(run, seed) for seed in (1, 2)}
    gain = measure_gains(run, fews, {"nothing": [{}], "no learning": [{"rate": 0.0}, {}]})
    assert_array_equal(gain["nothing"], [0])
    by_hand = [
        few.accuracies(build_network(Variant(), seed))[1] - few.accuracies(train_under(Variant(), run, few, seed))[1]
        for seed, few in fews.items()
    ]
    assert_allclose(gain["no learning"], [np.mean(by_hand), 0])


def test_differences_from_the_base_and_l2s_are_drawn_as_the_verdicts_have_them_largest_first():
    def comparison(name, difference, other="base"):
        ends = {"low": difference - 1, "high": difference + 1}
        return Comparison(name, other, "accuracy", difference, **ends, p_value=0.5, test="t", n=9, seeds=50)

    found = [comparison("b", 1.0), comparison("a", 3.0), comparison("c", -2.0)]
    found += [comparison(*pair[:1], 9.0, pair[1]) for pair in (NEEDS_L2, AT_ITS_RATE)]
    (axis,) = draw(LessonRecord("", "", comparisons=found)).axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == [f"{NEEDS_L2[0]}  (against: {NEEDS_L2[1]})", "a", "b", "c"]
    assert [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "o"] == [9, 3, 1, -2]
    assert "50 seeds" in axis.get_xlabel()

"""The few digits are few, fair, and apart from those for validation; a sweep keeps its books."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss
from sklearn.svm import SVC

from ch04_backprop.digits.few_digits import (
    SIZES,
    best_on_validation,
    few_digits,
    log_losses,
    log_probabilities,
    new_network,
    sweep_strengths,
    train_on_few,
)
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from common.console import Console
from common.data import Scale, mnist
from common.record import LessonRecord
from common.run import Run


def make_run(seed: int = 0, preset: str = "smoke") -> Run:
    return Run("few_digits", seed, Scale(preset), LessonRecord("", ""), Path(), Console())


@pytest.mark.parametrize(("preset", "counts"), [("smoke", (200, 200)), ("lecture", (1000, 2000))])
def test_the_few_and_the_validation_digits_are_other_training_digits(preset, counts):
    few, whole = few_digits(make_run(preset=preset), 3), mnist(Scale(preset))
    assert (len(few.train), len(few.validation)) == counts
    assert np.intersect1d(few.train.ids, few.validation.ids).size == 0
    for part in (few.train, few.validation):
        assert_array_equal(part.images, whole.train.images[part.ids])
    assert_array_equal(few.test.images, whole.test.images)
    shares = np.bincount(few.train.labels) / counts[0]
    assert_allclose(shares, np.bincount(whole.train.labels) / len(whole.train), atol=1 / counts[0])


def test_the_seed_draws_the_digits():
    run = make_run()
    first, again, other = (few_digits(run, seed).train.ids for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert np.intersect1d(first, other).size < 0.5 * len(first)


def test_pixels_are_measured_on_the_few():
    few = few_digits(make_run(), 0)
    assert_allclose([few.x.mean(), few.x.std()], [0, 1], atol=1e-5)
    raw = few.validation.images.reshape(len(few.validation), -1) / 1.0
    expected = (raw - few.train.images.mean()) / few.train.images.std()
    assert_allclose(few.x_validation, expected, atol=1e-5)


def test_the_recipe_learns_a_thousand_digits_by_heart():
    run = make_run(preset="lecture")
    few = few_digits(run, 0)
    network = train_on_few(run, few, 0)
    assert network.layers[0].W.shape == SIZES[:2]
    learned, others = few.accuracies(network)
    assert learned == 100
    assert 86 < others < 92
    assert few.losses(network)[0] < 0.02


def test_losses_are_scikit_learns_whatever_the_network_was_taught_by():
    few = few_digits(make_run(), 0)
    network = new_network(np.random.default_rng(0), cost=SoftmaxCrossEntropy(0.3))
    log_p = log_probabilities(network, few.x)
    assert_allclose(np.exp(log_p).sum(axis=1), 1, rtol=1e-5)
    p = np.exp(log_p.astype(np.float64))
    expected = log_loss(few.train.labels, p / p.sum(axis=1, keepdims=True), labels=range(10))
    assert_allclose(log_losses(log_p, few.train.labels).mean(), expected, rtol=1e-5)
    assert_allclose(few.losses(network)[0], expected, rtol=1e-5)


def test_changes_go_to_the_network_or_to_the_recipe():
    run = make_run()
    few, seen = few_digits(run, 0), []
    changes = {"cost": SoftmaxCrossEntropy(0.2), "epochs": 1, "each_epoch": seen.append, "rebuild": lambda row: row[:1]}
    before = dict(changes)
    network = train_on_few(run, few, 0, changes)
    assert changes == before
    assert network.cost.smoothing == 0.2
    assert len(network.layers) == 1
    assert seen == [1]


def test_a_sweep_teaches_each_strength_from_the_same_weights_and_names_the_best():
    run = make_run(preset="lecture")
    few, given = few_digits(run, 0), []

    def change(strength, rng):
        given.append(rng.random())
        return {"epochs": round(strength), "schedule": None}

    sweep = sweep_strengths(run, few, (1.0, 2.0, 3.0), change)
    assert sweep.strengths == (1.0, 2.0, 3.0)
    assert len(set(given)) == 1
    for network, losses, accuracies, epochs in zip(
        sweep.networks, sweep.losses, sweep.accuracies, (1, 2, 3), strict=True
    ):
        alone = train_on_few(run, few, run.seed, {"epochs": epochs, "schedule": None})
        assert_array_equal(network.layers[0].W.data, alone.layers[0].W.data)
        assert_allclose(losses, few.losses(alone))
        assert_allclose(accuracies, few.accuracies(alone))
    assert sweep.least_loss == np.argmin(sweep.losses[:, 1])
    assert sweep.most_right == np.argmax(sweep.accuracies[:, 1])


def test_the_best_model_is_the_best_on_validation_digits():
    few = few_digits(make_run(), 0)
    hopeless, good = SVC(C=1e-6), SVC(C=10)
    assert best_on_validation([hopeless, good], few) is good
    assert good.score(few.x_validation, few.validation.labels) > 0.5


def test_a_network_is_scored_on_the_test_digits_by_accuracy_and_log_loss():
    run = make_run()
    few = few_digits(run, 0)
    network = train_on_few(run, few, 0)
    with run.method("ours", kind="from scratch") as method:
        few.score(method, network)
    right, loss = (row.value for row in run.record.rows)
    log_p = log_probabilities(network, few.pixels(few.test.images))
    assert_allclose(right, 100 * np.mean(log_p.argmax(axis=1) == few.test.labels))
    assert_allclose(loss, log_losses(log_p, few.test.labels).mean(), rtol=1e-6)
    assert method.model is network

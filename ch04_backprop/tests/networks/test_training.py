"""The training loop against the same loop in PyTorch; its hooks; and its state after the loss diverges."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import StandardScaler
from torch import nn

from ch04_backprop import three_times
from ch04_backprop.batchnorm import BatchNorm
from ch04_backprop.digits.few_digits import few_digits
from ch04_backprop.layers import Linear, Network, ReLU, Sigmoid
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from ch04_backprop.networks.training import (
    BATCH,
    Pixels,
    Training,
    accuracy,
    averaged_accuracy,
    minibatches,
    mlp,
    one_cycle,
    predict,
)
from ch04_backprop.optimisers import SGD, Adam, Momentum
from common.console import Console
from common.data import Scale, mnist
from common.errors import LossNotFinite
from common.record import LessonRecord
from common.run import Run

SIZES = (6, 16, 3)


def points(n=100, seed=0):
    """n points of three classes that lie apart."""
    rng = np.random.default_rng(seed)
    answers = rng.integers(SIZES[-1], size=n)
    return (rng.normal(size=(n, SIZES[0])) + 2 * np.eye(SIZES[0])[answers]).astype(np.float32), answers


def train(training, seed=0, data=None, network=None):
    """The trained network and its losses."""
    network = network or mlp(SIZES, np.random.default_rng(seed))
    return network, training(network, *(data or points()), np.random.default_rng(seed + 1))


def sgd(rate=0.1):
    return lambda parameters: SGD(parameters, rate)


# --- Batches and the learning rate ------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 300), size=st.integers(1, 100), seed=st.integers(0, 2**32 - 1))
def test_an_epoch_s_batches_are_a_partition(n, size, seed):
    batches = list(minibatches(n, size, np.random.default_rng(seed)))
    assert_array_equal(np.sort(np.concatenate(batches)), np.arange(n))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert 1 <= len(batches[-1]) <= size


def test_every_epoch_is_shuffled_anew_and_the_seed_decides_how():
    def three_epochs(seed):
        rng = np.random.default_rng(seed)
        return [np.concatenate(list(minibatches(50, 8, rng))).tolist() for _ in range(3)]

    epochs = three_epochs(0)
    assert len({tuple(order) for order in (*epochs, range(50))}) == 4
    assert epochs == three_epochs(0) != three_epochs(1)


def test_training_sees_every_point_once_an_epoch_and_its_own_answer():
    x, answers = points(70)
    x[:, 0] = np.arange(70)
    seen = []
    training = Training(sgd(0.0), epochs=3, batch_size=16, augment=lambda batch, rng: seen.append(batch[:, 0]) or batch)
    network, told = mlp(SIZES, np.random.default_rng(0)), []
    gradient = network.gradient
    network.gradient = lambda inputs, batch: told.append(batch) or gradient(inputs, batch)
    train(training, data=(x, answers), network=network)
    assert [len(batch) for batch in seen] == 3 * [16, 16, 16, 16, 6]
    orders = np.concatenate(seen).astype(int).reshape(3, 70)
    assert_array_equal(np.sort(orders), np.tile(np.arange(70), (3, 1)))
    assert len({tuple(order) for order in orders.tolist()}) == 3
    assert_array_equal(np.concatenate(told), answers[orders.ravel()])


def test_one_cycle_goes_up_for_a_quarter_and_down_to_0():
    shares = np.linspace(0, 1, 101)
    assert_allclose([one_cycle(float(s)) for s in shares], np.interp(shares, [0, 0.25, 1], [0, 1, 0]), atol=1e-12)


@pytest.mark.parametrize("schedule", [one_cycle, lambda share: 1 - share, None])
def test_the_learning_rate_follows_the_schedule(schedule):
    rates = []

    class Recorded(SGD):
        def step(self):
            rates.append(self.learning_rate)
            super().step()

    training = Training(lambda parameters: Recorded(parameters, 0.2), epochs=3, batch_size=30, schedule=schedule)
    _, losses = train(training)  # 100 points: four batches an epoch
    expected = [0.2 * (schedule(step / 12) if schedule else 1) for step in range(12)]
    assert_allclose(rates, expected, rtol=1e-12)
    assert len(losses) == 12


# --- The loop ---------------------------------------------------------------------------------------------------------


def torch_twin(network):
    """The same network in PyTorch: Linear layers and the layers between them."""
    kinds = {ReLU: nn.ReLU, Sigmoid: nn.Sigmoid}
    layers = []
    for layer in network.layers:
        if isinstance(layer, Linear):
            layers.append(nn.Linear(*layer.W.shape))
            layers[-1].weight.data[:] = torch.tensor(layer.W.data.T)
            layers[-1].bias.data[:] = torch.tensor(layer.b.data)
        else:
            layers.append(kinds[type(layer)]())
    return nn.Sequential(*layers)


RULES = {
    "SGD": (lambda p: SGD(p, 0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": (lambda p: Momentum(p, 0.05), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    "Adam": (lambda p: Adam(p, 0.01), lambda p: torch.optim.Adam(p, 0.01)),
}


@pytest.mark.parametrize(("rule", "peer"), RULES.values(), ids=RULES)
@pytest.mark.parametrize("hidden", [ReLU, Sigmoid])
def test_the_loop_is_pytorch_s(rule, peer, hidden):
    """Same first weights, same batches, one cycle and a penalty: the same losses and the same weights."""
    decay = 0.01

    def penalise(parameters):
        for parameter in parameters:
            parameter.grad = parameter.grad + np.float32(decay) * parameter.data

    x, answers = points(150)
    network = mlp(SIZES, np.random.default_rng(3), hidden=lambda units: [hidden()])
    twin = torch_twin(network)
    training = Training(rule, epochs=4, batch_size=32, schedule=one_cycle, penalise=penalise)
    losses = training(network, x, answers, np.random.default_rng(4))

    optimiser, rng, theirs = peer(twin.parameters()), np.random.default_rng(4), []
    optimiser.param_groups[0]["weight_decay"] = decay
    peak = optimiser.param_groups[0]["lr"]
    for _ in range(4):
        for batch in minibatches(150, 32, rng):
            loss = nn.functional.cross_entropy(twin(torch.tensor(x[batch])), torch.tensor(answers[batch]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.param_groups[0]["lr"] = peak * one_cycle(len(theirs) / 20)
            optimiser.step()
            theirs.append(loss.item())
    assert_allclose(losses, theirs, atol=1e-5)
    assert losses[-1] < losses[0] - 0.1
    weights = [parameter.detach().numpy().T for parameter in twin.parameters()]
    for parameter, weight in zip(network.parameters(), weights, strict=True):
        assert_allclose(parameter.data, weight, atol=1e-4)


def test_batches_are_of_64_unless_told():
    assert BATCH == 64
    assert len(train(Training(sgd(), epochs=2), data=points(130))[1]) == 6


def test_augmented_inputs_are_what_is_learned_from():
    """Inputs made 0: only the last bias can learn. And the data itself stays as it was."""
    x, answers = points()
    kept = x.copy()
    x.flags.writeable = False
    start = [parameter.data.copy() for parameter in mlp(SIZES, np.random.default_rng(0)).parameters()]
    network, _ = train(Training(sgd(), epochs=2, augment=lambda batch, rng: 0 * batch), data=(x, answers))
    moved = [not np.array_equal(p.data, s) for p, s in zip(network.parameters(), start, strict=True)]
    assert moved == [False, False, False, True]
    assert_array_equal(x, kept)


def test_augmentation_draws_from_the_training_s_own_generator():
    def noisy(batch, rng):
        return batch + rng.normal(size=batch.shape).astype(np.float32)

    runs = [train(Training(sgd(), epochs=2, augment=noisy), seed)[1] for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_a_penalty_sees_this_batch_s_gradients_of_all_parameters():
    seen = []
    network = mlp(SIZES, np.random.default_rng(0))

    def penalise(parameters):
        seen.append([parameter.grad.copy() for parameter in parameters])
        for parameter in parameters:
            parameter.grad = np.zeros_like(parameter.grad)

    start = [parameter.data.copy() for parameter in network.parameters()]
    x, answers = points(10)
    train(Training(sgd(), epochs=2, penalise=penalise), data=(x, answers), network=network)
    for parameter, before in zip(network.parameters(), start, strict=True):
        assert_array_equal(parameter.data, before)  # the step uses the gradient after the penalty
    network.gradient(x, answers)
    for gradients in seen:
        for gradient, parameter in zip(gradients, network.parameters(), strict=True):
            assert_allclose(gradient, parameter.grad, atol=1e-6)
    assert len(seen) == 2


def test_each_epoch_is_told_how_many_are_done_finds_the_network_in_use_and_may_stop():
    network, told = mlp(SIZES, np.random.default_rng(0)), []

    def each_epoch(epoch):
        told.append((epoch, [layer.training for layer in network.layers]))
        return epoch == 3

    _, losses = train(Training(sgd(), epochs=5, batch_size=50, each_epoch=each_epoch), network=network)
    assert told == [(epoch, [False] * 3) for epoch in (1, 2, 3)]
    assert len(losses) == 6


def test_layers_are_told_when_they_are_fitted_and_when_they_are_used():
    network = mlp(SIZES, np.random.default_rng(0))
    while_fitting = []
    augment = lambda batch, rng: while_fitting.append([layer.training for layer in network.layers]) or batch  # noqa: E731
    train(Training(sgd(), epochs=2, augment=augment, each_epoch=lambda epoch: None), network=network)
    assert while_fitting == [[True] * 3] * 4
    assert not any(layer.training for layer in network.layers)


# --- A loss that diverges ---------------------------------------------------------------------------------------------


def run_away(training_of, network, data):
    """The problem, and the weights at every loss that was finite."""
    states = [[parameter.data.copy() for parameter in network.parameters()]]
    training = training_of(lambda parameters: states.append([parameter.data.copy() for parameter in parameters]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NaN causes no warning: the error reports it
        with pytest.raises(LossNotFinite) as caught:
            training(network, *data, np.random.default_rng(1))
    return caught.value, states


@pytest.mark.parametrize("rate", [1e3, 1e6, 1e12, 1e20])
@pytest.mark.parametrize("rule", [SGD, Momentum])
def test_where_the_loss_runs_away_the_network_is_as_it_last_stood(rate, rule):
    network = mlp((SIZES[0], 16, 16, SIZES[-1]), np.random.default_rng(0))
    problem, states = run_away(
        lambda record: Training(lambda p: rule(p, rate), epochs=50, batch_size=10, penalise=record), network, points()
    )
    assert not np.isfinite(problem.loss)
    assert problem.step == len(states)  # the first state is that before step 1, and no step is recorded that failed
    assert f"the loss is {problem.loss} at step {problem.step}:" in str(problem)
    assert problem.step > 1
    for parameter, last in zip(network.parameters(), states[-1], strict=True):
        assert_array_equal(parameter.data, last)
        assert np.isfinite(parameter.data).all()
    assert np.isfinite(network.forward(points()[0])).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 25])
def test_one_bad_number_in_the_data_is_found_in_the_epoch_that_meets_it(bad, row):
    x, answers = points(40)
    x[row, 0] = bad
    network = mlp(SIZES, np.random.default_rng(0))
    order = np.random.default_rng(1).permutation(40)
    problem, states = run_away(lambda record: Training(sgd(), 3, 10, penalise=record), network, (x, answers))
    assert problem.step == len(states) == 1 + np.flatnonzero(order == row)[0] // 10
    for parameter, last in zip(network.parameters(), states[-1], strict=True):
        assert_array_equal(parameter.data, last)


def test_what_a_layer_measured_is_put_back_with_the_weights():
    """BatchNorm's running mean and variance have no gradient, and go wrong all the same."""
    network = mlp((SIZES[0], 16, 16, SIZES[-1]), np.random.default_rng(0), lambda units: [BatchNorm(units), ReLU()])
    layers = [layer for layer in network.layers if isinstance(layer, BatchNorm)]
    measured = [[array.copy() for layer in layers for array in layer.measured]]

    def record(parameters):
        measured.append([array.copy() for layer in layers for array in layer.measured])

    with pytest.raises(LossNotFinite), np.errstate(all="ignore"):
        Training(sgd(1e12), 50, 10, penalise=record)(network, *points(), np.random.default_rng(1))
    for array, last in zip((array for layer in layers for array in layer.measured), measured[-1], strict=True):
        assert_array_equal(array, last)


def test_the_network_is_ready_for_use_after_it_ran_away():
    network = mlp(SIZES, np.random.default_rng(0))
    run_away(lambda record: Training(sgd(1e20), 50, 10, penalise=record), network, points())
    assert not any(layer.training for layer in network.layers)


# --- The network and its inputs ---------------------------------------------------------------------------------------


def test_mlp():
    network = mlp((400, 300, 200, 10), np.random.default_rng(0))
    assert [type(layer) for layer in network.layers] == [Linear, ReLU, Linear, ReLU, Linear]
    weights = [layer.W for layer in network.layers[::2]]
    assert [W.shape for W in weights] == [(400, 300), (300, 200), (200, 10)]
    for W in weights:
        assert_allclose(W.data.std(), np.sqrt(2 / len(W.data)), rtol=0.05)
    assert {p.data.dtype for p in network.parameters()} == {np.dtype("f4")}
    assert type(network.cost) is SoftmaxCrossEntropy
    assert_array_equal(mlp((400, 300, 200, 10), np.random.default_rng(0)).layers[4].W.data, weights[2].data)
    assert [type(layer) for layer in mlp((4, 2), np.random.default_rng(0)).layers] == [Linear]


def test_mlp_asks_for_each_hidden_layer_and_takes_a_cost():
    asked, cost = [], SoftmaxCrossEntropy(0.1)
    network = mlp(
        (5, 4, 3, 2), np.random.default_rng(0), lambda units: asked.append(units) or [Sigmoid(), ReLU()], cost
    )
    assert asked == [4, 3]
    assert [type(layer) for layer in network.layers] == [Linear, Sigmoid, ReLU, Linear, Sigmoid, ReLU, Linear]
    assert network.cost is cost


def test_predictions_are_the_largest_output_of_a_network_in_use():
    (x, answers), network = points(50), mlp(SIZES, np.random.default_rng(0))
    predicted = predict(network, x)
    assert not any(layer.training for layer in network.layers)
    assert_array_equal(predicted, torch_twin(network)(torch.tensor(x)).argmax(dim=1))
    assert_allclose(accuracy(network, x, answers), 100 * accuracy_score(answers, predicted))


def test_what_is_averaged_are_probabilities():
    """Most networks predict class 0, the mean of their outputs is largest for 2, that of their probabilities for 1."""
    networks = []
    for p in ([0.36, 0.29, 0.35], [0.36, 0.29, 0.35], [0.02, 0.57, 0.41]):
        layer = Linear(1, 3, np.random.default_rng(0))
        layer.b.data = -7 * len(networks) + np.log(p, dtype=np.float32)  # a shift of all outputs changes nothing
        networks.append(Network([layer], SoftmaxCrossEntropy()))
    x = np.zeros((4, 1), np.float32)
    assert averaged_accuracy(networks, x, np.array([1, 0, 1, 2])) == 50
    assert averaged_accuracy(networks[:2], x, np.array([0, 0, 0, 2])) == 75
    assert not any(layer.training for network in networks for layer in network.layers)
    with pytest.raises(ValueError, match="shape"):
        averaged_accuracy(networks, x, np.array([1, 1]))


def test_pixels_are_scaled_by_the_training_images_and_by_nothing_else():
    digits = mnist(Scale("smoke"))
    pixels = Pixels.of(digits.train.images)
    x = pixels(digits.train.images)
    assert (x.shape, x.dtype) == ((len(digits.train), 784), np.float32)
    assert_allclose([x.mean(), x.std()], [0, 1], atol=1e-4)
    peer = StandardScaler().fit(digits.train.images.reshape(-1, 1).astype(float))
    expected = peer.transform(digits.test.images.reshape(-1, 1).astype(float)).reshape(-1, 784)
    assert_allclose(pixels(digits.test.images), expected, atol=1e-5)
    assert_array_equal(pixels(digits.test.images[:1]), pixels(digits.test.images)[:1])


def test_lessons_measure_pixels_on_their_training_images(monkeypatch, tmp_path):
    run = Run("three_times", 0, Scale("smoke"), LessonRecord("", ""), Path(tmp_path), Console())
    measured, of = [], Pixels.of
    monkeypatch.setattr(Pixels, "of", lambda images: measured.append(images) or of(images))
    three_times.lesson(run)
    few = few_digits(run, 0)
    assert len(few.x) == len(few.train)
    whole, part = measured
    assert_array_equal(whole, mnist(run.scale).train.images)
    assert_array_equal(part, few.train.images)

"""Answers that do not belong to their scores are an error; NumPy would broadcast them or count from the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional as F

from ch04_backprop.autograd import Tensor
from ch04_backprop.digits.few_digits import log_losses
from ch04_backprop.layers import Linear, LogLikelihood, Network, Softmax
from ch04_backprop.moons import MultilayerPerceptron
from ch04_backprop.networks.costs import (
    OneHotSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
    log_sum_exp,
)
from ch04_backprop.networks.training import Pixels, Training, accuracy, predict
from ch04_backprop.noise import NoisyLabels
from ch04_backprop.optimisers import SGD
from ch04_backprop.three_times import cross_entropy

SCORES = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
COSTS = {
    "softmax": SoftmaxCrossEntropy().forward,
    "smoothed": SoftmaxCrossEntropy(0.1).forward,
    "noisy": NoisyLabels(0.9, np.random.default_rng(0)).forward,
    "one-hot": OneHotSquaredError().forward,
    "one-hot softmax": OneHotSquaredError(Softmax()).forward,
    "log-likelihood": lambda z, y: LogLikelihood().forward(Softmax().forward(z), y),
    "autograd": lambda z, y: cross_entropy(Tensor(z), y).item(),
    "log losses": lambda z, y: log_losses(z - log_sum_exp(z), y).mean(),
}
EACH_COST = pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
WRONG_SHAPES = [
    np.array([[0], [1]]),
    np.array([0]),
    np.array([0, 1, 2]),
    np.array(0),
    np.array([[0, 1]]),
    np.eye(3)[:2],
]


@pytest.mark.parametrize("name", ["softmax", "log-likelihood", "autograd", "log losses"])
@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint8, np.uint64])
def test_right_answers_of_any_whole_kind_have_pytorch_s_loss(name, kind):
    wanted = F.cross_entropy(torch.tensor(SCORES), torch.tensor([0, 1])).item()
    assert_allclose(COSTS[name](SCORES, np.array([0, 1], kind)), wanted, rtol=1e-12)
    assert_allclose(wanted, 0.2395, atol=1e-4)


@EACH_COST
@pytest.mark.parametrize("answers", WRONG_SHAPES, ids=str)
def test_answers_of_another_shape(cost, answers):
    with pytest.raises(
        ValueError, match=rf"{answers.shape}.*\(2, 3\)".replace("((", r"\(").replace("))", r"\)")
    ) as error:
        cost(SCORES, answers)
    assert str(answers.shape) in str(error.value)


@EACH_COST
@pytest.mark.parametrize("answers", [[0, -1], [0, 3], [-3, 0], [0, 1000]], ids=str)
def test_answers_out_of_range(cost, answers):
    with pytest.raises(ValueError, match=r"0 … 2"):
        cost(SCORES, np.array(answers))


@EACH_COST
def test_answers_that_are_no_labels(cost):
    with pytest.raises((ValueError, TypeError), match=r"whole numbers|Int"):
        cost(SCORES, np.array([0.0, 1.5]))


@pytest.mark.parametrize(
    ("z", "answers"),
    [((2, 1), (2, 1)), ((2, 1), (1,)), ((2, 1), (3,)), ((2,), (2,)), ((2, 2), (2,)), ((2, 1), ())],
)
def test_a_sigmoid_unit_wants_one_answer_a_score(z, answers):
    with pytest.raises(ValueError, match="shape") as error:
        SigmoidCrossEntropy().forward(np.ones(z), np.ones(answers, int))
    assert str(z) in str(error.value)
    assert str(answers) in str(error.value)


@pytest.mark.parametrize("answers", [[0, 2], [-1, 1]])
def test_a_sigmoid_unit_wants_0_or_1(answers):
    with pytest.raises(ValueError, match="0 … 1"):
        SigmoidCrossEntropy().forward(np.ones((2, 1)), np.array(answers))


@pytest.mark.parametrize("answers", [(2,), (1, 2), (1, 1), (2, 2), ()])
def test_the_squared_error_does_not_broadcast(answers):
    with pytest.raises(ValueError, match="scores and answers must have the same shape") as error:
        SquaredError().forward(np.ones((2, 1)), np.ones(answers))
    assert "(2, 1)" in str(error.value)
    assert str(answers) in str(error.value)


def test_the_squared_error_of_bytes_does_not_wrap():
    assert SquaredError().forward(np.uint8([[1], [2]]), np.uint8([[2], [4]])) == 0.5 * 5 / 2


def test_log_sum_exp_of_bytes_does_not_wrap():
    assert_allclose(log_sum_exp(np.uint8([[0, 5]])), [[np.log(1 + np.exp(5))]])


def small_network():
    return Network([Linear(4, 3, np.random.default_rng(0))], SoftmaxCrossEntropy())


X = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)


def test_accuracy_of_its_own_predictions():
    network = small_network()
    said = predict(network, X)
    assert accuracy(network, X, said) == 100
    for wrong in (said[:, None], said[None], said[:1], said[:-1], np.append(said, 0)):
        with pytest.raises(ValueError, match=r"predictions and answers .*\(20,\)"):
            accuracy(network, X, wrong)


@pytest.mark.parametrize("n", [1, 19, 21, 40])
def test_training_wants_an_answer_for_each_row(n):
    training = Training(lambda parameters: SGD(parameters, 0.1), 1)
    with pytest.raises(ValueError, match=rf"\(20, 4\).*\({n},\)"):
        training(small_network(), X, np.zeros(n, int), np.random.default_rng(0))


@pytest.mark.parametrize("labels", [np.zeros((6, 1), int), np.zeros(5, int), np.full(6, 2), np.full(6, -1)])
def test_the_perceptron_of_moons_too(labels):
    with pytest.raises(ValueError, match=r"labels"):
        MultilayerPerceptron(np.random.default_rng(0)).fit(np.zeros((6, 2)), labels)


def test_a_delta_of_another_shape():
    network = small_network()
    network.forward(X)
    for wrong in (np.ones((1, 3)), np.ones((20, 1)), np.ones(3)):
        with pytest.raises(ValueError, match=r"\(20, 3\)"):
            network.backward(wrong.astype(np.float32))


def test_pixels_that_are_all_equal_become_0():
    images = np.full((3, 2, 2), 7, np.uint8)
    assert (Pixels.of(images)(images) == 0).all()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_lie_between_0_and_1(share):
    for make in (SoftmaxCrossEntropy, lambda share: NoisyLabels(share, np.random.default_rng(0))):
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            make(share)

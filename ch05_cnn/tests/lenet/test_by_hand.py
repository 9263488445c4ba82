"""The hand-written pass is the network's: autograd finds the same gradient, and torch's SGD takes the same steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ch05_cnn.lenet.by_hand import DigitByDigit, add_border, connected_cells, connection_mask, slope, squash
from ch05_cnn.lenet.sixteen_pixels import shrink_ink_box
from ch05_cnn.lenet1989 import (
    LeNet1989,
    ScaledTanh,
    read_digits,
    squared_error,
    targets,
    train_digit_by_digit,
)
from common import data
from common.data import Scale
from common.errors import LossNotFinite
from common.seeding import build_seeded


def some(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, 16, 16)).astype(np.float32), rng.integers(10, size=n)


def louder(network: LeNet1989) -> LeNet1989:
    """First weights are small; larger ones bend every unit's tanh, so that no part of the gradient is near 0."""
    for weights in network.parameters():
        weights.data *= 3
    return network


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_gradient_is_autograd_s(seed):
    network, (images, labels) = louder(build_seeded(LeNet1989, seed)), some(1, seed)
    by_hand = DigitByDigit(network)
    by_hand.backpropagate(add_border(images)[0], targets(torch.tensor(labels))[0].numpy())

    squared_error(network(torch.tensor(images[:, None])), torch.tensor(labels)).backward()
    theirs = build_seeded(LeNet1989, 0)
    for place, weights in zip(theirs.parameters(), network.parameters(), strict=True):
        place.data = weights.grad
    expected = DigitByDigit(theirs).weights  # torch's gradient, in our order
    assert_allclose(by_hand.gradient, expected, atol=1e-5 * np.abs(expected).max())
    assert np.abs(expected).max() > 1e-3


def test_steps_are_those_of_sgd():
    images, labels = some(30)
    network, twin = louder(build_seeded(LeNet1989, 1)), louder(build_seeded(LeNet1989, 1))
    by_hand = DigitByDigit(network)
    by_hand.one_pass(add_border(images), targets(torch.tensor(labels)).numpy(), 0.01)
    by_hand.write(network)
    optimiser = torch.optim.SGD(twin.parameters(), lr=0.01)
    for image, label in zip(images, labels, strict=True):
        optimiser.zero_grad()
        squared_error(twin(torch.tensor(image[None, None])), torch.tensor([label])).backward()
        optimiser.step()
    started = louder(build_seeded(LeNet1989, 1))
    for ours, theirs, before in zip(network.parameters(), twin.parameters(), started.parameters(), strict=True):
        assert_allclose(ours.detach(), theirs.detach(), atol=1e-5)
        assert (theirs - before).abs().max() > 1e-3


def test_what_is_read_is_written():
    network, other = build_seeded(LeNet1989, 1), build_seeded(LeNet1989, 2)
    DigitByDigit(network).write(other)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert_array_equal(a.detach(), b.detach())


def test_connections_that_are_not_there_stay_at_zero():
    network = build_seeded(LeNet1989, 1)
    by_hand, (images, labels) = DigitByDigit(network), some(10)
    by_hand.one_pass(add_border(images), targets(torch.tensor(labels)).numpy(), 0.01)
    weights = by_hand.layers[2]
    assert np.count_nonzero(weights) == connection_mask().sum() == 2400
    assert np.all(weights[~connection_mask()] == 0)
    kernels = network.H2.kernels().detach().numpy()  # map, map before, 5, 5
    assert_array_equal(kernels.transpose(2, 3, 1, 0).reshape(300, 12) != 0, connection_mask())


def test_neighbours_are_those_that_torch_unfolds():
    x = np.random.default_rng(0).normal(size=(1, 16, 16)).astype(np.float32)
    padded = torch.nn.functional.pad(torch.tensor(x[None]), (2, 1, 2, 1), value=-1.0)
    expected = torch.nn.functional.unfold(padded, 5, stride=2)[0].T
    assert_array_equal(add_border(x)[0][connected_cells(16)], expected)


def test_squash_and_its_slope():
    a = torch.linspace(-3, 3, 50, requires_grad=True)
    h = ScaledTanh()(a)
    h.sum().backward()
    ours = squash(a.detach().numpy().copy())
    assert_allclose(ours, h.detach(), atol=1e-6)
    assert_allclose(slope(ours), a.grad, atol=1e-6)


def test_what_runs_away_is_put_back():
    images, labels = some(3)
    by_hand = DigitByDigit(build_seeded(LeNet1989, 1))
    before = by_hand.weights.copy()
    with pytest.raises(LossNotFinite):
        by_hand.one_pass(add_border(images), targets(torch.tensor(labels)).numpy(), np.inf)
    assert_array_equal(by_hand.weights, before)


def test_the_order_is_drawn_once_and_each_pass_is_shown(monkeypatch):
    images, labels = some(20)
    passes, shown = [], []

    def one_pass(self, x, wanted, learning_rate):
        passes.append((x.copy(), wanted.copy()))
        self.weights += 1

    monkeypatch.setattr(DigitByDigit, "one_pass", one_pass)
    network = train_digit_by_digit(
        images, labels, 4, 3, each_pass=lambda network: shown.append(network.H1.bias[0, 0, 0].item())
    )
    assert_allclose(np.diff(shown), [1, 1], atol=1e-5)
    assert network.H1.bias[0, 0, 0].item() == shown[-1]
    (x, wanted), again, last = passes
    assert_array_equal(x, again[0])
    assert_array_equal(x, last[0])
    order = [int(np.flatnonzero((add_border(images) == row).all(axis=1))[0]) for row in x]
    assert sorted(order) == list(range(20)) != order
    assert_array_equal(wanted.argmax(axis=1), labels[order])


def test_it_learns():
    part = data.mnist(Scale("smoke")).train
    images = shrink_ink_box(part.images)
    assert np.mean(read_digits(build_seeded(LeNet1989, 0), images) == part.labels) < 0.25
    assert np.mean(read_digits(train_digit_by_digit(images, part.labels, 0, 5), images) == part.labels) > 0.5

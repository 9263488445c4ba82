"""Three programs, one curve; and the loss that the second of them is written with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional as F

from ch04_backprop.autograd import Tensor
from ch04_backprop.networks.training import Pixels, mlp
from ch04_backprop.three_times import BATCH, SIZES, batches, by_autograd, by_deltas, by_pytorch, cross_entropy
from common.data import Scale, mnist


def digits():
    part = mnist(Scale("smoke")).train
    return Pixels.of(part.images)(part.images), part.labels


def first_weights(seed=0):
    return [parameter.data for parameter in mlp(SIZES, np.random.default_rng(seed)).parameters()]


def test_the_three_curves_are_one():
    weights = first_weights()
    kept = [values.copy() for values in weights]
    by_hand, network = by_deltas(weights)
    steps = {"deltas": by_hand, "autograd": by_autograd(weights), "PyTorch": by_pytorch(weights)}
    given = list(batches(*digits(), epochs=3, seed=0))
    losses = {name: [step(batch) for batch in given] for name, step in steps.items()}
    assert_allclose(losses["deltas"], losses["PyTorch"], atol=1e-4)
    assert_allclose(losses["autograd"], losses["PyTorch"], atol=1e-4)
    assert losses["deltas"][-1] < 0.5 * losses["deltas"][0]
    for values, before, learned in zip(weights, kept, network.parameters(), strict=True):
        assert_array_equal(values, before)  # no training changes the initial weights of the others
        assert not np.array_equal(learned.data, before)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 6),
    classes=st.integers(1, 6),
    size=st.sampled_from([1.0, 30.0, 1e4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_cross_entropy_is_pytorch_s(n, classes, size, seed):
    rng = np.random.default_rng(seed)
    array, answers = size * rng.normal(size=(n, classes)), rng.integers(classes, size=n)
    z, peer = Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        loss = cross_entropy(z, answers)
        loss.backward()
    theirs = F.cross_entropy(peer, torch.tensor(answers))
    theirs.backward()
    assert_allclose(loss.item(), theirs.item(), rtol=1e-10, atol=1e-12)
    assert_allclose(z.grad, peer.grad, rtol=1e-9, atol=1e-12)


def test_single_precision_all_the_way():
    z = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    loss = cross_entropy(z, np.array([0, 2]))
    loss.backward()
    assert (loss.dtype, z.grad.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("epochs", [1, 2])
def test_everybody_gets_the_same_batches_and_every_digit_once_an_epoch(epochs):
    x, answers = digits()
    x = x.copy()
    x[:, 0] = np.arange(len(x))
    given = list(batches(x, answers, epochs, seed=3))
    for (a, b), (c, d) in zip(given, batches(x, answers, epochs, seed=3), strict=True):
        assert_array_equal(a, c)
        assert_array_equal(b, d)
        assert_array_equal(answers[a[:, 0].astype(int)], b)
        assert len(a) <= BATCH
    order = np.concatenate([batch[0][:, 0] for batch in given]).reshape(epochs, -1)
    assert_array_equal(np.sort(order), np.tile(np.arange(len(x)), (epochs, 1)))
    assert not np.array_equal(order[0], np.arange(len(x)))
    assert not np.array_equal(order[0], order[-1]) or epochs == 1
    assert not np.array_equal(next(batches(x, answers, 1, seed=4))[1], given[0][1])

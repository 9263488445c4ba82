"""Output units with their losses against PyTorch and SciPy, at logits of any size; and where the naive way breaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from torch.nn import functional as F

from ch04_backprop import output_units
from ch04_backprop.layers import Linear, Network, Sigmoid, Softmax
from ch04_backprop.networks.costs import (
    OneHotSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
    log_sum_exp,
)
from ch04_backprop.output_units import first_failures, follow_descent, naive_log_loss, relearn
from common.console import Console
from common.data import Scale, breast_cancer
from common.record import LessonRecord
from common.run import Run

LOGITS = st.floats(-1e4, 1e4)
SEEDS = st.integers(0, 2**32 - 1)


def torch_gradient(loss, z):
    """The loss and ∂loss/∂z by PyTorch."""
    leaf = torch.tensor(z, requires_grad=True)
    value = loss(leaf)
    value.backward()
    return value.item(), leaf.grad.numpy()


def agrees(cost, z, answers, loss):
    """Our loss and delta are PyTorch's."""
    value, gradient = torch_gradient(loss, z)
    assert_allclose(cost.forward(z, answers), value, rtol=1e-10, atol=1e-12)
    assert_allclose(cost.backward(), gradient, rtol=1e-9, atol=1e-13)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), n=st.integers(1, 6), classes=st.integers(1, 5))
def test_log_sum_exp_is_scipys(data, n, classes):
    z = data.draw(arrays(float, (n, classes), elements=LOGITS))
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        ours = log_sum_exp(z)
    assert_allclose(ours, special.logsumexp(z, axis=1, keepdims=True), rtol=1e-13, atol=1e-13)


# --- Unit and loss ----------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, n=st.integers(1, 6), outputs=st.integers(1, 4))
def test_linear_with_squared_error(seed, n, outputs):
    rng = np.random.default_rng(seed)
    z, y = rng.normal(size=(n, outputs)), rng.normal(size=(n, outputs))
    agrees(SquaredError(), z, y, lambda leaf: F.mse_loss(leaf, torch.tensor(y), reduction="sum") / (2 * n))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), n=st.integers(1, 6))
def test_sigmoid_with_log_loss(data, n):
    z = data.draw(arrays(float, (n, 1), elements=LOGITS))
    y = data.draw(arrays(np.int64, n, elements=st.integers(0, 1)))
    wanted = torch.tensor(y[:, None], dtype=torch.float64)
    agrees(SigmoidCrossEntropy(), z, y, lambda leaf: F.binary_cross_entropy_with_logits(leaf, wanted))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), n=st.integers(1, 6), classes=st.integers(2, 5), smoothing=st.sampled_from([0.0, 0.1, 0.7]))
def test_softmax_with_log_loss(data, n, classes, smoothing):
    z = data.draw(arrays(float, (n, classes), elements=LOGITS))
    y = data.draw(arrays(np.int64, n, elements=st.integers(0, classes - 1)))
    loss = lambda leaf: F.cross_entropy(leaf, torch.tensor(y), label_smoothing=smoothing)  # noqa: E731
    agrees(SoftmaxCrossEntropy(smoothing), z, y, loss)


@pytest.mark.parametrize(
    ("unit", "theirs"),
    [(None, lambda z: z), (Sigmoid(), torch.sigmoid), (Softmax(), lambda z: torch.softmax(z, dim=1))],
    ids=["linear", "sigmoid", "softmax"],
)
@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, n=st.integers(1, 6), classes=st.integers(2, 5))
def test_squared_error_of_one_hot_answers(unit, theirs, seed, n, classes):
    rng = np.random.default_rng(seed)
    z, y = 3 * rng.normal(size=(n, classes)), rng.integers(classes, size=n)
    one_hot = F.one_hot(torch.tensor(y), classes).double()
    agrees(OneHotSquaredError(unit), z, y, lambda leaf: (theirs(leaf) - one_hot).square().sum() / (2 * n))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [90, 800, 1e6])
def test_sure_and_wrong_is_a_finite_loss_and_a_full_push(dtype, size):
    z, y = np.array([[size], [-size]], dtype), np.array([0, 1])
    cost = SigmoidCrossEntropy()
    with np.errstate(all="raise", under="ignore"):
        assert_allclose(cost.forward(z, y), size, rtol=1e-6)
        assert_allclose(cost.backward(), [[0.5], [-0.5]])
        softmax = SoftmaxCrossEntropy()
        assert_allclose(softmax.forward(np.hstack([-z, z]), y), 2 * size, rtol=1e-6)
        assert_allclose(softmax.backward(), [[-0.5, 0.5], [0.5, -0.5]], atol=1e-7)


# --- What is lost without joining them --------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "digits"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_naive_is_right_where_nothing_overflows(dtype, digits):
    z = np.linspace(-20, 1, 50, dtype=dtype)
    loss, slope = naive_log_loss(z)
    assert_allclose(loss, -special.log_expit(z.astype(float)), rtol=digits)
    assert_allclose(slope, -special.expit(-z.astype(float)), rtol=digits)


def test_naive_is_infinite_and_nan_where_it_matters():
    loss, slope = naive_log_loss(np.array([-89.0, -200.0], np.float32))
    assert_array_equal(loss, np.inf)
    assert np.isnan(slope).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_failures_come_where_the_floating_point_format_says(dtype):
    kind = np.finfo(dtype)
    overflow, lost, rounded = first_failures(dtype).values()
    assert overflow == np.ceil(np.log(float(kind.max)))
    assert lost == np.ceil(-np.log(float(kind.smallest_subnormal)) + np.log(2))  # below half of it, rounded to 0
    assert rounded == np.ceil(-np.log(float(kind.eps) / 2))  # 1 + half an ε is 1
    assert (overflow, rounded) == {np.float32: (89, 17), np.float64: (710, 37)}[dtype]


# --- A bad start ------------------------------------------------------------------------------------------------------


def problem(n: int = 60, m: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, m))
    return x, (x @ [2.0, -1.0, 0.5] + 0.2 * rng.normal(size=n) > 0).astype(np.int64)


@pytest.mark.parametrize("squared", [False, True])
def test_descend_is_pytorchs_gradient_descent(monkeypatch, squared):
    monkeypatch.setattr(output_units, "STEPS", 5)
    x, y = problem()
    unit = Linear(3, 1, np.random.default_rng(1), dtype=np.float64)
    W, b = (torch.tensor(p.data.copy(), requires_grad=True) for p in unit.parameters())
    network = Network([unit, Sigmoid()], SquaredError()) if squared else Network([unit], SigmoidCrossEntropy())
    right, length = follow_descent(network, x, y[:, None] if squared else y, rate=0.7)

    optimiser, wanted = torch.optim.SGD([W, b], lr=0.7), torch.tensor(y[:, None]).double()
    assert len(right) == len(length) == 6
    for step in range(6):
        z = torch.tensor(x) @ W + b
        assert_allclose(right[step], 100 * ((z > 0) == (wanted > 0)).double().mean())
        losses = F.binary_cross_entropy_with_logits(z, wanted), F.mse_loss(torch.sigmoid(z), wanted) / 2
        loss = losses[squared]
        optimiser.zero_grad()
        loss.backward()
        assert_allclose(length[step], W.grad.norm(), rtol=1e-9)
        if step < 5:
            optimiser.step()
    assert_allclose(unit.W.data, W.detach(), rtol=1e-9)
    assert_allclose(unit.b.data, b.detach(), rtol=1e-9)


def test_from_a_bad_start_only_the_log_loss_pushes():
    tumours = breast_cancer(seed=0).train
    x = (tumours.features - tumours.features.mean(axis=0)) / tumours.features.std(axis=0)
    run = Run("output_units", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())
    (log_right, log_length), (slow_right, slow_length), (fast_right, fast_length) = relearn(
        x, tumours.labels, run
    ).values()
    assert log_right[0] == slow_right[0] == fast_right[0] < 10  # copies of one misled unit
    assert slow_length[0] == fast_length[0] < 0.01 * log_length[0]
    assert log_right[-1] > 95 > 60 > slow_right[-1]
    assert fast_right[-1] > 95

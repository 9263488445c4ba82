"""Arrays that were passed are copied: a later change of the caller's array has no effect."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop.autograd import Tensor
from ch04_backprop.batchnorm import BatchNorm
from ch04_backprop.dropout import Dropout
from ch04_backprop.hidden_units import UNITS
from ch04_backprop.layers import Layer, Linear, LogLikelihood, Network, Parameter, Sigmoid, Softmax
from ch04_backprop.networks.costs import SigmoidCrossEntropy, SoftmaxCrossEntropy, SquaredError
from ch04_backprop.noise import GaussianNoise, NoisyLinear
from ch04_backprop.optimisers import OPTIMISERS, SGD


def rng():
    return np.random.default_rng(0)


# --- Tensors


def test_the_array_that_a_tensor_was_made_of():
    a = np.array([1.0, 2.0])
    x = Tensor(a, True)
    loss = (x * x).sum()
    a[:] = 0
    loss.backward()
    assert_array_equal(x.grad, [2, 4])
    assert_array_equal(x.data, [1, 2])


OPERATIONS = {
    "times": lambda x, a: x * a,
    "times, from the left": lambda x, a: a * x,
    "over": lambda x, a: x / a,
    "under": lambda x, a: a / x,
    "to the power": lambda x, a: x**a,
    "power of": lambda x, a: a**x,
    "matrix": lambda x, a: x @ a,
    "matrix, from the left": lambda x, a: a @ x,
    "tensor of it": lambda x, a: x * Tensor(a),
    "tensor of a tensor": lambda x, a: x * Tensor(Tensor(a)),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_array_as_an_operand(operation):
    gradients = []
    for change in (False, True):
        x, a = Tensor([[1.5, 2.0], [3.0, 0.5]], True), np.array([[2.0, 3.0], [1.0, 4.0]])
        loss = operation(x, a).sum()
        if change:
            a[:] = 0
        loss.backward()
        gradients.append(x.grad)
    assert_array_equal(*gradients)


@pytest.mark.parametrize(
    "index",
    [np.array([2, 0]), [2, 0], (np.array([1, 2]), np.array([0, 1])), np.array([True, False, True]), ([0, 0], slice(1))],
    ids=str,
)
def test_arrays_and_lists_as_an_index(index):
    gradients = []
    for change in (False, True):
        x = Tensor(np.arange(6.0).reshape(3, 2), True)
        at = (
            tuple(np.array(i) if not isinstance(i, slice) else i for i in index)
            if isinstance(index, tuple)
            else (index.copy())
        )
        loss = (x[at] ** 2).sum()
        if change:
            for part in at if isinstance(at, tuple) else [at]:
                if not isinstance(part, slice):
                    part[:] = [False] * len(part) if isinstance(part, np.ndarray) else [1] * len(part)
        loss.backward()
        gradients.append(x.grad)
    assert_array_equal(*gradients)


def test_a_tensor_of_a_tensor_is_a_copy_as_in_pytorch():
    x = Tensor([1.0, 2.0])
    y = Tensor(x)
    y.data -= 1
    y[0] = 7
    assert_array_equal(x.data, [1, 2])
    z = torch.tensor([1.0, 2.0])
    torch.tensor(z.numpy())[0] = 7
    assert_array_equal(z, [1, 2])


def test_data_that_is_set_is_copied():
    a, x = np.array([3.0, 4.0]), Tensor([1.0, 2.0], True)
    x.data = a
    a[:] = 0
    assert_array_equal(x.data, [3, 4])


def test_the_array_of_a_tensor_is_for_reading():
    x = Tensor([1.0, 2.0])
    array = np.asarray(x)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 5
    copy = np.array(x)
    copy[0] = 5
    assert_array_equal(x.data, [1, 2])


# --- Parameters and optimisers


@pytest.mark.parametrize("rule", OPTIMISERS.values(), ids=OPTIMISERS)
@pytest.mark.parametrize("kind", [Parameter, lambda a: Tensor(a, True)], ids=["Parameter", "Tensor"])
def test_three_optimisers_from_one_start_each_start_there(rule, kind):
    w0, ends = np.array([1.0, -2.0]), []
    for _ in range(3):
        w = kind(w0)
        optimiser = rule([w], 0.1)
        for _ in range(5):
            w.grad = 2 * w.data
            optimiser.step()
        ends.append(w.data)
    assert_array_equal(w0, [1, -2])
    assert_array_equal(ends[0], ends[1])
    assert_array_equal(ends[0], ends[2])
    assert (ends[0] != w0).all()


def test_a_parameter_s_data():
    w0, parameter = np.array([1.0, 2.0], np.float32), Parameter(np.array([1, 2]))
    assert parameter.data.dtype == parameter.grad.dtype == np.float64
    parameter.data = w0
    parameter.data -= 1
    assert_array_equal(w0, [1, 2])
    assert_array_equal(parameter.data, np.array([0, 1], np.float32), strict=True)
    with pytest.raises(ValueError, match=r"shape \(2,\).*\(2, 1\)"):
        parameter.data = w0[:, None]


# --- Layers and costs


LAYERS = {
    "linear": lambda: Linear(4, 4, rng(), dtype=np.float64),
    "noisy linear": lambda: NoisyLinear(Linear(4, 4, rng(), dtype=np.float64), 0.1, rng()),
    "softmax": Softmax,
    "batchnorm": lambda: BatchNorm(4, dtype=np.float64),
    "dropout": lambda: Dropout(0.5, rng()),
    "noise": lambda: GaussianNoise(0.5, rng()),
    **UNITS,
}
Z = np.random.default_rng(1).normal(size=(5, 4))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_layer_s_way_back_does_not_change_with_the_arrays_that_it_took_and_gave(make):
    gradients = []
    for change in (False, True):
        layer, z = make(), Z.copy()
        out = layer.forward(z)
        delta = np.random.default_rng(2).normal(size=out.shape)
        if change:
            z[:] = 0
            out[:] = 0
        layer.parameter_gradients(delta)
        gradients.append([layer.backward(delta), *(p.grad for p in layer.parameters())])
    for before, after in zip(*gradients, strict=True):
        assert_array_equal(before, after)


def test_nor_does_a_cost_s():
    p, labels = Softmax().forward(Z), np.array([0, 1, 2, 3, 0])
    for cost, z, answers in (
        (LogLikelihood(), p, labels),
        (SoftmaxCrossEntropy(), Z.copy(), labels),
        (SigmoidCrossEntropy(), Z[:, :1].copy(), labels.clip(0, 1)),
        (SquaredError(), Z.copy(), Z[::-1].copy()),
    ):
        cost.forward(z, answers)
        before = cost.backward()
        z[:], answers[:] = 0.5, 0
        assert_array_equal(cost.backward(), before)


# --- The way back is the last forward pass's


def test_dropout_in_use_hands_everything_on():
    layer, z = Dropout(0.5, rng()), np.ones((1, 4))
    layer.training = False
    layer.forward(z)
    assert_array_equal(layer.backward(z), np.ones((1, 4)))  # never trained
    layer.training = True
    mask = layer.forward(z)
    assert 0 in mask
    layer.training = False
    assert_array_equal(layer.backward(z), mask)  # of the pass that was in training
    layer.forward(z)
    assert_array_equal(layer.backward(z), np.ones((1, 4)))
    layer.training = True
    assert_array_equal(layer.backward(z), np.ones((1, 4)))


@pytest.mark.parametrize("forward_in_training", [True, False])
def test_batchnorm_goes_back_as_it_came(forward_in_training):
    ours, theirs = BatchNorm(4, dtype=np.float64), torch.nn.BatchNorm1d(4, dtype=torch.float64)
    ours.training = forward_in_training
    theirs.train(forward_in_training)
    z, delta = torch.tensor(Z, requires_grad=True), np.random.default_rng(2).normal(size=Z.shape)
    theirs(z).backward(torch.tensor(delta))
    ours.forward(Z)
    ours.training = not forward_in_training
    assert_allclose(ours.backward(delta), z.grad, rtol=1e-9, atol=1e-12)


# --- What optimisers and networks refuse


def leaf(n=2):
    return Tensor(np.ones(n), True)


@pytest.mark.parametrize("rule", OPTIMISERS.values(), ids=OPTIMISERS)
def test_an_optimiser_wants_a_list_of_parameters_each_once(rule):
    w = leaf()
    for single in (w, Parameter(np.ones(2)), np.ones(2)):
        with pytest.raises(TypeError, match="single"):
            rule(single, 0.1)
    with pytest.raises(ValueError, match="twice"):
        rule([w, leaf(), w], 0.1)
    with pytest.raises(ValueError, match="empty"):
        rule(iter([]), 0.1)
    with pytest.raises(ValueError, match="not a leaf"):
        rule([w * 2], 0.1)
    for wrong in ([np.ones(2)], [None], {"w": w}, [1.0]):
        with pytest.raises(TypeError, match="without data and grad"):
            rule(wrong, 0.1)
    assert rule((p for p in [w, leaf()]), 0.1).parameters[0] is w


@pytest.mark.parametrize("rate", [-0.1, float("nan"), np.array([0.1, -1])])
def test_no_learning_rate_is_negative(rate):
    with pytest.raises(ValueError, match="learning_rate"):
        SGD([leaf()], rate)


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ("momentum", {"momentum": -0.1}),
        ("momentum", {"momentum": 1.0}),
        ("Nesterov", {"momentum": float("nan")}),
        ("RMSProp", {"decay": 1.5}),
        ("RMSProp", {"epsilon": -1e-8}),
        ("Adam", {"betas": (1.0, 0.9)}),
        ("Adam", {"betas": (0.9, -0.1)}),
        ("Adam", {"betas": (0.9,)}),
        ("Adam", {"epsilon": float("nan")}),
    ],
)
def test_nor_is_another_setting_out_of_range(rule, settings):
    with pytest.raises((ValueError, TypeError), match=next(iter(settings))):
        OPTIMISERS[rule]([leaf()], 0.1, **settings)


def test_a_layer_stands_in_a_network_once():
    relu, linear = UNITS["ReLU"](), Linear(3, 3, rng())
    for layers in ([linear, relu, linear], [relu, linear, relu]):
        with pytest.raises(ValueError, match="layer 2 of the network stands in it before, at 0"):
            Network(layers, SquaredError())
    network = Network([linear, relu], SquaredError())
    network.layers = [linear, relu, linear]
    z = np.ones((1, 3), np.float32)
    with pytest.raises(ValueError, match="layer 2"):
        network.gradient(z, z)


def test_so_does_a_parameter():
    first, second = Linear(3, 3, rng()), Linear(3, 3, rng())
    second.W = first.W
    with pytest.raises(ValueError, match="parameter 2"):
        Network([first, Sigmoid(), second], SquaredError())
    assert isinstance(Network([first, Sigmoid(), Linear(3, 3, rng())], SquaredError()).layers[0], Layer)


# --- Tensors of nothing, and of what is no number


@pytest.mark.parametrize("wrong", [None, [None, 1.0], "3", ["1", "2"], 1j, [1 + 2j], {"a": 1}], ids=str)
def test_what_is_no_real_number_is_no_tensor(wrong):
    for attempt in (
        lambda: Tensor(wrong),
        lambda: Tensor([1.0, 2.0]) + wrong,
        lambda: Tensor([1.0, 2.0]).__setitem__(0, wrong),
        lambda: Tensor(1.0, True).backward([wrong]),
    ):
        with pytest.raises((TypeError, ValueError)):
            attempt()


@pytest.mark.parametrize("value", [0.0, 1.0, -2.0, float("nan"), [0.0], [[3.0]]])
def test_one_number_is_true_unless_0_as_in_pytorch(value):
    assert bool(Tensor(value)) is bool(torch.tensor(value))


@pytest.mark.parametrize("shape", [(0,), (2,), (1, 2)])
def test_more_or_fewer_are_ambiguous_as_in_pytorch(shape):
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(torch.ones(shape))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Tensor(np.ones(shape)))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
@pytest.mark.filterwarnings("error")
def test_the_mean_of_nothing_is_pytorch_s(shape, axis):
    if axis == (0, 1) and len(shape) < 2:
        return
    ours, theirs = Tensor(np.ones(shape), True), torch.ones(shape, dtype=torch.float64, requires_grad=True)
    mean, wanted = ours.mean(axis), theirs.mean() if axis is None else theirs.mean(dim=axis)
    assert_array_equal(mean.data, wanted.detach(), strict=True)
    mean.sum().backward()
    wanted.sum().backward()
    assert_array_equal(ours.grad, theirs.grad)

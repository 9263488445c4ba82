"""Each rule against torch.optim, step by step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop import optimisers
from ch04_backprop.autograd import Tensor
from ch04_backprop.layers import Parameter
from ch04_backprop.optimisers import OPTIMISERS, SGD, AdaGrad, Adam, Momentum, Nesterov, RMSProp
from tests.recorded_lesson import recorded

STEPS, RATE = 100, 0.003  # RMSProp at larger rates jumps about the bottom, and doubles every rounding error
RULES = {  # ours and PyTorch's; the defaults, and settings of one's own
    "SGD": (SGD, {}, torch.optim.SGD, {}),
    "momentum": (Momentum, {}, torch.optim.SGD, {"momentum": 0.9}),
    "momentum 0.5": (Momentum, {"momentum": 0.5}, torch.optim.SGD, {"momentum": 0.5}),
    "Nesterov": (Nesterov, {}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "Nesterov 0.7": (Nesterov, {"momentum": 0.7}, torch.optim.SGD, {"momentum": 0.7, "nesterov": True}),
    "AdaGrad": (AdaGrad, {}, torch.optim.Adagrad, {}),
    "RMSProp": (RMSProp, {}, torch.optim.RMSprop, {"alpha": 0.99}),
    "RMSProp 0.9": (RMSProp, {"decay": 0.9, "epsilon": 1e-3}, torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-3}),
    "Adam": (Adam, {}, torch.optim.Adam, {}),
    "Adam 0.8": (Adam, {"betas": (0.8, 0.9), "epsilon": 1e-3}, torch.optim.Adam, {"betas": (0.8, 0.9), "eps": 1e-3}),
}
EACH_RULE = pytest.mark.parametrize(("rule", "settings", "peer", "theirs"), RULES.values(), ids=RULES)
KINDS = {"Tensor": lambda array: Tensor(array, requires_grad=True), "Parameter": Parameter}
EACH_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
SHAPES = ((4, 3), (3,), (3, 2), (1,))


def starts(dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in SHAPES]


def bent_cost(W, b, V, c):
    """Neither convex nor at rest after 100 steps; the same line for both libraries."""
    hidden = (W + b).tanh() @ V
    return (hidden * hidden * 0.5).sum() + (3 * hidden * c).sigmoid().sum() + (b * b - 1).tanh().sum() + (c * c).sum()


def leave_gradients(parameters, of=bent_cost):
    """The cost's gradients by PyTorch, so that only the rules are compared."""
    leaves = [torch.tensor(np.array(p.data), requires_grad=True) for p in parameters]
    of(*leaves).backward()
    for parameter, leaf in zip(parameters, leaves, strict=True):
        parameter.grad = leaf.grad.numpy()


def step_with_torch(optimiser, leaves):
    optimiser.zero_grad()
    bent_cost(*leaves).backward()
    optimiser.step()


def assert_same(ours, theirs, tolerance=1e-12):
    for parameter, leaf in zip(ours, theirs, strict=True):
        assert_allclose(parameter.data, leaf.detach(), rtol=tolerance, atol=tolerance)


def both(rule, settings, peer, theirs, kind, rate=RATE, dtype=np.float64):
    ours = [kind(array.copy()) for array in starts(dtype)]
    leaves = [torch.tensor(array, requires_grad=True) for array in starts(dtype)]
    return ours, rule(ours, rate, **settings), leaves, peer(leaves, lr=rate, **theirs)


@EACH_RULE
@EACH_KIND
def test_100_steps_are_pytorch_s(rule, settings, peer, theirs, kind):
    ours, optimiser, leaves, peer = both(rule, settings, peer, theirs, kind)
    for _ in range(STEPS):
        leave_gradients(ours)
        optimiser.step()
        step_with_torch(peer, leaves)
        assert_same(ours, leaves)
    moved = [np.abs(p.data - start).max() for p, start in zip(ours, starts(), strict=True)]
    assert min(moved) > 0.04


@EACH_RULE
def test_single_precision_stays_single_and_near(rule, settings, peer, theirs):
    ours, optimiser, leaves, peer = both(rule, settings, peer, theirs, Parameter, RATE, np.float32)
    for step in range(STEPS):
        optimiser.learning_rate = RATE * np.float64(1 - step / STEPS)  # a NumPy number must not make it double
        peer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        leave_gradients(ours)
        optimiser.step()
        step_with_torch(peer, leaves)
    assert_same(ours, leaves, 1e-6)
    assert {p.data.dtype for p in ours} == {np.dtype("f4")}


@EACH_RULE
def test_the_learning_rate_may_change_between_steps(rule, settings, peer, theirs):
    ours, optimiser, leaves, peer = both(rule, settings, peer, theirs, Parameter)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(peer, 30, eta_min=RATE / 50)
    for _ in range(30):
        optimiser.learning_rate = schedule.get_last_lr()[0]
        leave_gradients(ours)
        optimiser.step()
        step_with_torch(peer, leaves)
        schedule.step()
        assert_same(ours, leaves)


@EACH_RULE
def test_our_own_gradients_go_the_same_way(rule, settings, peer, theirs):
    """Tensors from end to end: cost, gradients that must be forgotten each time, steps."""
    ours, optimiser, leaves, peer = both(rule, settings, peer, theirs, KINDS["Tensor"])
    for _ in range(20):
        optimiser.zero_grad()
        bent_cost(*ours).backward()
        optimiser.step()
        step_with_torch(peer, leaves)
    assert_same(ours, leaves)


@EACH_RULE
@EACH_KIND
def test_what_has_no_gradient_waits(rule, settings, peer, theirs, kind):
    """One parameter has a gradient in every other step only, one from the tenth step on, one never."""
    ours, optimiser, leaves, peer = both(rule, settings, peer, theirs, kind)
    for step in range(30):
        leave_gradients(ours)
        peer.zero_grad()
        bent_cost(*leaves).backward()
        for number, waits in ((0, step % 2), (1, step < 10), (2, True)):
            if waits:
                ours[number].grad = leaves[number].grad = None
        optimiser.step()
        peer.step()
        assert_same(ours, leaves)
    assert_array_equal(ours[2].data, starts()[2])


@EACH_RULE
def test_zero_grad_forgets_gradients_and_nothing_else(rule, settings, peer, theirs):
    ours, optimiser, leaves, peer = both(rule, settings, peer, theirs, Parameter)
    for _ in range(3):
        leave_gradients(ours)
        optimiser.step()
        step_with_torch(peer, leaves)
        optimiser.zero_grad()
        assert [p.grad for p in ours] == [None] * len(ours)
        optimiser.step()  # no gradients: nothing changes
        assert_same(ours, leaves)


@EACH_RULE
def test_an_array_of_learning_rates_is_as_many_optimisers(rule, settings, peer, theirs):
    rates = np.array([0.001, 0.01, 0.1])
    together = Parameter(np.repeat(starts()[1][:, None], 3, axis=1))
    alone = [Parameter(starts()[1].copy()) for _ in rates]
    optimisers = [rule([together], rates, **settings)]
    optimisers += [rule([p], float(rate), **settings) for p, rate in zip(alone, rates, strict=True)]
    for _ in range(20):
        for parameter in (together, *alone):
            parameter.grad = np.cos(3 * parameter.data)
        for optimiser in optimisers:
            optimiser.step()
    assert_allclose(together.data, np.stack([p.data for p in alone], axis=1), rtol=1e-12)


@EACH_RULE
def test_gradients_are_left_as_they_were(rule, settings, peer, theirs):
    parameter = Parameter(np.ones(3))
    optimiser = rule([parameter], RATE, **settings)
    for _ in range(2):
        parameter.grad = given = np.array([1.0, -2.0, 0.0])
        optimiser.step()
        assert parameter.grad is given
        assert_array_equal(given, [1, -2, 0])
    assert parameter.data[2] == 1  # no slope, no step; nor 0 / 0


def test_parameters_may_come_from_a_generator_and_adam_knows_its_rate():
    parameters = [Parameter(np.ones(2)) for _ in range(2)]
    assert SGD((p for p in parameters), 0.1).parameters == parameters
    assert Adam(parameters).learning_rate == 1e-3


def test_a_tensor_that_was_stepped_is_another_version():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    SGD([x], 0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_the_table_of_rules():
    assert tuple(OPTIMISERS.values()) == (SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam)
    assert [name.lower() for name in OPTIMISERS] == [rule.__name__.lower() for rule in OPTIMISERS.values()]


def test_the_lesson_follows_pytorch(monkeypatch):
    found = recorded(optimisers, monkeypatch)
    for name in OPTIMISERS:
        (gap,) = [value for fact, value in found.facts.items() if fact.startswith(f"{name}: largest difference")]
        assert gap < 1e-12
    lengths = found.figures["steps"][0]
    assert_allclose(lengths["SGD"][0], 1)
    assert_allclose(lengths["momentum"][0], 10 * (1 - 0.9 ** np.arange(1, optimisers.SHOWN + 1)))
    assert_allclose(lengths["AdaGrad"][1], np.arange(1, optimisers.SHOWN + 1) ** -0.5, rtol=1e-8)


def test_the_lesson_would_see_a_wrong_rule(monkeypatch):
    monkeypatch.setattr(AdaGrad, "epsilon", 1e-4)
    facts = recorded(optimisers, monkeypatch).facts
    gaps = {name.partition(":")[0]: gap for name, gap in facts.items() if "largest difference" in name}
    assert gaps.pop("AdaGrad") > 1e-6
    assert max(gaps.values()) < 1e-12

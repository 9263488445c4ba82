"""The scalar engine against PyTorch and finite differences, and what a value that is used twice receives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ch04_backprop import scalar_autograd
from ch04_backprop.scalar_autograd import OPERATIONS, Value, random_expression, two_paths
from tests.recorded_lesson import recorded

NUMBERS = st.floats(-2, 2).filter(lambda x: abs(x) > 1e-3)


@settings(max_examples=100, deadline=None)
@given(numbers=st.lists(NUMBERS, min_size=1, max_size=4), steps=st.integers(0, 25), seed=st.integers(0, 2**32 - 1))
def test_random_expressions_against_pytorch(numbers, steps, seed):
    ours = [Value(number) for number in numbers]
    theirs = [torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in numbers]
    result, peer = (random_expression(leaves, steps, np.random.default_rng(seed)) for leaves in (ours, theirs))
    result.backward()
    peer.backward()
    assert_allclose(result.data, peer.item(), rtol=1e-12, atol=1e-12)
    assert_allclose([leaf.grad for leaf in ours], [leaf.grad.item() for leaf in theirs], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("number", range(len(OPERATIONS)))
def test_each_operation_against_pytorch(number):
    for a, b in ((0.7, -1.3), (-0.4, 2.0)):
        x, y = Value(a), Value(b)
        s, t = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (a, b))
        (OPERATIONS[number](x, y) * y).backward()
        (OPERATIONS[number](s, t) * t).backward()
        assert_allclose([x.grad, y.grad], [s.grad or 0.0, t.grad.item()], rtol=1e-12, atol=1e-14)


def test_gradients_of_a_value_used_twice_add():
    x = Value(3.0)
    (x * x).backward()
    assert x.grad == 6
    y = Value(3.0)
    (y + y + y).backward()
    assert y.grad == 3


def test_a_gradient_is_complete_before_it_is_passed_on():
    """y is used at once and again much later; a walk in another order hands on half of its gradient."""
    x = Value(2.0)
    y = x * 1.0
    late = y
    for _ in range(5):
        late = late + 1
    (y * late).backward()  # y (y + 5)
    assert x.grad == 2 * 2 + 5


def test_the_two_paths_of_the_text():
    u, v = Value(2), Value(3)
    g, h, f = two_paths(u, v)
    f.backward()
    assert (g.data, h.data, f.data) == (6, 5, 30)
    assert (g.grad, h.grad) == (5, 6)
    assert u.grad == 5 * 3 + 6 * 1
    assert v.grad == 5 * 2 + 6 * 1


def test_a_second_backward_starts_again():
    x = Value(1.5)
    y = x**3
    y.backward()
    first = x.grad
    y.backward()
    assert x.grad == first
    assert_allclose(first, 3 * 1.5**2)


def test_history_has_operands_before_results_and_each_once():
    x = Value(0.3)
    y = x * x + x.exp()
    order = y.history()
    assert len(set(map(id, order))) == len(order)
    place = {id(value): number for number, value in enumerate(order)}
    assert all(place[id(operand)] < place[id(value)] for value in order for operand, _ in value.made_of)
    assert order[-1] is y


def test_numbers_from_the_left():
    x = Value(4.0)
    for made, value, slope in ((1 - x, -3, -1), (2 / x, 0.5, -2 / 16), (3 * x, 12, 3), (1 + x, 5, 1)):
        made.backward()
        assert (made.data, x.grad) == (value, slope)


def test_the_lesson_agrees_with_pytorch(monkeypatch):
    found = recorded(scalar_autograd, monkeypatch)
    assert found.facts["∂f/∂u along the path through g"] + found.facts["∂f/∂u along the path through h"] == 21
    assert found.facts["∂f/∂u, by backward"] == 21
    assert found.facts["mean uses per operand"] > 1
    assert 0 < found.facts["largest relative difference from PyTorch's gradients"] < 1e-12


def test_the_lesson_would_see_a_wrong_rule(monkeypatch):
    monkeypatch.setattr(Value, "tanh", lambda self: Value(np.tanh(self.data), ((self, 1.0),)))
    assert recorded(scalar_autograd, monkeypatch).facts["largest relative difference from PyTorch's gradients"] > 1e-3

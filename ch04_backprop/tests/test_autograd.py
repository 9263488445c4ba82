"""The tensor engine against PyTorch: random expressions, every operation, and all that must not be differentiated."""

from __future__ import annotations

import gc
import operator
import subprocess
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

import ch04_backprop
from ch04_backprop import autograd
from ch04_backprop.autograd import Tensor, concatenate, no_grad, unbroadcast
from tests.recorded_lesson import recorded

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)
SEEDS = st.integers(0, 2**32 - 1)
FLAGS = st.booleans()


# --- Random expressions, all computed twice ---------------------------------------------------------------------------


@dataclass(eq=False)
class Twin:
    """One value, as our Tensor and as PyTorch's."""

    ours: Tensor
    theirs: torch.Tensor

    @staticmethod
    def leaf(array, requires_grad=True):
        array = np.asarray(array)
        return Twin(Tensor(array.copy(), requires_grad), torch.tensor(array, requires_grad=requires_grad))

    @property
    def shape(self):
        return self.ours.shape

    def backward(self, rng):
        """Both go back from a random gradient."""
        gradient = rng.normal(size=self.shape).astype(self.ours.dtype)
        self.ours.backward(gradient)
        self.theirs.backward(torch.tensor(gradient))

    def assert_same_value(self, rtol=1e-9):
        assert self.shape == tuple(self.theirs.shape)
        assert self.ours.requires_grad == self.theirs.requires_grad
        assert_allclose(self.ours.data, self.theirs.detach(), rtol=rtol, atol=rtol)

    def assert_same_gradient(self, rtol=1e-9):
        assert (self.ours.grad is None) == (self.theirs.grad is None)
        if self.ours.grad is not None:
            assert type(self.ours.grad) is np.ndarray
            assert (self.ours.grad.shape, self.ours.grad.dtype) == (self.shape, self.ours.dtype)
            size = max(1.0, float(self.theirs.grad.abs().max())) if self.ours.grad.size else 1.0
            assert_allclose(self.ours.grad, self.theirs.grad, rtol=rtol, atol=rtol * size)


def twice(work, *twins, torch_work=None):
    """The work done by both."""
    return Twin(work(*(t.ours for t in twins)), (torch_work or work)(*(t.theirs for t in twins)))


def check(work, *twins, torch_work=None, seed=0):
    """Both do the work on these leaves and go back; value and gradients are the same."""
    result = twice(work, *twins, torch_work=torch_work)
    result.assert_same_value()
    result.backward(np.random.default_rng(seed))
    for twin in twins:
        twin.assert_same_gradient()


ONE = {  # squashed first where a function is not defined everywhere or grows too fast
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "exp": lambda x: x.tanh().exp(),
    "log": lambda x: (x * x + 1).log(),
    "negative": lambda x: -x,
    "mask": lambda x: x * (x > 0),
    "mask of a mask": lambda x: (x <= 0.5) * x,
    "add a number": lambda x: 2 + x + 0.5,
    "subtract a number": lambda x: 1.5 - (x - 2),
    "times a number": lambda x: -2 * x * 0.5,
    "divide by a number": lambda x: x / 3,
    "divide a number": lambda x: 2.0 / (x * x + 1),
    "cube": lambda x: x.tanh() ** 3,
    "root": lambda x: (x * x + 0.1) ** 0.5,
    "inverse square": lambda x: (x * x + 1) ** -2,
    "power of 2": lambda x: 2.0 ** x.tanh(),
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "used three times": lambda x: x * x.tanh() - x,
}
TWO = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": lambda x, y: x / (y * y + 0.5),
    "power": lambda x, y: (x.sigmoid() + 0.5) ** y.tanh(),
}
KINDS = (*ONE, *TWO, "relu", "max", "sum over axes", "mean over axes")
KINDS += ("matmul", "index", "mask index", "reshape", "transpose", "concatenate")


class Expression:
    """A pool of values that grows by one operation at a time; hypothesis draws which."""

    def __init__(self, draw, seed):
        self.draw, self.rng, self.leaves = draw, np.random.default_rng(seed), []
        self.pool = [self.leaf(draw(SHAPES))]

    def leaf(self, shape):
        self.leaves.append(Twin.leaf(self.rng.normal(size=shape), self.draw(st.integers(0, 4)) > 0))
        return self.leaves[-1]

    def beside(self, shape):
        """A value that has this shape, or else a new leaf that has."""
        fit = [twin for twin in self.pool if twin.shape == shape]
        return self.draw(st.sampled_from(fit)) if fit and self.draw(FLAGS) else self.leaf(shape)

    def grow(self):
        kind, x = self.draw(st.sampled_from(KINDS)), self.draw(st.sampled_from(self.pool))
        if kind in ONE:
            y = twice(ONE[kind], x)
        elif kind in TWO:
            other = self.beside(self.draw(hnp.broadcastable_shapes(x.shape, max_dims=3, max_side=3)))
            y = twice(TWO[kind], *((x, other) if self.draw(FLAGS) else (other, x)))
        else:
            y = getattr(self, kind.replace(" ", "_"))(x)
        if np.abs(y.ours.data).max(initial=0) > 30:
            y = twice(lambda v: v.tanh() * 3, y)
        y.assert_same_value()
        self.pool.append(y)

    def relu(self, x):
        assume((np.abs(x.ours.data) > 1e-8).all())  # at the kink, rounding decides
        return twice(lambda v: v.relu(), x)

    def axes(self, x):
        if x.ours.ndim == 0:
            return None, tuple(range(x.ours.ndim))
        axes = self.draw(hnp.valid_tuple_axes(x.ours.ndim, min_size=1))
        axis = axes[0] if len(axes) == 1 and self.draw(FLAGS) else axes
        return axis, axes

    def max(self, x):
        (axis, dims), keep = self.axes(x), self.draw(FLAGS)
        behind = x.ours.data.max(axis=axis, keepdims=True) - x.ours.data
        assume(((behind == 0) | (behind > 1e-8)).all())
        return twice(lambda v: v.max(axis, keep), x, torch_work=lambda v: torch.amax(v, dims, keep))

    def sum_over_axes(self, x):
        (axis, dims), keep = self.axes(x), self.draw(FLAGS)
        return twice(lambda v: v.sum(axis, keep), x, torch_work=lambda v: v.sum(dims, keep))

    def mean_over_axes(self, x):
        (axis, dims), keep = self.axes(x), self.draw(FLAGS)
        return twice(lambda v: v.mean(axis=axis, keepdims=keep), x, torch_work=lambda v: v.mean(dims, keep))

    def matmul(self, x):
        assume(x.ours.ndim > 0)
        inner = x.shape[-1]
        if self.draw(FLAGS):  # x on the left
            batch = self.draw(hnp.broadcastable_shapes(x.shape[:-2], max_dims=2, max_side=3))
            other = self.draw(st.sampled_from([(inner,), (inner, 2), (*batch, inner, 2)]))
            return twice(operator.matmul, x, self.beside(other))
        inner = x.shape[-2] if x.ours.ndim > 1 else inner
        return twice(operator.matmul, self.beside(self.draw(st.sampled_from([(inner,), (2, inner)]))), x)

    def index(self, x):
        index = self.draw(hnp.basic_indices(x.shape, max_dims=4, allow_newaxis=True))
        steps = [part.step or 1 for part in (index if isinstance(index, tuple) else (index,)) if type(part) is slice]
        assume(min(steps, default=1) > 0)  # PyTorch has no steps backward
        y = twice(lambda v: v[index], x)
        assume(y.ours.data.size)
        return y

    def mask_index(self, x):
        mask = x.ours.data > np.median(x.ours.data) - 1e-6
        return twice(lambda v: v[mask], x, torch_work=lambda v: v[torch.tensor(mask)])

    def reshape(self, x):
        shape = self.draw(st.sampled_from([(-1,), (1, -1), (-1, 1), x.shape[::-1], (*x.shape, 1)]))
        return twice(lambda v: v.reshape(*shape), x, torch_work=lambda v: v.reshape(shape))

    def transpose(self, x):
        order = self.draw(st.permutations(range(x.ours.ndim)))
        return twice(lambda v: v.transpose(*order), x, torch_work=lambda v: v.permute(order))

    def concatenate(self, x):
        assume(x.ours.ndim > 0)
        axis = self.draw(st.integers(-x.ours.ndim, x.ours.ndim - 1))
        longer = list(x.shape)
        longer[axis] = self.draw(st.integers(1, 3))
        others = self.beside(tuple(longer)), self.beside(x.shape)
        return twice(lambda *v: concatenate(v, axis), x, *others, torch_work=lambda *v: torch.cat(v, axis))


@settings(max_examples=250, deadline=None)
@given(data=st.data(), seed=SEEDS, operations=st.integers(1, 9))
def test_a_random_expression_has_pytorch_s_value_and_gradients(data, seed, operations):
    expression = Expression(data.draw, seed)
    for _ in range(operations):
        expression.grow()
    result = expression.pool[-1]
    assume(result.ours.requires_grad)
    inner = [twin for twin in expression.pool if twin.ours.requires_grad]
    kept = data.draw(st.sampled_from(inner))
    kept.ours.retain_grad()
    kept.theirs.retain_grad()
    result.backward(np.random.default_rng(seed))
    for twin in (*expression.leaves, kept):
        twin.assert_same_gradient()
    others = [twin for twin in inner if twin is not kept and twin not in expression.leaves]
    assert all(twin.ours.grad is None for twin in others)


# --- One operation at a time, where each is defined -------------------------------------------------------------------


def drawn(shape, seed=0, low=-2.0, high=2.0):
    return np.random.default_rng(seed).uniform(low, high, size=shape)


@pytest.mark.parametrize("work", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
@settings(max_examples=25, deadline=None)
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), seed=SEEDS)
def test_arithmetic_over_broadcast_shapes(work, shapes, seed):
    a, b = (Twin.leaf(drawn(shape, [seed, i], 0.3)) for i, shape in enumerate(shapes.input_shapes))
    check(work, a, b, seed=seed)


@pytest.mark.parametrize("work", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
@pytest.mark.parametrize("constant", [2, 0.5, np.float64(1.5), np.float32(1.5), True, drawn((2, 1, 3), 1, 0.3)])
@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
def test_arithmetic_with_what_is_no_tensor(work, constant, left):
    theirs = torch.tensor(constant) if isinstance(constant, np.ndarray) else constant + 0
    x = Twin.leaf(drawn((4, 3), 2, 0.3))
    check(
        (lambda v: work(constant, v)) if left else (lambda v: work(v, constant)),
        x,
        torch_work=(lambda v: work(theirs, v)) if left else (lambda v: work(v, theirs)),
    )


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "relu"])
@settings(max_examples=20, deadline=None)
@given(shape=SHAPES, seed=SEEDS)
def test_functions_of_one_number(name, shape, seed):
    low, high = (0.01, 10.0) if name == "log" else (-10.0, 10.0)
    check(lambda v: getattr(v, name)(), Twin.leaf(drawn(shape, seed, low, high)), seed=seed)


def test_far_out_they_stay_finite():
    x = [-1e4, -800.0, -40.0, 40.0, 800.0, 1e4]
    with np.errstate(all="raise"):
        for name in ("tanh", "sigmoid", "relu"):
            check(lambda v, name=name: getattr(v, name)(), Twin.leaf(x))


def test_kinks_and_ties_are_shared_as_pytorch_shares_them():
    check(lambda v: v.relu(), Twin.leaf([-1.0, 0.0, 1.0]))
    tied = [[1.0, 3.0, 3.0], [3.0, 2.0, 3.0], [0.0, 0.0, 0.0]]
    for axis in (None, 0, 1, -1, (0, 1), (-1, 0)):
        for keep in (False, True):
            dims = (0, 1) if axis is None else axis
            check(
                lambda v, axis=axis, keep=keep: v.max(axis=axis, keepdims=keep),
                Twin.leaf(tied),
                torch_work=lambda v, dims=dims, keep=keep: torch.amax(v, dims, keep),
            )


POWERS = {  # of bases: where a power and its slope are numbers
    (0.5, 1.0, 3.0): (0, 1, 2, 3, 0.5, -1, -2.5),
    (0.0, 0.0, 1.0): (0, 1, 2, 1.5),
    (-1.5, -1.0, 2.0): (0, 1, 2, 3, -1, -2),
}


@pytest.mark.parametrize(("base", "exponent"), [(base, power) for base, powers in POWERS.items() for power in powers])
def test_powers(base, exponent):
    check(lambda v: v**exponent, Twin.leaf(base))


def test_powers_of_0_and_by_a_tensor():
    check(operator.pow, Twin.leaf([0.0, 0.0, 2.0]), Twin.leaf([2.0, 1.0, 0.0]))
    check(lambda v: 0.0**v, Twin.leaf([1.0, 2.0]))


@pytest.mark.parametrize("size", [1e-200, 1e-100, 1e100, 1e200])
def test_a_quotient_s_gradient_neither_overflows_nor_vanishes_before_it_must(size):
    with np.errstate(all="raise"):
        check(operator.truediv, Twin.leaf(3 * size), Twin.leaf(2 * size))


MATMULS = [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (4, 3, 2)),
    ((4, 2, 3), (1, 3, 2)),
    ((3,), (4, 3, 2)),
    ((4, 2, 3), (3,)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize(("a", "b"), MATMULS)
def test_matrix_products(a, b):
    check(operator.matmul, Twin.leaf(drawn(a)), Twin.leaf(drawn(b, 1)))
    array = drawn(a, 2)
    check(lambda v: array @ v, Twin.leaf(drawn(b, 3)), torch_work=lambda v: torch.tensor(array) @ v)
    other = drawn(b, 4)
    check(lambda v: v @ other, Twin.leaf(drawn(a, 5)), torch_work=lambda v: v @ torch.tensor(other))


INDICES = [
    0,
    -1,
    np.int64(2),
    slice(1, 3),
    slice(None, None, 2),
    (slice(None), 1),
    (..., 0),
    (None, 1, ..., None),
    [0, 2, 2, 0],
    np.array([1, 1, 1]),
    (np.array([0, 3, 0]), np.array([1, 2, 1])),
    (slice(None), [2, 0, 2]),
    (np.array([[0], [3]]), np.array([1, 1, 2])),
    (np.arange(4), slice(0, 2)),
    np.array([True, False, True, True]),
    (np.array([True, False, True, True]), 1),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indices(index):
    def as_torch(part):
        return torch.tensor(part) if isinstance(part, np.ndarray) else part

    theirs = tuple(map(as_torch, index)) if isinstance(index, tuple) else as_torch(index)
    check(lambda v: v[index], Twin.leaf(drawn((4, 3, 2))), torch_work=lambda v: v[theirs])


@settings(max_examples=30, deadline=None)
@given(data=st.data(), shape=hnp.array_shapes(max_dims=3, max_side=4), seed=SEEDS)
def test_random_places_and_masks(data, shape, seed):
    places = data.draw(hnp.integer_array_indices(shape))
    peer = tuple(torch.tensor(place) for place in places)
    check(lambda v: v[places], Twin.leaf(drawn(shape, seed)), torch_work=lambda v: v[peer], seed=seed)
    mask = data.draw(hnp.arrays(bool, shape))
    check(lambda v: v[mask], Twin.leaf(drawn(shape, seed)), torch_work=lambda v: v[torch.tensor(mask)], seed=seed)


def test_numbers_of_an_array_used_again_and_again():
    check(lambda v: (1 - v[0]) ** 2 + 100 * (v[1] - v[0] ** 2) ** 2 + v[0] * v[1] / v[2], Twin.leaf([-1.5, 1.5, 0.7]))


def test_backward_steps():
    check(lambda v: v[::-1, ::-2], Twin.leaf(drawn((3, 4))), torch_work=lambda v: v.flip(0, 1)[:, ::2])


@settings(max_examples=30, deadline=None)
@given(data=st.data(), ndim=st.integers(1, 4), seed=SEEDS)
def test_axes_in_any_order_counted_from_either_end(data, ndim, seed):
    order = [axis - ndim * data.draw(FLAGS) for axis in data.draw(st.permutations(range(ndim)))]
    square = Twin.leaf(drawn((3,) * ndim, seed))  # a wrong order back would fit
    check(lambda v: v.transpose(*order), square, torch_work=lambda v: v.permute(*order), seed=seed)


def test_transposed():
    check(lambda v: v.T, Twin.leaf(drawn((2, 3))))
    check(lambda v: v.T, Twin.leaf(drawn((2, 3, 4))), torch_work=lambda v: v.permute(2, 1, 0))
    check(lambda v: v.transpose(), Twin.leaf(drawn((2, 3, 4))), torch_work=lambda v: v.permute(2, 1, 0))


@pytest.mark.parametrize("shape", [(6,), (3, 2), (-1, 2), (2, 1, 3, 1)])
def test_reshaped(shape):
    check(lambda v: v.reshape(*shape), Twin.leaf(drawn((2, 3))))


def test_reshaped_to_a_plain_number():
    check(lambda v: v.reshape(), Twin.leaf(drawn((1, 1))), torch_work=lambda v: v.reshape(()))


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_one_tensor_among_several_may_be_joined_twice(axis):
    a, b = Twin.leaf(drawn((2, 2))), Twin.leaf(drawn((2, 2), 1), requires_grad=False)
    work = lambda v, w: concatenate([v, w, v * v], axis)  # noqa: E731
    check(work, a, b, torch_work=lambda v, w: torch.cat([v, w, v * v], axis))


def test_an_empty_tensor():
    x = Twin.leaf(np.zeros((0, 3)))
    check(lambda v: v.exp().sum(axis=0), x, torch_work=lambda v: v.exp().sum(0))
    assert x.ours.grad.shape == (0, 3)


@settings(max_examples=50, deadline=None)
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=1, base_shape=(2, 3, 2), max_side=3), seed=SEEDS)
def test_unbroadcast_is_broadcasting_s_transpose(shapes, seed):
    """⟨broadcast(x), g⟩ = ⟨x, unbroadcast(g)⟩, and the shape is x's."""
    (shape,) = shapes.input_shapes
    x, g = drawn(shape, seed), drawn(shapes.result_shape, [seed, 1])
    back = unbroadcast(g, shape)
    assert back.shape == shape
    assert_allclose(np.sum(x * g), np.sum(x * back), rtol=1e-9, atol=1e-12)


# --- Precision --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("work", [*ONE.values(), lambda x: x.max(axis=0), lambda x: x.mean(axis=0), lambda x: x[[0]]])
def test_single_precision_stays_single(work):
    x = Tensor(drawn((3, 2)).astype(np.float32), requires_grad=True)
    y = work(x)
    assert y.dtype == np.float32
    y.backward(np.ones(y.shape))
    assert x.grad.dtype == np.float32


def test_a_double_array_does_not_make_a_single_tensor_double():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = (x + np.ones(3)) * np.float64(2) / np.arange(1, 4) ** 1.0
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_single_precision_beside_double_gives_each_its_own():
    a, b = Twin.leaf(drawn((2, 3)).astype(np.float32)), Twin.leaf(drawn((3,), 1))
    result = twice(operator.mul, a, b)
    result.backward(np.random.default_rng(0))
    a.assert_same_gradient(1e-6)
    b.assert_same_gradient(1e-6)


# --- What backward does, and when it refuses --------------------------------------------------------------------------


def test_gradients_of_two_graphs_add_up_until_they_are_forgotten():
    x = Twin.leaf(drawn((2, 3)))
    for _ in range(2):
        twice(lambda v: (v * v).sum(), x).backward(np.random.default_rng(1))
    twice(lambda v: v.exp().sum(), x).backward(np.random.default_rng(2))
    x.assert_same_gradient()
    x.ours.zero_grad()
    assert x.ours.grad is None
    (x.ours * 3).sum().backward()
    assert_array_equal(x.ours.grad, 3)


def test_the_graph_is_walked_again_only_if_it_was_retained():
    x = Twin.leaf(drawn(3))
    inner = twice(lambda v: v.exp() * v, x)
    y = twice(lambda v: (v * v).sum(), inner)
    for twin in (inner, y):
        twin.ours.retain_grad()
        twin.theirs.retain_grad()
    for retain in (True, True, False):
        y.ours.backward(retain_graph=retain)
        y.theirs.backward(retain_graph=retain)
        for twin in (x, inner, y):
            twin.assert_same_gradient()
    before = x.ours.grad.copy()
    for result in (y, inner):  # what it went through is freed as well
        with pytest.raises(RuntimeError, match="freed"):
            result.ours.backward(np.ones(result.shape))
    assert_array_equal(x.ours.grad, before)


def test_two_results_of_one_graph():
    x = Twin.leaf(drawn(4))
    shared = twice(lambda v: v.tanh(), x)
    first, second = twice(lambda v: (v * v).sum(), shared), twice(lambda v: v.exp().sum(), shared)
    for twin, retain in ((first, True), (second, False)):
        twin.ours.backward(retain_graph=retain)
        twin.theirs.backward(retain_graph=retain)
    x.assert_same_gradient()


def test_backward_from_a_leaf_and_from_a_tensor_of_one_number():
    for shape in ((), (1,), (1, 1)):
        x = Twin.leaf(drawn(shape))
        x.ours.backward()
        x.theirs.backward()
        x.assert_same_gradient()


def test_the_gradient_that_is_given_may_be_a_list_or_a_tensor_and_is_left_alone():
    x, given = Tensor([1.0, 2.0], requires_grad=True), np.array([3.0, 4.0])
    (x + 0).backward(Tensor(given))
    x.backward([1, 2])
    assert_array_equal(x.grad, [4, 6])
    x.backward(given)
    x.grad[0] = 99
    assert_array_equal(given, [3, 4])


def test_gradients_are_nobody_else_s():
    """Two leaves and a retained result share no memory, though one gradient went through all."""
    a, b = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    total = a + b
    total.retain_grad()
    total.sum().backward()
    a.grad *= 5
    assert_array_equal(b.grad, 1)
    assert_array_equal(total.grad, 1)


def test_what_asks_for_no_gradient_gets_none():
    x, constant = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0])
    product = x * constant
    product.sum().backward()
    assert constant.grad is None
    assert product.grad is None
    assert not (constant * 2).requires_grad


CHAIN = """
import weakref
from ch04_backprop.autograd import Tensor

def chain(x):
    y = x
    for _ in range(50_000):
        y = y * 1.0001
    return y

x = Tensor(1.0, requires_grad=True)
y = chain(x)
y.backward()
print(x.grad)
y = chain(x)
young = weakref.ref(y)
del y
print(young())
"""


def test_a_chain_of_50_000_operations_goes_forth_and_back_and_away():
    """Run in a separate process: it is fast without shape checks, and a crash would be detected."""
    root = Path(ch04_backprop.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", CHAIN], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    slope, young = done.stdout.split()
    assert_allclose(float(slope), 1.0001**50_000, rtol=1e-9)
    assert young == "None"


def test_a_node_of_many_paths_is_visited_once():
    """2⁶⁰ paths lead from the result to the leaf."""
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60


def test_an_old_leaf_in_a_young_graph_and_a_young_leaf_in_an_old_one():
    late, x = Twin.leaf(2.0), Twin.leaf(3.0)
    y = twice(lambda v: v * v, x)
    later = Twin.leaf(5.0)
    check(lambda v, w, u: v * w + u * w, late, later, x)
    y.backward(np.random.default_rng(0))
    x.assert_same_gradient()


def test_backward_wants_somebody_who_asks_for_a_gradient():
    with pytest.raises(RuntimeError, match="requires a gradient"):
        Tensor([1.0, 2.0]).sum().backward()


def test_backward_wants_a_scalar_or_a_gradient_of_the_result_s_shape():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"needs a scalar, or a gradient of shape \(2,\)"):
        (x * 2).backward()
    for wrong in (np.ones(3), np.ones((2, 1)), np.ones((1, 2)), 1.0):
        with pytest.raises(ValueError, match=r"the result has shape \(2,\), its gradient \("):
            (x * 2).backward(wrong)
    assert x.grad is None


@pytest.mark.parametrize(
    "work",
    [
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a @ b,
        lambda a, b: a @ b.T[:, 0][:2],
        lambda a, b: a.reshape(4, 2),
        lambda a, b: concatenate([a, b], 1),
        lambda a, b: concatenate([a, a[0]], 0),
        lambda a, b: a[0] @ b,
        lambda a, b: a @ Tensor(2.0),
    ],
)
def test_shapes_that_do_not_fit_are_refused(work):
    a, b = Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones((4, 3)), requires_grad=True)
    with pytest.raises(ValueError, match=r"shape|dimension|core"):
        work(a, b)


def test_a_matrix_product_says_which_shapes():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(4, 3\)"):
        Tensor(np.ones((2, 3))) @ Tensor(np.ones((4, 3)))


# --- no_grad and detach -----------------------------------------------------------------------------------------------


def test_nothing_is_remembered_within_no_grad():
    x = Tensor(2.0, requires_grad=True)
    with no_grad():
        with no_grad():
            assert not (x * x).requires_grad
        y = x * x  # the inner block has not ended the outer one
        made = Tensor(1.0, requires_grad=True)
    assert not y.requires_grad
    assert y.operands() == []
    assert made.requires_grad
    assert (x * x).requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018
    assert (x * x).requires_grad


def test_no_grad_makes_a_constant_of_a_part():
    x = Twin.leaf(3.0)

    def ours(v):
        with no_grad():
            weight = v.exp()
        return v * weight

    check(ours, x, torch_work=lambda v: v * v.exp().detach())


def test_detach():
    x = Twin.leaf(drawn(3))
    check(lambda v: v * v.detach(), x)
    away = (x.ours * 2).detach()
    assert (away.requires_grad, away.operands()) == (False, [])
    assert_array_equal(away.data, 2 * x.ours.data)


# --- Changes in place -------------------------------------------------------------------------------------------------


def change_data(v):
    v.data -= 1


def replace_data(v):
    v.data = np.zeros(v.shape)


def set_item(v):
    v[0] = 1


CHANGES = [operator.iadd, operator.isub, operator.imul, operator.itruediv]


@pytest.mark.parametrize("change", [*(lambda v, f=f: f(v, 2.0) for f in CHANGES), set_item])
@pytest.mark.parametrize("result", [False, True], ids=["leaf", "result"])
def test_what_requires_a_gradient_is_not_changed_in_place(change, result):
    x = Tensor([1.0, 2.0], requires_grad=True)
    x = x * 1 if result else x
    with pytest.raises(RuntimeError, match="in place"):
        change(x)
    assert_array_equal(x.data, [1, 2])
    assert x.version == 0


def test_nor_does_anything_take_in_what_requires_a_gradient():
    x, w = Tensor([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="in place"):
        x += w
    with pytest.raises(RuntimeError, match="in place"):
        x[0] = w[0]
    assert_array_equal(x.data, [1, 2])
    x += Tensor([1.0, 1.0])  # neither asks for one
    assert_array_equal(x.data, [2, 3])


EACH_CHANGE = pytest.mark.parametrize(
    "change",
    [change_data, replace_data, set_item, *(lambda v, f=f: f(v, 2.0) for f in CHANGES)],
    ids=["data -=", "data =", "[0] =", "+=", "-=", "*=", "/="],
)
EACH_ASKED = pytest.mark.parametrize("asked", [True, False], ids=["asks for its own gradient", "asks for none"])


@EACH_CHANGE
@pytest.mark.parametrize("changed", ["x", "w"])
@EACH_ASKED
def test_an_operand_changed_between_forward_and_backward_is_noticed(change, changed, asked):
    leaves = {"x": Tensor(drawn(3), requires_grad=asked), "w": Tensor(drawn(3, 1), requires_grad=asked)}
    other = Tensor(drawn(3, 2), requires_grad=True)
    y = (other * leaves["x"] * leaves["w"]).sum()
    with no_grad():
        change(leaves[changed])
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    assert [leaf.grad for leaf in (*leaves.values(), other)] == [None] * 3
    (other * leaves["x"] * leaves["w"]).sum().backward()  # a new graph is fine
    assert_allclose(other.grad, leaves["x"].data * leaves["w"].data)


WORKS = {  # of a whole and a part of it
    "slice": lambda x: (x, x[0:2]),
    "reshape": lambda x: (x, x.reshape(3, 1)),
    "transpose": lambda x: (x, x.reshape(1, 3).T),
    "detach": lambda x: (x, x.detach()),
    "vector and matrix": lambda x: (x, np.ones((2, 3)) @ x),
    "sum over nothing": lambda x: (x, x.sum(axis=())),
    "plus 0": lambda x: (x, x + 0.0),
}


@EACH_CHANGE
@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
@pytest.mark.parametrize("changed", [0, 1], ids=["whole", "part"])
@EACH_ASKED
def test_a_change_is_noticed_or_does_no_harm(change, work, changed, asked):
    """For all shared memory: the values behind the gradients never change without being counted."""
    x, v, u = Tensor(drawn(3), requires_grad=asked), Tensor(drawn(3, 1), True), Tensor(drawn((3, 3), 2), True)
    both = work(x)
    y = (both[0] * v).sum() + (u[: both[1].shape[0]] * both[1].reshape(-1, 1)).sum()
    y.backward(retain_graph=True)
    right = [leaf.grad for leaf in (x, v, u)]
    for leaf in (x, v, u):
        leaf.zero_grad()
    with no_grad():
        change(both[changed])
    try:
        y.backward()
    except RuntimeError:  # noticed
        return
    for leaf, expected in zip((x, v, u), right, strict=True):
        assert_array_equal(leaf.grad, expected)


def test_an_optimiser_s_step_between_forward_and_a_retained_backward_is_noticed():
    w = Tensor(drawn(3), requires_grad=True)
    y = (w * w).sum()
    y.backward(retain_graph=True)
    w.data -= 0.1 * w.grad
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_a_changed_result_has_lost_its_origin():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    with no_grad():
        y += 1
    with pytest.raises(RuntimeError, match="origin is lost"):
        y.sum().backward()


def test_leaves_may_be_changed_under_no_grad_and_later_gradients_are_right():
    x = Twin.leaf(drawn(3, 0, 0.5))
    for _ in range(3):
        twice(lambda v: (v * v * v).sum(), x).backward(np.random.default_rng(0))
        with no_grad(), torch.no_grad():
            x.ours -= 0.1 * x.ours.grad
            x.theirs -= 0.1 * x.theirs.grad
            x.ours[0] = 0.7
            x.theirs[0] = 0.7
    assert x.ours.requires_grad
    x.assert_same_value()
    x.assert_same_gradient()


# --- Memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backward", [False, True])
def test_no_graph_outlives_its_result(backward):
    """Freed at once, by counting references: the garbage collector has no cycles to find."""
    w, alive = Tensor(drawn((3, 3)), requires_grad=True), []
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            inner = (w @ w).relu()
            y = (concatenate([inner, inner[:1] ** 2 / 3]).max(axis=0) - inner.mean()).reshape(3, 1).T.sum()
            if backward:
                y.backward()
            alive += [weakref.ref(inner), weakref.ref(y)]
            del inner, y
            assert all(ref() is None for ref in alive)
    finally:
        gc.enable()


def test_a_walked_graph_frees_its_nodes_though_the_result_is_kept():
    x = Tensor(drawn(3), requires_grad=True)
    inner = x.exp()
    y = (inner * 2).sum()
    there = weakref.ref(inner)
    del inner
    assert there() is not None
    y.backward()
    assert there() is None
    assert y.operands() == []


# --- The lesson -------------------------------------------------------------------------------------------------------


def test_the_lesson_agrees_with_pytorch_and_with_the_scalar_engine(monkeypatch):
    facts = recorded(autograd, monkeypatch).facts
    assert facts["largest relative difference from PyTorch's gradients"] < 1e-12
    assert facts["largest difference from the scalar engine's gradients"] < 1e-12
    assert facts["nodes for a matrix times a vector, Values"] > 25 > facts["nodes for a matrix times a vector, Tensors"]


@pytest.mark.parametrize("rule", ["tanh", "sigmoid", "__matmul__", "__getitem__"])
def test_the_lesson_would_see_a_wrong_rule(rule, monkeypatch):
    right = getattr(Tensor, rule)

    def wrong(self, *args):
        result = right(self, *args)
        made_of = result._made_of
        result._made_of = [(node, lambda g, back=back: 1.01 * back(g), version) for node, back, version in made_of]
        return result

    monkeypatch.setattr(Tensor, rule, wrong)
    monkeypatch.setattr(autograd, "GRAPHS", 400)
    assert recorded(autograd, monkeypatch).facts["largest relative difference from PyTorch's gradients"] > 1e-6

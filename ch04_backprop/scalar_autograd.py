"""Automatic differentiation of single numbers, in sixty lines: the idea of every framework without its arrays.

Question   A program computes a number from other numbers. Can it compute the derivatives by itself, too?
Method     Reverse-mode automatic differentiation (Linnainmaa 1970). Each operation stores its operands, and beside its
           value the derivative with respect to each of them. backward applies the chain rule: it visits results before
           their operands and adds up, over all paths, the products of these derivatives. For f(g(u), h(u)):
           ∂f/∂u = ∂f/∂g ∂g/∂u + ∂f/∂h ∂h/∂u.
Rival      PyTorch on the same random expressions, in which values are used several times.
Differs    As in micrograd (Karpathy 2020) a number is a node; but a node stores derivatives and no functions. A second
           backward starts again from 0, where PyTorch adds to the existing gradients.
Costs      1 s on two cores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ch04_backprop.drawings.scalar_autograd import draw_two_paths
from common.run import Run

EXPRESSIONS, STEPS = 300, 20  # random expressions, and the operations in each of them
U, V = 2.0, 3.0  # where f(g(u, v), h(u, v)) is differentiated
OPERATIONS: tuple[Callable[[Any, Any], Any], ...] = (  # of Values or PyTorch's tensors; none leaves the real numbers
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: 2.0 - a,
    lambda a, b: (a * b).tanh(),
    lambda a, b: a / (b * b + 1),
    lambda a, b: 1 / (a.exp() + 1),
    lambda a, b: (a**2 + 0.5).log(),
    lambda a, b: a.relu() * 0.5 + b,
    lambda a, b: a.tanh() ** 3,
)


class Value:
    """A number; made_of: pairs of an operand and ∂self/∂operand; grad: ∂f/∂self after f.backward()."""

    def __init__(self, data: float, made_of: tuple[tuple[Value, float], ...] = ()) -> None:
        self.data, self.made_of, self.grad = float(data), made_of, 0.0

    def backward(self) -> None:
        """Set grad in every value that self depends on. A value's grad is complete before it is passed on."""
        order = self.history()
        for value in order:
            value.grad = 0.0
        self.grad = 1.0
        for value in reversed(order):
            for operand, slope in value.made_of:
                operand.grad += value.grad * slope  # + : a value that is used twice gets both gradients

    def history(self) -> list[Value]:
        """Self and all values that it depends on: operands before results, each value once (a topological order)."""
        order: list[Value] = []
        seen: set[int] = set()

        def visit(value: Value) -> None:
            if id(value) not in seen:
                seen.add(id(value))
                for operand, _ in value.made_of:
                    visit(operand)
                order.append(value)

        visit(self)
        return order

    def __add__(self, other: Value | float) -> Value:
        other = as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other: Value | float) -> Value:
        other = as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def __pow__(self, power: float) -> Value:
        return Value(self.data**power, ((self, power * self.data ** (power - 1)),))

    def exp(self) -> Value:
        out = math.exp(self.data)
        return Value(out, ((self, out),))

    def log(self) -> Value:
        return Value(math.log(self.data), ((self, 1 / self.data),))

    def tanh(self) -> Value:
        out = math.tanh(self.data)
        return Value(out, ((self, 1 - out * out),))

    def relu(self) -> Value:
        return Value(max(0.0, self.data), ((self, float(self.data > 0)),))

    def __neg__(self) -> Value:
        return self * -1

    def __sub__(self, other: Value | float) -> Value:
        return self + -as_value(other)

    def __rsub__(self, other: float) -> Value:
        return as_value(other) + -self

    def __truediv__(self, other: Value | float) -> Value:
        return self * as_value(other) ** -1

    def __rtruediv__(self, other: float) -> Value:
        return as_value(other) * self**-1

    __radd__, __rmul__ = __add__, __mul__


def as_value(number: Value | float) -> Value:
    return number if isinstance(number, Value) else Value(number)


def random_expression(leaves: list[Any], steps: int, rng: np.random.Generator) -> Any:
    """`steps` random operations, each on two results so far, drawn with replacement; then the sum of all results."""
    results = list(leaves)
    for _ in range(steps):
        a, b = (results[i] for i in rng.integers(len(results), size=2))
        results.append(OPERATIONS[rng.integers(len(OPERATIONS))](a, b))
    total = results[0]
    for result in results[1:]:
        total = total + result
    return total


def two_paths(u: Any, v: Any) -> tuple[Any, Any, Any]:
    """f(g(u, v), h(u, v)) with g = u v, h = u + v and f = g h: u reaches f on two paths. Returns g, h and f."""
    g, h = u * v, u + v
    return g, h, g * h


def gaps_from_pytorch(run: Run, expressions: int) -> tuple[list[float], list[float]]:
    """The largest gradient difference of each random expression, relative to the largest, and uses per value."""
    import torch

    gaps, uses = [], []
    for _ in range(expressions):
        numbers, seed = run.rng.normal(size=3), int(run.rng.integers(2**31))
        ours = [Value(number) for number in numbers]
        theirs = [torch.tensor(number, requires_grad=True) for number in numbers]
        result, peer = (random_expression(leaves, STEPS, np.random.default_rng(seed)) for leaves in (ours, theirs))
        result.backward()
        peer.backward()
        gradients = np.array([leaf.grad for leaf in ours]), np.array([leaf.grad.item() for leaf in theirs])
        gaps.append(float(np.abs(np.subtract(*gradients)).max() / np.abs(gradients[1]).max()))
        used = [id(operand) for value in result.history() for operand, _ in value.made_of]
        uses.append(len(used) / len(set(used)))
    return gaps, uses


def lesson(run: Run) -> None:
    u, v = Value(U), Value(V)
    g, h, f = two_paths(u, v)
    f.backward()
    through_g, through_h = (middle.grad * middle.made_of[0][1] for middle in (g, h))  # u is the first operand of both
    run.fact("∂f/∂u along the path through g", through_g)
    run.fact("∂f/∂u along the path through h", through_h)
    run.fact("∂f/∂u, by backward", u.grad)
    run.fact("∂f/∂v, by backward", v.grad)
    run.figure(
        "two_paths",
        draw_two_paths,
        {"u": u, "v": v, "g = u v": g, "h = u + v": h, "f = g h": f},
        caption="f(g(u, v), h(u, v)). In each node its value (blue) and ∂f/∂node (orange); on each arrow the "
        "derivative of the result with respect to the operand. The two paths from u to f are drawn thick: ∂f/∂u is "
        "the product along one plus the product along the other.",
    )
    gaps, uses = gaps_from_pytorch(run, run.pick(smoke=EXPRESSIONS // 10, lecture=EXPRESSIONS))
    run.fact("random expressions", len(gaps))
    run.fact("mean uses per operand", float(np.mean(uses)))
    run.fact("largest relative difference from PyTorch's gradients", max(gaps))
    run.note(
        f"At u = {U:g}, v = {V:g} the path through g contributes {through_g:g} to ∂f/∂u and the path through h "
        f"{through_h:g}; backward computes {u.grad:g}."
    )

"""A tensor that remembers its operands, so that gradients of any expression of arrays are computed automatically.

Question   A network has a hundred thousand weights. What has to change for the scalar engine to differentiate arrays?
Method     Reverse-mode automatic differentiation (Linnainmaa 1970; Griewank and Walther 2008, chapter 3). Where Value
           stores a derivative, Tensor stores a rule that maps the gradient g of the result to that of an operand: the
           derivatives of a matrix product would be a matrix of matrices; the rule is another matrix product. A
           broadcast operand gets the sum of the gradients of all its copies. A list sorted by age replaces the
           recursion, so that a graph may be deep. Arrays can be changed in place: each counts its changes.
Rival      PyTorch on the same random graphs; the scalar engine on the same numbers.
Differs    The semantics are PyTorch's. But backward frees the whole graph, unless retain_graph=True; masks and grad are
           NumPy arrays, and equal maxima share the gradient, as in torch.amax.
Costs      2.5 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ch04_backprop.arrays.broadcasting import Array, unbroadcast
from ch04_backprop.arrays.versioned import VersionedArray, floats, kept, values
from ch04_backprop.drawings.autograd import draw_nodes
from ch04_backprop.layers import sigmoid
from ch04_backprop.scalar_autograd import Value
from common.run import Run

GRAPHS, STEPS, SIDE, SIDES = 200, 15, 20, (2, 4, 8, 16)  # random graphs, operations in each; sides of a matrix
SHAPES = ((3, 4), (4,), (3, 1), (1, 4), ())  # of a graph's leaves: all can be broadcast to the first
OPERATIONS: tuple[Callable[[Any, Any, Any], Any], ...] = (  # of Tensors or PyTorch's tensors; W is a square matrix
    lambda a, b, W: a + b,
    lambda a, b, W: 1 - a * b,
    lambda a, b, W: a / (b * b + 1),
    lambda a, b, W: (a * a + 1) ** b.tanh(),
    lambda a, b, W: (a.tanh() + 2).log() * b.sigmoid().exp(),
    lambda a, b, W: a.relu() - b,
    lambda a, b, W: (a @ W).tanh() if a.shape[-1:] == (4,) else -a,
    lambda a, b, W: a.mean(axis=0) if len(a.shape) == 2 else a,
    lambda a, b, W: (a + b).sum(axis=-1, keepdims=True).tanh() if len(b.shape) == 2 else b,
    lambda a, b, W: a[[0, 2, 0]] if a.shape[:1] == (3,) else a,
)

Axes = int | tuple[int, ...] | None
Rule = Callable[[Array], Array]  # from ∂C/∂result to ∂C/∂operand, before broadcasting is undone


class Tensor(VersionedArray):
    """An array of floats, and the gradient of some scalar with respect to it: grad, of the same shape, or None.

    data is copied, as by torch.tensor. copy: False if no other code can change it.
    """

    recording = True  # off within no_grad()
    _born = 0

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = False, copy: bool = True) -> None:
        super().__init__(data, copy)
        self.requires_grad, self.grad = requires_grad, None
        self._made_of: list[tuple[Tensor, Rule, int]] | None = []  # operand, rule, operand's version; None when freed
        self._keeps_grad = False
        Tensor._born += 1  # a result is younger than its operands, so youngest first is a valid backward order
        self._age = Tensor._born

    def zero_grad(self) -> None:
        """Clear the gradient, to which backward would otherwise add."""
        self.grad = None

    def retain_grad(self) -> None:
        """Let backward set grad here too, although this is a result, not a leaf."""
        self._keeps_grad = True

    def operands(self) -> list[Tensor]:
        """The operands that require gradients; none for a leaf."""
        return [operand for operand, *_ in self._made_of or () if operand.requires_grad]

    def detach(self) -> Tensor:
        """A copy of the values without history."""
        return Tensor(self.data)

    def backward(self, gradient: ArrayLike | None = None, retain_graph: bool = False) -> None:
        """Add ∂(Σ gradient · self)/∂leaf to the grad of every leaf that self depends on.

        gradient: of self's shape; default 1, which requires a scalar. Raises RuntimeError if self can't be
        differentiated, and ValueError for a gradient of another shape.
        """
        if not self.requires_grad:
            raise RuntimeError("backward: nothing that this was made from requires a gradient")
        if gradient is None and self.data.size != 1:
            raise RuntimeError(f"backward needs a scalar, or a gradient of shape {self.shape} for this result")
        gradient = np.ones_like(self.data) if gradient is None else floats(values(gradient), self.dtype, copy=False)
        if gradient.shape != self.shape:
            raise ValueError(f"backward: the result has shape {self.shape}, its gradient {gradient.shape}")
        arrived = {id(self): gradient}  # complete for a node once all younger nodes have been visited
        for node in self.history():
            g = arrived.pop(id(node))
            if not node._made_of or node._keeps_grad:
                node.grad = np.array(g if node.grad is None else node.grad + g)
            for operand, rule, _ in node._made_of:
                if operand.requires_grad:
                    share = unbroadcast(rule(g), operand.shape).astype(operand.dtype, copy=False)
                    before = arrived.get(id(operand))
                    arrived[id(operand)] = share if before is None else before + share
            if node._made_of and not retain_graph:
                node._made_of = None

    def history(self) -> list[Tensor]:
        """Self and all its ancestors that require gradients, youngest first.

        A stack replaces recursion, because chains grow long. Raises RuntimeError if the graph was freed or changed.
        """
        found, stack = {id(self): self}, [self]
        while stack:
            node = stack.pop()
            if node._made_of is None:
                raise RuntimeError("backward: an earlier backward freed this graph; retain_graph=True would keep it")
            if node._made_of and node.version:
                raise RuntimeError(f"backward: a result of shape {node.shape} was changed in place, its origin is lost")
            for operand, _, version in node._made_of:
                if operand.version != version:
                    raise RuntimeError(f"backward: an operand of shape {operand.shape} was changed in place since")
                if operand.requires_grad and id(operand) not in found:
                    found[id(operand)] = operand
                    stack.append(operand)
        return sorted(found.values(), key=lambda node: node._age, reverse=True)

    def _result(self, data: Array, *made_of: tuple[Tensor, Rule]) -> Tensor:
        result = Tensor(data, copy=data.base is not None)  # a change of one tensor must not change another
        if Tensor.recording and any(operand.requires_grad for operand, _ in made_of):
            result.requires_grad = True
            result._made_of = [(operand, rule, operand.version) for operand, rule in made_of]
        return result

    def _pair(self, other: Any) -> tuple[Tensor, Tensor]:
        return self, other if isinstance(other, Tensor) else Tensor(floats(other, self.dtype), copy=False)

    def _overwrite(self, index: Any, other: Any) -> Tensor:
        if Tensor.recording and (self.requires_grad or getattr(other, "requires_grad", False)):
            raise RuntimeError("a change in place can't be differentiated: write x = x + y, or use no_grad()")
        return super()._overwrite(index, other)

    # Operations: the value, and beside it the rule for each operand.

    def __add__(self, other: Any) -> Tensor:
        a, b = self._pair(other)
        return self._result(a.data + b.data, (a, lambda g: g), (b, lambda g: g))

    def __sub__(self, other: Any) -> Tensor:
        a, b = self._pair(other)
        return self._result(a.data - b.data, (a, lambda g: g), (b, lambda g: -g))

    def __mul__(self, other: Any) -> Tensor:
        a, b = self._pair(other)
        return self._result(a.data * b.data, (a, lambda g: g * b.data), (b, lambda g: g * a.data))

    def __truediv__(self, other: Any) -> Tensor:
        a, b = self._pair(other)
        out = a.data / b.data
        return self._result(out, (a, lambda g: g / b.data), (b, lambda g: -g * out / b.data))

    def __pow__(self, other: Any) -> Tensor:
        a, b = self._pair(other)
        out, less = a.data**b.data, np.where(b.data == 0, 1, b.data - 1)  # a⁰ is constant, also at a = 0
        rule_b = lambda g: g * out * np.log(np.where(a.data == 0, 1, a.data))  # noqa: E731
        return self._result(out, (a, lambda g: g * b.data * a.data**less), (b, rule_b))

    def __matmul__(self, other: Any) -> Tensor:
        a, b = self._pair(other)
        if a.ndim == 1:  # temporarily a row
            product = a.reshape(1, -1) @ b
            return product[..., 0, :] if b.ndim > 1 else product[0]
        if b.ndim == 1:
            return (a @ b.reshape(-1, 1))[..., 0]
        if 0 in (a.ndim, b.ndim) or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"@: shapes {a.shape} and {b.shape} do not fit: the inner two lengths must be equal")
        rule_a, rule_b = lambda g: g @ b.data.swapaxes(-1, -2), lambda g: a.data.swapaxes(-1, -2) @ g
        return self._result(a.data @ b.data, (a, rule_a), (b, rule_b))

    def __neg__(self) -> Tensor:
        return self._result(-self.data, (self, lambda g: -g))

    def __rsub__(self, other: Any) -> Tensor:
        return self._pair(other)[1] - self

    def __rtruediv__(self, other: Any) -> Tensor:
        return self._pair(other)[1] / self

    def __rpow__(self, other: Any) -> Tensor:
        return self._pair(other)[1] ** self

    def __rmatmul__(self, other: Any) -> Tensor:
        return self._pair(other)[1] @ self

    __radd__, __rmul__ = __add__, __mul__

    def exp(self) -> Tensor:
        out = np.exp(self.data)
        return self._result(out, (self, lambda g: g * out))

    def log(self) -> Tensor:
        return self._result(np.log(self.data), (self, lambda g: g / self.data))

    def tanh(self) -> Tensor:
        out = np.tanh(self.data)
        return self._result(out, (self, lambda g: g * (1 - out * out)))

    def sigmoid(self) -> Tensor:
        out = sigmoid(self.data)
        return self._result(out, (self, lambda g: g * out * (1 - out)))

    def relu(self) -> Tensor:
        out = np.maximum(self.data, 0)
        return self._result(out, (self, lambda g: g * (out > 0)))

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        gone = self._axes(axis) if not keepdims else ()
        rule = lambda g: np.broadcast_to(np.expand_dims(g, gone), self.shape)  # noqa: E731
        return self._result(self.data.sum(axis=axis, keepdims=keepdims), (self, rule))

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        n = prod(self.shape[one] for one in self._axes(axis))
        return self.sum(axis, keepdims) * (1 / n if n else np.nan)  # an empty array has no mean

    def max(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        gone, largest = self._axes(axis) if not keepdims else (), self.data.max(axis=axis, keepdims=True)
        winners = self.data == largest
        share = winners / winners.sum(axis=axis, keepdims=True, dtype=self.dtype)
        return self._result(largest.squeeze(gone), (self, lambda g: share * np.expand_dims(g, gone)))

    def _axes(self, axis: Axes) -> tuple[int, ...]:
        return tuple(range(self.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)

    def reshape(self, *shape: int) -> Tensor:
        to = shape[0] if len(shape) == 1 else shape
        return self._result(self.data.reshape(to), (self, lambda g: g.reshape(self.shape)))

    def transpose(self, *axes: int) -> Tensor:
        order = [axis % self.ndim for axis in axes] or range(self.ndim)[::-1]
        return self._result(self.data.transpose(order), (self, lambda g: g.transpose(np.argsort(order))))

    T = property(transpose)

    def __getitem__(self, index: Any) -> Tensor:
        index = kept(index)

        def rule(g: Array) -> Array:
            whole = np.zeros_like(self.data)
            np.add.at(whole, index, g)  # an item taken twice gets both gradients
            return whole

        return self._result(self.data[index], (self, rule))


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Concatenate tensors along an axis; each gets its own piece of the gradient."""
    ends = np.cumsum([tensor.shape[axis] for tensor in tensors])
    rules = [lambda g, number=number: np.split(g, ends[:-1], axis)[number] for number in range(len(tensors))]
    return tensors[0]._result(np.concatenate([t.data for t in tensors], axis), *zip(tensors, rules, strict=True))


@contextmanager
def no_grad() -> Iterator[None]:
    """Within the block no graph is recorded, and tensors may be changed in place."""
    before, Tensor.recording = Tensor.recording, False
    try:
        yield
    finally:
        Tensor.recording = before


def random_graph(leaves: list[Any], W: Any, steps: int, rng: np.random.Generator) -> Any:
    """`steps` random operations, each on two results so far, drawn with replacement; then the sum of all results."""
    results = list(leaves)
    for _ in range(steps):
        a, b = (results[i] for i in rng.integers(len(results), size=2))
        results.append(OPERATIONS[rng.integers(len(OPERATIONS))](a, b, W).tanh())
    return sum(result.sum() for result in results)


def compare_with_pytorch(run: Run) -> float:
    """The largest difference of any gradient of a random graph, relative to that graph's largest gradient."""
    import torch

    arrays, seed = [run.rng.normal(size=shape) for shape in (*SHAPES, (4, 4))], int(run.rng.integers(2**31))
    found = []
    for make in (Tensor, torch.tensor):
        leaves = [make(array, requires_grad=True) for array in arrays]
        random_graph(leaves[:-1], leaves[-1], STEPS, np.random.default_rng(seed)).backward()
        grads = [np.zeros_like(a) if leaf.grad is None else leaf.grad for a, leaf in zip(arrays, leaves, strict=True)]
        found.append(np.concatenate([np.ravel(grad) for grad in grads]))
    return float(np.abs(found[0] - found[1]).max() / np.abs(found[1]).max())


def compare_with_scalars(run: Run, side: int) -> tuple[int, int, float]:
    """‖tanh(W x)‖² by Tensors and by Values: the nodes of each graph, and the largest difference of a gradient."""
    W, x = run.rng.normal(size=(side, side)), run.rng.normal(size=side)
    ours, vector = Tensor(W, requires_grad=True), Tensor(x, requires_grad=True)
    result = ((ours @ vector).tanh() ** 2).sum()
    nodes = len(result.history())
    result.backward()
    single = [[Value(weight) for weight in row] for row in W]
    total = sum(sum(w * number for w, number in zip(row, x, strict=True)).tanh() ** 2 for row in single)
    total.backward()
    grads = np.array([[value.grad for value in row] for row in single])
    return nodes, len(total.history()), float(np.abs(ours.grad - grads).max())


def lesson(run: Run) -> None:
    gaps = [compare_with_pytorch(run) for _ in range(run.pick(smoke=GRAPHS // 10, lecture=GRAPHS))]
    run.fact("random graphs", len(gaps))
    run.fact("largest relative difference from PyTorch's gradients", max(gaps))
    tensors, single, gap = compare_with_scalars(run, run.pick(smoke=SIDE // 4, lecture=SIDE))
    run.fact("nodes for a matrix times a vector, Tensors", tensors)
    run.fact("nodes for a matrix times a vector, Values", single)
    run.fact("largest difference from the scalar engine's gradients", gap)
    nodes = {side: compare_with_scalars(run, side)[:2] for side in SIDES}
    run.figure("nodes", draw_nodes, nodes, caption="Nodes of the graph of a matrix times a vector, its tanh and a sum.")

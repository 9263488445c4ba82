"""Recurrent networks: one layer, used once per step of a sequence, and its deltas, which run back through time.

Question   The first symbol of a sequence may determine the last output. How does a network carry it that far, and how
           does the gradient flow back?
Method     Unrolled in time, a recurrent layer is a deep network whose layers share their weights. x_t is the input of
           step t, h_t its state, h_0 = 0, and ∘ the elementwise product:
             a_t = x_t U + h_{t−1} W + b,   h_t = tanh a_t                                                       (1)
             ∂C/∂h_t = e_t + δ_{t+1} Wᵀ,    δ_t = ∂C/∂a_t = ∂C/∂h_t ∘ (1 − h_t²)                               (2)
             ∂C/∂U = Σ_t x_tᵀ δ_t,          ∂C/∂W = Σ_t h_{t−1}ᵀ δ_t,          ∂C/∂b = Σ_t δ_t                (3)
           where e_t is the gradient from outputs computed from h_t itself. This is backpropagation through time (Werbos
           1990). Truncated, it runs within blocks of steps, and no delta crosses their borders (Williams and Peng
           1990).
Rival      PyTorch's autograd, which differentiates the same loop without (2) and (3).
Differs    A row is a sequence here, as it is a point in layers.py, so W stands on the right.
Costs      0.4 s on two cores.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from ch04_backprop.layers import Layer, Parameter
from ch04_backprop.sequences import drawn_recurrent
from common.run import Run

UNITS, STEPS, SEQUENCES = 32, 60, 8  # of the layer whose gradients are compared, and its random sequences
SIZES = {"short memory": 0.5, "long memory": 1.0}  # singular values of its recurrent matrix
BLOCKS = [2, 5, 10, 20, 30, 60]  # steps after which truncated backpropagation cuts the sequence
SHOWN = 10


def orthogonal(units: int, rng: np.random.Generator) -> Float[np.ndarray, "units units"]:
    """A random matrix whose singular values are all 1: it rotates a state and keeps its length."""
    return np.linalg.qr(rng.standard_normal((units, units)))[0]


class Recurrent(Layer):
    """The common part of recurrent layers: the sums a_t = x_t U + h_{t−1} W + b, and Eq. (3).

    wide: number of sums per unit. forward computes h_t from a_t, and deltas computes δ_t from e_t. W is initially
    orthogonal, so that at first no direction of the state is shrunk or stretched; U has variance 1 / inputs; b is 0.
    """

    def __init__(self, inputs: int, units: int, wide: int, rng: np.random.Generator, dtype: type = np.float32) -> None:
        self.inputs, self.units = inputs, units
        self.U = Parameter((rng.standard_normal((inputs, wide * units)) / np.sqrt(inputs)).astype(dtype))
        self.W = Parameter(np.hstack([orthogonal(units, rng) for _ in range(wide)]).astype(dtype))
        self.b = Parameter(np.zeros(wide * units, dtype))

    def parameters(self) -> list[Parameter]:
        return [self.U, self.W, self.b]

    def weights(self) -> tuple[Float[np.ndarray, "inputs sums"], Float[np.ndarray, "units sums"]]:
        """The U and W used for a whole batch of sequences."""
        return self.U.data, self.W.data

    def parameter_gradients(self, delta: Float[np.ndarray, "n steps units"]) -> None:
        """Eq. (3): all steps use the same weights, so the gradients of the steps add up."""
        to_sums, _ = self.deltas(delta)
        rows = to_sums.reshape(-1, to_sums.shape[-1])
        self.U.grad = self.x.reshape(-1, self.inputs).T @ rows
        self.W.grad = self.h[:, :-1].reshape(-1, self.units).T @ rows
        self.b.grad = rows.sum(axis=0)

    def backward(self, delta: Float[np.ndarray, "n steps units"]) -> Float[np.ndarray, "n steps inputs"]:
        """∂C/∂x_t = δ_t Uᵀ."""
        return self.deltas(delta)[0] @ self.used[0].T


class TanhRecurrent(Recurrent):
    """Eqs. (1) and (2).

    truncate: the length of a block, in steps. States continue from block to block, but deltas stop at the blocks'
    borders (truncated backpropagation), so that only one block's states are needed, and the gradient is an
    approximation.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        rng: np.random.Generator,
        truncate: int | None = None,
        dtype: type = np.float32,
    ) -> None:
        super().__init__(inputs, units, 1, rng, dtype)
        self.truncate = truncate

    def forward(
        self, x: Float[np.ndarray, "n steps inputs"], first: Float[np.ndarray, "n units"] | None = None
    ) -> Float[np.ndarray, "n steps units"]:
        """The states h_1 … h_T. first: h_0, zero unless given."""
        self.x, self.used = x.copy(), self.weights()
        U, W = self.used
        self.h = np.zeros((len(x), x.shape[1] + 1, self.units), x.dtype)  # h_0 comes first
        self.h[:, 0] = 0 if first is None else first
        from_inputs = x @ U + self.b.data
        for t in range(x.shape[1]):
            self.h[:, t + 1] = np.tanh(from_inputs[:, t] + self.h[:, t] @ W)
        return self.h[:, 1:].copy()

    def deltas(
        self, delta: Float[np.ndarray, "n steps units"]
    ) -> tuple[Float[np.ndarray, "n steps units"], Float[np.ndarray, "n steps units"]]:
        """δ_t = ∂C/∂a_t and ∂C/∂h_t of all steps, last step first. delta: e_t."""
        W, to_sums, to_states = self.used[1], np.empty_like(delta), delta.copy()
        steps = delta.shape[1]
        for t in reversed(range(steps)):
            border = self.truncate and (t + 1) % self.truncate == 0
            if t + 1 < steps and not border:
                to_states[:, t] += to_sums[:, t + 1] @ W.T
            to_sums[:, t] = to_states[:, t] * (1 - self.h[:, t + 1] ** 2)
        return to_sums, to_states


class LastState(Layer):
    """A recurrent layer that reads a table's row as a sequence, step after step, and passes on its last state."""

    def __init__(self, layer: Recurrent) -> None:
        self.layer = layer

    def parameters(self) -> list[Parameter]:
        return self.layer.parameters()

    def forward(self, z: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n units"]:
        self.layer.training = self.training
        states = self.layer.forward(z.reshape(len(z), -1, self.layer.inputs))
        self.shape = states.shape
        return states[:, -1]

    def from_last(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n steps units"]:
        """e_t of all steps: δ at the last one, and 0 before."""
        whole = np.zeros(self.shape, delta.dtype)
        whole[:, -1] = delta
        return whole

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n columns"]:
        """∂C/∂x of all steps, as a row."""
        return self.layer.backward(self.from_last(delta)).reshape(len(delta), -1)

    def parameter_gradients(self, delta: Float[np.ndarray, "n units"]) -> None:
        """Eq. (3) of the recurrent layer."""
        self.layer.parameter_gradients(self.from_last(delta))


def difference_from_autograd(layer: TanhRecurrent, x: Float[np.ndarray, "n steps inputs"]) -> float:
    """The largest difference of Eq. (3) from PyTorch's gradients, for C = ½ Σ h_t², as a share of the largest."""
    layer.parameter_gradients(layer.forward(x))  # e_t = h_t
    theirs = [torch.tensor(parameter.data, requires_grad=True) for parameter in layer.parameters()]
    U, W, b = theirs
    h, cost = torch.zeros(len(x), layer.units, dtype=U.dtype), torch.zeros((), dtype=U.dtype)
    for step in torch.tensor(x).unbind(1):
        h = torch.tanh(step @ U + h @ W + b)
        cost = cost + 0.5 * h.square().sum()
    cost.backward()
    pairs = [(a.grad, b.grad.numpy()) for a, b in zip(layer.parameters(), theirs, strict=True)]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def truncation_error(layer: TanhRecurrent, x: Float[np.ndarray, "n steps inputs"], block: int) -> float:
    """The relative error of ∂C/∂W truncated to blocks of this many steps. C = ½ Σ h_t²."""
    gradients = []
    for layer.truncate in (None, block):
        layer.parameter_gradients(layer.forward(x))
        gradients.append(layer.W.grad)
    layer.truncate = None
    return float(np.linalg.norm(gradients[1] - gradients[0]) / np.linalg.norm(gradients[0]))


def three_steps() -> tuple[Float[np.ndarray, "steps"], Float[np.ndarray, "steps"], float]:
    """One unit reads 1, 0, 0 with U = 1, W = ½, and C = ½ (h_3 − 1)²: its states, its deltas, and ∂C/∂W."""
    layer = TanhRecurrent(1, 1, np.random.default_rng(0), dtype=np.float64)
    layer.U.data, layer.W.data = np.array([[1.0]]), np.array([[0.5]])
    h = layer.forward(np.array([[[1.0], [0.0], [0.0]]]))
    e = np.array([[[0.0], [0.0], [h[0, 2, 0] - 1]]])
    layer.parameter_gradients(e)
    return h[0, :, 0], layer.deltas(e)[0][0, :, 0], float(layer.W.grad[0, 0])


def lesson(run: Run) -> None:
    x = run.rng.standard_normal((SEQUENCES, STEPS, 3))
    layer = TanhRecurrent(3, UNITS, run.rng, dtype=np.float64)
    turn, errors = layer.W.data, {}
    run.fact("largest difference from autograd, relative to the largest gradient", difference_from_autograd(layer, x))
    for name, size in SIZES.items():
        layer.W.data = size * turn
        errors[f"{name}, σ = {size:g}"] = [100 * truncation_error(layer, x, block) for block in BLOCKS]
        at = BLOCKS.index(SHOWN)
        run.fact(f"error of the gradient in blocks of {SHOWN} steps, {name}", errors[f"{name}, σ = {size:g}"][at], "%")

    h, deltas, gradient = three_steps()
    run.figure(
        "unrolled",
        drawn_recurrent.draw_unrolled,
        h,
        deltas,
        gradient,
        caption="One unit, unrolled in time: h_t = tanh(x_t + w h_{t−1}) with w = ½, and C = ½ (h₃ − 1)². Blue: "
        "forward. Orange: deltas, back through time. The three uses of w add up to one gradient.",
    )
    run.figure(
        "truncation",
        drawn_recurrent.draw_truncation,
        BLOCKS,
        errors,
        caption="Distance of the truncated gradient of W from the whole one, as a share of its length, by the length "
        f"of the blocks into which {STEPS} steps are cut. σ: the singular values of W.",
    )
    run.note(
        f"Three steps by hand: states {h[0]:.3f}, {h[1]:.3f}, {h[2]:.3f}; deltas {deltas[0]:.3f}, {deltas[1]:.3f}, "
        f"{deltas[2]:.3f}; ∂C/∂w = {gradient:.3f}."
    )

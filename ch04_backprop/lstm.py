"""Long short-term memory: a cell that is added to, and gates that decide what it keeps, adds and outputs.

Question   Does more of a gradient flow back through time if the path is a sum and not a product of matrices?
Method     The LSTM (Hochreiter and Schmidhuber 1997; with forget gates, Gers, Schmidhuber and Cummins 2000). σ is the
           sigmoid, and each of the four sums has its own columns in U, W and b:
             i, f, o = σ(x_t U + h_{t−1} W + b),   g = tanh(x_t U + h_{t−1} W + b)                               (1)
             c_t = f ∘ c_{t−1} + i ∘ g,            h_t = o ∘ tanh c_t                                            (2)
             ∂C/∂c_t = ∂C/∂h_t ∘ o ∘ (1 − tanh² c_t) + ∂C/∂c_{t+1} ∘ f_{t+1}                                     (3)
           Through the last term a gradient reaches the step before without a matrix or tanh, multiplied by f only,
           which may be nearly 1. So the forget gate's bias determines how far gradients flow back before training.
Rival      A tanh network whose recurrent matrix is orthogonal: only tanh shrinks gradients; torch.nn.LSTM as a check.
Differs    No peepholes from cells to gates. The cell of 1997 has no forget gate: f = 1.
Costs      1 s on two cores.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from ch04_backprop.exploding import jacobian_norms
from ch04_backprop.layers import sigmoid
from ch04_backprop.recurrent import Recurrent, TanhRecurrent
from ch04_backprop.sequences import drawn_lstm
from ch04_backprop.vanishing import factor_per_layer
from common.run import Run

INPUTS, UNITS, STEPS = 6, 16, 50  # of the layers whose gradients are measured
BIASES = [0.0, 1.0, 5.0]  # of the forget gate: σ(0) = ½, σ(1) = 0.731, σ(5) = 0.993
KEEP = 5.0  # its initial bias by default: after 40 steps three quarters of a cell are left


class LSTM(Recurrent):
    """Eqs. (1) to (3). The columns of U, W and b belong to i, f, g, o, in PyTorch's order. keep: initial bias of f."""

    def __init__(
        self, inputs: int, units: int, rng: np.random.Generator, keep: float = KEEP, dtype: type = np.float32
    ) -> None:
        super().__init__(inputs, units, 4, rng, dtype)
        self.b.data[units : 2 * units] = keep

    def forward(
        self, x: Float[np.ndarray, "n steps inputs"], first: Float[np.ndarray, "2 n units"] | None = None
    ) -> Float[np.ndarray, "n steps units"]:
        """The states h_1 … h_T. first: h_0 and c_0, zero unless given."""
        self.x, self.used = x.copy(), self.weights()
        U, W = self.used
        self.h, self.c = np.zeros((2, len(x), x.shape[1] + 1, self.units), x.dtype)  # h_0 and c_0 come first
        self.h[:, 0], self.c[:, 0] = (0, 0) if first is None else first
        self.gates = x @ U + self.b.data  # the inputs' part; then i, f, g and o, concatenated
        for t in range(x.shape[1]):
            i, f, g, o = np.split(self.gates[:, t] + self.h[:, t] @ W, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            self.c[:, t + 1] = f * self.c[:, t] + i * g
            self.h[:, t + 1] = o * np.tanh(self.c[:, t + 1])
            self.gates[:, t] = np.hstack([i, f, g, o])
        return self.h[:, 1:].copy()

    def deltas(
        self, delta: Float[np.ndarray, "n steps units"]
    ) -> tuple[Float[np.ndarray, "n steps sums"], Float[np.ndarray, "n steps units"]]:
        """δ_t = ∂C/∂a_t, of the sums of i, f, g and o, and ∂C/∂c_t, last step first. delta: e_t."""
        W, to_sums, to_cells = self.used[1], np.empty_like(self.gates), np.empty_like(delta)
        from_h = from_c = np.zeros_like(delta[:, 0])  # the gradients from the next step
        for t in reversed(range(delta.shape[1])):
            i, f, g, o = np.split(self.gates[:, t], 4, axis=1)
            tanh_c = np.tanh(self.c[:, t + 1])
            to_h = delta[:, t] + from_h
            to_c = to_cells[:, t] = to_h * o * (1 - tanh_c**2) + from_c
            to_i, to_f, to_g, to_o = to_c * g, to_c * self.c[:, t], to_c * i, to_h * tanh_c  # Eq. (2)
            to_sums[:, t] = np.hstack(
                [to_i * i * (1 - i), to_f * f * (1 - f), to_g * (1 - g**2), to_o * o * (1 - o)]  # Eq. (1)
            )
            from_h, from_c = to_sums[:, t] @ W.T, to_c * f
        return to_sums, to_cells


def torchs(layer: LSTM) -> torch.nn.LSTM:
    """PyTorch's LSTM with the same weights; it adds two biases."""
    theirs = torch.nn.LSTM(layer.inputs, layer.units, batch_first=True, dtype=torch.float64)
    ours = {"weight_ih_l0": layer.U.data.T, "weight_hh_l0": layer.W.data.T, "bias_ih_l0": layer.b.data}
    theirs.load_state_dict({name: torch.tensor(ours.get(name, 0 * layer.b.data)) for name in theirs.state_dict()})
    return theirs


def difference_from_torch(layer: LSTM, x: Float[np.ndarray, "n steps inputs"]) -> float:
    """The largest difference of states and gradients from PyTorch's, for C = ½ Σ h_t², as a share of the largest."""
    states, theirs = layer.forward(x), torchs(layer)
    layer.parameter_gradients(states)  # e_t = h_t
    h, _ = theirs(torch.tensor(x))
    (0.5 * h.square().sum()).backward()
    pairs = [(states, h.detach()), (layer.U.grad.T, theirs.weight_ih_l0.grad)]
    pairs += [(layer.W.grad.T, theirs.weight_hh_l0.grad), (layer.b.grad, theirs.bias_ih_l0.grad)]
    return max(float(np.abs(a - b.numpy()).max() / np.abs(b.numpy()).max()) for a, b in pairs)


def lesson(run: Run) -> None:
    x = np.eye(INPUTS)[run.rng.integers(INPUTS, size=(8, STEPS))]  # random symbols, as unit vectors
    layers = {"tanh, orthogonal W": TanhRecurrent(INPUTS, UNITS, run.rng, dtype=np.float64)}
    for keep in BIASES:
        layers[f"LSTM, forget bias {keep:g}"] = LSTM(INPUTS, UNITS, run.rng, keep, np.float64)
    layer = layers[f"LSTM, forget bias {BIASES[-1]:g}"]
    run.fact("largest difference from torch.nn.LSTM, relative to the largest value", difference_from_torch(layer, x))
    norms = {name: jacobian_norms(each, x[0]) for name, each in layers.items()}
    for name, norm in norms.items():
        run.fact(f"factor of the gradient per step, {name}", factor_per_layer(norm))
    run.figure(
        "carried",
        drawn_lstm.draw_carried,
        norms,
        caption="The largest singular value of ∂h_T/∂h_t (tanh) and ∂h_T/∂c_t (LSTM) by the number of steps between, "
        "as a share of its value at t = T, before training.",
    )
    layer.forward(x)
    run.figure(
        "gates",
        drawn_lstm.draw_gates,
        layer.gates[0],
        layer.c[0, 1:],
        caption=f"An LSTM before training, with a forget bias of {BIASES[-1]:g}, reads {STEPS} random "
        "symbols: the gates of one unit, what they let in, and the cell.",
    )
    kept = float(sigmoid(np.array([KEEP]))[0])
    run.note(f"A forget gate of bias {KEEP:g} begins at {kept:.3f}; after 40 steps {kept**40:.2f} of a cell is left.")

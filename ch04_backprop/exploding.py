"""Gradients through time vanish or explode with the number of steps; clipping keeps one step from doing damage.

Question   How does the influence of an early state on a late one, ∂h_T/∂h_t, depend on the steps between them?
Method     It is a product of one matrix per step, and its norm is at most the product of their norms (Hochreiter 1991;
           Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013, §2.1):
             ∂h_T/∂h_t = Π_k W diag(1 − h_k²),   ‖∂h_T/∂h_t‖ ≤ Π_k ‖W‖ max(1 − h_k²) ≤ σ^(T − t)                (1)
           with k = t + 1 … T, and σ the largest singular value of W. If σ < 1, it vanishes. The largest eigenvalue (the
           spectral radius ρ) tells what happens in the long run while tanh is nearly straight: ‖W^k‖ grows as ρ^k.
           Against explosion: g ← g min(1, most / ‖g‖) (their Algorithm 1).
Rival      The same descent without clipping, from a point where the gradient is large.
Differs    They draw the wall in the cost of one sigmoid unit; here it is a tanh unit, and it starts in balance.
Costs      4 s on two cores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ch04_backprop.layers import Parameter
from ch04_backprop.recurrent import Recurrent, TanhRecurrent
from ch04_backprop.sequences import drawn_recurrent
from ch04_backprop.vanishing import factor_per_layer
from common.run import Run

UNITS, STEPS = 32, 60  # of the networks whose gradients are measured
RADII = [0.8, 1.0, 1.2]  # spectral radii of their recurrent matrices
INPUTS = {"small inputs": 1e-4, "large inputs": 1.0}  # standard deviations: tanh is linear near 0, and flat far away
BALANCED, WALL_STEPS = 0.5, 20  # the equilibrium state in which one unit starts, and its number of steps
START = 2.0  # its initial w
AIM, RATE, DESCENT, MOST = 0.2, 0.1, 200, 1.0  # its target; learning rate, steps and gradient limit of the descent


def spectral(units: int, radius: float, rng: np.random.Generator) -> Float[np.ndarray, "units units"]:
    """A Gaussian matrix, scaled so that its largest eigenvalue has that absolute value (the spectral radius)."""
    matrix = rng.standard_normal((units, units))
    return matrix * radius / np.abs(np.linalg.eigvals(matrix)).max()


def jacobian_norms(layer: Recurrent, sequence: Float[np.ndarray, "steps inputs"]) -> Float[np.ndarray, "steps"]:
    """‖∂h_T/∂h_t‖ for t = 1 … T, the largest singular value. For an LSTM: ‖∂h_T/∂c_t‖.

    One copy of the sequence per unit k: with e_T the k-th unit vector, ∂C/∂h_t is row k of the matrix.
    """
    copies = np.repeat(sequence[None], layer.units, axis=0)
    layer.forward(copies)
    e = np.zeros((layer.units, len(sequence), layer.units), sequence.dtype)
    e[:, -1] = np.eye(layer.units)
    _, to_states = layer.deltas(e)
    return np.linalg.norm(to_states, ord=2, axis=(0, 2))


def clip(parameters: Sequence[Parameter], most: float) -> float:
    """g ← g · min(1, most / ‖g‖), with ‖g‖ over all parameters (Pascanu et al. 2013, Algorithm 1). Returns ‖g‖."""
    norm = float(np.sqrt(sum(np.sum(np.square(p.grad, dtype=np.float64)) for p in parameters)))
    if norm > most:
        for parameter in parameters:
            parameter.grad = parameter.grad * parameter.grad.dtype.type(most / norm)
    return norm


class OneUnit:
    """h_t = tanh(w h_{t−1} + b) for WALL_STEPS steps from BALANCED, and C = ½ (h_T − AIM)²."""

    def __init__(self) -> None:
        self.layer = TanhRecurrent(1, 1, np.random.default_rng(0), dtype=np.float64)

    def cost(self, w: float, b: float) -> float:
        """C at these two weights; the layer's parameters store their gradients."""
        self.layer.W.data, self.layer.b.data = np.array([[w]]), np.array([b])
        h = self.layer.forward(np.zeros((1, WALL_STEPS, 1)), first=np.array([[BALANCED]]))
        e = np.zeros_like(h)
        e[:, -1] = h[:, -1] - AIM
        self.layer.parameter_gradients(e)
        return 0.5 * float(e[0, -1, 0]) ** 2

    def descend(self, w: float, b: float, most: float) -> Float[np.ndarray, "points 4"]:
        """The w, b, C and ‖∇C‖ after 0, 1, … DESCENT steps of gradient descent with gradients clipped at most."""
        points = []
        for _ in range(DESCENT + 1):
            cost = self.cost(w, b)
            points.append((w, b, cost, clip([self.layer.W, self.layer.b], most)))
            w, b = w - RATE * self.layer.W.grad[0, 0], b - RATE * self.layer.b.grad[0]
        return np.array(points)


def balancing_bias(w: float) -> float:
    """The b with which the unit keeps its first state: tanh(w h + b) = h."""
    return float(np.arctanh(BALANCED) - w * BALANCED)


def lesson(run: Run) -> None:
    norms = {}
    for radius in RADII:
        layer = TanhRecurrent(3, UNITS, run.rng, dtype=np.float64)
        layer.W.data = spectral(UNITS, radius, run.rng)
        directions = run.rng.standard_normal((STEPS, 3))
        norms[radius] = {name: jacobian_norms(layer, size * directions) for name, size in INPUTS.items()}
        norms[radius]["bound"] = np.linalg.norm(layer.W.data, ord=2) ** np.arange(STEPS - 1, -1, -1.0)
        for name, norm in norms[radius].items():
            run.fact(f"factor per step, spectral radius {radius:g}, {name}", factor_per_layer(norm))

    unit, start = OneUnit(), (START, balancing_bias(START))
    paths = {name: unit.descend(*start, most) for name, most in (("not clipped", np.inf), ("clipped", MOST))}
    run.fact("length of the gradient on the wall", paths["not clipped"][0, 3])
    for name, path in paths.items():
        run.fact(f"cost after {DESCENT} steps, gradient {name}", path[-1, 2])

    low, high = INPUTS.values()
    run.figure(
        "norms",
        drawn_recurrent.draw_norms,
        norms,
        caption=f"‖∂h_T/∂h_t‖ of {UNITS} tanh units by the number of steps between, for recurrent matrices of three "
        f"spectral radii, before training. Standard deviation of the inputs: {low:g} (small) and {high:g} (large). "
        "Dashed: the bound, a power of the largest singular value.",
    )
    run.figure(
        "wall",
        drawn_recurrent.draw_wall,
        unit.cost,
        paths,
        caption=f"The cost of one unit after {WALL_STEPS} steps, by its two weights, and gradient descent from a point "
        f"on the wall: not clipped, and clipped to a length of {MOST:g}.",
    )
    run.note(
        f"The gradient on the wall has the length {paths['not clipped'][0, 3]:.0f}. A step of {RATE:g} times that, not "
        f"clipped, ends at w = {paths['not clipped'][1, 0]:.0f}."
    )

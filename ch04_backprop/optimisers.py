"""Six update rules: how far to step when the gradient is known.

Question   The gradient points uphill. How far should a step go, and what should it remember of the steps before?
Method     Stochastic gradient descent (Robbins and Monro 1951); momentum (Polyak 1964); Nesterov's (1983, in the form
           of Sutskever et al. 2013); AdaGrad (Duchi et al. 2011), RMSProp (Tieleman and Hinton 2012), Adam (Kingma and
           Ba 2015, Algorithm 1). A rule receives a batch's gradient g and returns what to subtract from θ.
Rival      PyTorch's optimisers, given the same gradients, step by step.
Differs    Momentum is written as PyTorch writes it, v ← μ v + g; gradient_descent.py has the lecture's form and the
           conversion. The lecture calls authors by first names: Adam is Kingma's and Ba's, RMSProp Tieleman's.
Costs      3.5 s on two cores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from ch04_backprop.drawings.optimisers import draw_steps
from ch04_backprop.layers import Parameter
from common.run import Run

RATE, STEPS, WEIGHTS = 0.1, 200, 50
SHOWN = 60  # steps in the figure


def check_parameters(parameters: Any) -> list[Any]:
    """The parameters as a list. Raises TypeError or ValueError; see Optimiser."""
    one = type(parameters).__name__
    if not isinstance(parameters, Iterable) or hasattr(parameters, "grad") or isinstance(parameters, np.ndarray | str):
        raise TypeError(f"an optimiser wants a list of parameters, got a single {one}: put it in brackets")
    found = list(parameters)
    if not found:
        raise ValueError("an optimiser wants parameters, got an empty list")
    for number, parameter in enumerate(found):
        if not (hasattr(parameter, "data") and hasattr(parameter, "grad")):
            raise TypeError(f"number {number} of the parameters is a {type(parameter).__name__}, without data and grad")
        if getattr(parameter, "operands", list)():
            raise ValueError(f"number {number} of the parameters is a result, not a leaf: its gradient is not kept")
    if len(set(map(id, found))) < len(found):
        raise ValueError("a parameter stands twice in the list, and would be moved twice in each step")
    return found


def must(name: str, value: Any, wanted: str, holds: bool) -> None:
    """Raise ValueError unless the setting of this name holds; NaN never does."""
    if not holds:
        raise ValueError(f"{name} must be {wanted}, got {value}")


class Optimiser:
    """Steps for parameters: objects with data and grad, such as Tensors and Parameters. A subclass computes the change.

    learning_rate: η, one for all or an array that fits; may be changed between steps. memory: for each parameter, the
    number t of its steps and the rule's running values.

    Raises TypeError unless parameters is a list of parameters (a single one is not), and ValueError for a parameter
    that occurs twice, for a Tensor that is a result, and for settings out of range.
    """

    remembers: tuple[str, ...] = ()

    def __init__(self, parameters: Any, learning_rate: float | np.ndarray) -> None:
        self.parameters, self.learning_rate = check_parameters(parameters), learning_rate
        must("learning_rate", learning_rate, "0 or more", bool(np.all(np.greater_equal(learning_rate, 0))))
        self.memory = [{"t": 0} | {name: np.zeros_like(p.data) for name in self.remembers} for p in self.parameters]

    def step(self) -> None:
        """θ ← θ − change(g), for every parameter that has a gradient."""
        for parameter, memory in zip(self.parameters, self.memory, strict=True):
            if parameter.grad is not None:
                memory["t"] += 1
                parameter.data -= self.change(parameter.grad, memory)

    def zero_grad(self) -> None:
        """Clear the gradients, to which Tensors would add."""
        for parameter in self.parameters:
            parameter.grad = None


class SGD(Optimiser):
    """The step η g: proportional to the gradient, without memory."""

    def change(self, g: Shaped[np.ndarray, "*shape"], memory: dict) -> Shaped[np.ndarray, "*shape"]:
        return self.learning_rate * g


class Momentum(Optimiser):
    """v ← μ v + g, step η v: a ball that keeps rolling. Gradients that agree add up to 1 / (1 − μ) times one."""

    remembers = ("v",)

    def __init__(self, parameters: Any, learning_rate: float | np.ndarray, momentum: float = 0.9) -> None:
        super().__init__(parameters, learning_rate)
        must("momentum", momentum, "in [0, 1)", bool(0 <= momentum < 1))
        self.momentum = momentum

    def change(self, g: Shaped[np.ndarray, "*shape"], memory: dict) -> Shaped[np.ndarray, "*shape"]:
        memory["v"] *= self.momentum
        memory["v"] += g
        return self.learning_rate * memory["v"]


class Nesterov(Momentum):
    """v ← μ v + g, step η (g + μ v): the gradient is evaluated at the ball's next place, not at its present one."""

    def change(self, g: Shaped[np.ndarray, "*shape"], memory: dict) -> Shaped[np.ndarray, "*shape"]:
        return self.learning_rate * g + self.momentum * super().change(g, memory)


class AdaGrad(Optimiser):
    """s ← s + g², step η g / (√s + ε), by the root of all squared gradients so far: s only grows, so steps shrink."""

    remembers = ("s",)
    epsilon = 1e-10

    def change(self, g: Shaped[np.ndarray, "*shape"], memory: dict) -> Shaped[np.ndarray, "*shape"]:
        memory["s"] += g * g
        return self.learning_rate * g / (np.sqrt(memory["s"]) + self.epsilon)


class RMSProp(Optimiser):
    """s ← ρ s + (1 − ρ) g², step η g / (√s + ε): AdaGrad with a decaying memory, whose steps do not tend to 0."""

    remembers = ("s",)

    def __init__(
        self, parameters: Any, learning_rate: float | np.ndarray, decay: float = 0.99, epsilon: float = 1e-8
    ) -> None:
        super().__init__(parameters, learning_rate)
        must("decay", decay, "in [0, 1]", bool(0 <= decay <= 1))
        must("epsilon", epsilon, "0 or more", bool(epsilon >= 0))
        self.decay, self.epsilon = decay, epsilon

    def change(self, g: Shaped[np.ndarray, "*shape"], memory: dict) -> Shaped[np.ndarray, "*shape"]:
        memory["s"] += (1 - self.decay) * (g * g - memory["s"])
        return self.learning_rate * g / (np.sqrt(memory["s"]) + self.epsilon)


class Adam(Optimiser):
    """m ← β₁ m + (1 − β₁) g and s ← β₂ s + (1 − β₂) g², step η m̂ / (√ŝ + ε): momentum over RMSProp.

    m̂ = m / (1 − β₁ᵗ), ŝ = s / (1 − β₂ᵗ): both start at 0 and are too small at first.
    """

    remembers = ("m", "s")

    def __init__(
        self,
        parameters: Any,
        learning_rate: float | np.ndarray = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, learning_rate)
        must("betas", betas, "two numbers in [0, 1)", len(betas) == 2 and all(0 <= beta < 1 for beta in betas))
        must("epsilon", epsilon, "0 or more", bool(epsilon >= 0))
        self.betas, self.epsilon = betas, epsilon

    def change(self, g: Shaped[np.ndarray, "*shape"], memory: dict) -> Shaped[np.ndarray, "*shape"]:
        (beta_m, beta_s), t = self.betas, memory["t"]
        memory["m"] += (1 - beta_m) * (g - memory["m"])
        memory["s"] += (1 - beta_s) * (g * g - memory["s"])
        root = np.sqrt(memory["s"] / (1 - beta_s**t)) + self.epsilon
        return self.learning_rate / (1 - beta_m**t) * memory["m"] / root


OPTIMISERS = {
    "SGD": SGD,
    "momentum": Momentum,
    "Nesterov": Nesterov,
    "AdaGrad": AdaGrad,
    "RMSProp": RMSProp,
    "Adam": Adam,
}


def follow(rule: type[Optimiser], gradients: Float[np.ndarray, "steps n"]) -> Float[np.ndarray, "points n"]:
    """The θ before the first step, 0, and after each one, with these gradients for any θ."""
    parameter = Parameter(np.zeros(gradients.shape[1]))
    optimiser, path = rule([parameter], RATE), [parameter.data.copy()]
    for g in gradients:
        parameter.grad = g.copy()
        optimiser.step()
        path.append(parameter.data.copy())
    return np.array(path)


def follow_pytorch(name: str, gradients: Float[np.ndarray, "steps n"]) -> Float[np.ndarray, "points n"]:
    """The same with PyTorch's optimiser of this name."""
    import torch

    kinds = {
        "SGD": torch.optim.SGD,
        "momentum": lambda theta, lr: torch.optim.SGD(theta, lr, momentum=0.9),
        "Nesterov": lambda theta, lr: torch.optim.SGD(theta, lr, momentum=0.9, nesterov=True),
        "AdaGrad": torch.optim.Adagrad,
        "RMSProp": torch.optim.RMSprop,
        "Adam": torch.optim.Adam,
    }
    theta = torch.zeros(gradients.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser, path = kinds[name]([theta], lr=RATE), [theta.detach().numpy().copy()]
    for g in gradients:
        theta.grad = torch.tensor(g)
        optimiser.step()
        path.append(theta.detach().numpy().copy())
    return np.array(path)


def lesson(run: Run) -> None:
    steps = run.pick(smoke=STEPS // 10, lecture=STEPS)
    sizes = np.logspace(-3, 3, WEIGHTS)  # gradients of very different sizes
    gradients = sizes * (run.rng.normal(size=(steps, WEIGHTS)) + 0.5)
    for name, rule in OPTIMISERS.items():
        ours, theirs = follow(rule, gradients), follow_pytorch(name, gradients)
        gap = (np.abs(ours - theirs).max(axis=0) / np.abs(theirs).max(axis=0)).max()  # of any weight
        run.fact(f"{name}: largest difference from PyTorch's path in {steps} steps, relative", gap)

    equal = np.ones((SHOWN, 1))
    alternating = np.resize([1.0, -1.0], (SHOWN, 1))
    lengths = {
        name: tuple(np.abs(np.diff(follow(rule, g)[:, 0])) / RATE for g in (equal, alternating))
        for name, rule in OPTIMISERS.items()
    }
    for name, (same, _) in lengths.items():
        run.fact(f"{name}: step {SHOWN} in units of η where every gradient is 1", same[-1])
    run.figure(
        "steps",
        draw_steps,
        lengths,
        caption="How far each rule moves a weight in each step, in units of the learning rate. Left: all gradients are "
        "1. Right: they alternate between 1 and −1. Momentum adds up gradients that agree, and gradients of opposite "
        "sign cancel in it; AdaGrad's steps shrink with the root of the number of steps.",
    )
    run.note(
        f"Where every gradient is 1, momentum's step {SHOWN} is {lengths['momentum'][0][-1]:.1f} η, AdaGrad's "
        f"{lengths['AdaGrad'][0][-1]:.2f} η and Adam's {lengths['Adam'][0][-1]:.2f} η."
    )

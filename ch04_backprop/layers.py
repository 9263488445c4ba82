"""A network is a sequence of layers, and each passes a delta back to the layer before it.

Question   The cost depends on every weight of every layer. Can each layer compute its part of the gradient by itself?
Method     The layered view. Forward: z^{l+1} = f^l(z^l; θ^l). Backward, with δ^l = ∂C/∂z^l and δ = 1 after the last
           layer: δ_i^l = Σ_k δ_k^{l+1} ∂z_k^{l+1}/∂z_i^l and ∂C/∂θ^l = Σ_k δ_k^{l+1} ∂z_k^{l+1}/∂θ^l (Dreyfus 1962;
           Rumelhart, Hinton and Williams 1986).
Rival      PyTorch, whose layers and autograd do the same on the same numbers.
Differs    The lecture writes δ_{j+1}^{l+1} in two sums: the component is j, only the layer is l + 1. A row is a point
           here, so that a batch goes through at once. Softmax and log-likelihood are two layers, as drawn there; that
           fails where a probability is rounded to 0, so output_units.py joins them.
Costs      4 s on two cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from ch04_backprop.arrays.versioned import floats
from ch04_backprop.drawings.layers import draw_network
from common.answers import check_labels
from common.run import Run

STACKS = 200  # random sequences of layers
FIRST, LAST = ((0.5, -1.0), (0.25, 0.5)), ((1.0, -1.0), (-2.0, 2.0))  # weights of the drawn network
INPUT, PATH = (1.0, 2.0), (1, 1, 0)  # its input; the path from the second input to the first output


class Parameter:
    """θ^l and ∂C/∂θ^l: data and grad, two arrays of one shape.

    Given arrays, initial or new, are copied, so that a step in place changes no other code's array. Whole numbers
    become floats.
    """

    def __init__(self, values: Shaped[np.ndarray, "*shape"]) -> None:
        self._data = floats(values)
        self.grad = np.zeros_like(self._data)

    @property
    def data(self) -> Shaped[np.ndarray, "*shape"]:
        return self._data

    @data.setter
    def data(self, values: Shaped[np.ndarray, "..."]) -> None:  # parameter.data -= step calls this, too
        if np.shape(values) != self.shape:
            raise ValueError(f"data has shape {self.shape}; an array of shape {np.shape(values)} can't replace it")
        if values is not self._data:
            self._data = floats(values)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape


class Layer:
    """z^{l+1} = f^l(z^l; θ^l). forward stores what backward needs; a layer without parameters needs no other method.

    training: whether the layer is being trained; some later layers behave differently then. measured: what it stores
    besides its parameters, such as BatchNorm's running means.
    """

    training = True
    measured: tuple[np.ndarray, ...] = ()

    def parameters(self) -> list[Parameter]:
        """The parameters θ^l; none by default."""
        return []

    def parameter_gradients(self, delta: Shaped[np.ndarray, "n outputs"]) -> None:
        """Set the grad of each parameter from δ^{l+1}."""


class Linear(Layer):
    """z^{l+1} = z^l W + b. W: (inputs, outputs), random; its variance is 2 / inputs (He et al. 2015) by default."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rng: np.random.Generator,
        std: float | None = None,
        dtype: type = np.float32,
    ) -> None:
        std = np.sqrt(2 / inputs) if std is None else std
        self.W = Parameter((std * rng.standard_normal((inputs, outputs))).astype(dtype))
        self.b = Parameter(np.zeros(outputs, dtype))

    def parameters(self) -> list[Parameter]:
        return [self.W, self.b]

    def forward(self, z: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "n outputs"]:
        self.z = z.copy()
        out = z @ self.W.data
        out += self.b.data
        return out

    def backward(self, delta: Float[np.ndarray, "n outputs"]) -> Float[np.ndarray, "n inputs"]:
        """∂z_k^{l+1}/∂z_i^l = W_ik."""
        return delta @ self.W.data.T

    def parameter_gradients(self, delta: Float[np.ndarray, "n outputs"]) -> None:
        """∂z_k^{l+1}/∂W_ik = z_i^l and ∂z_k^{l+1}/∂b_k = 1, summed over the points."""
        self.W.grad = self.z.T @ delta
        self.b.grad = delta.sum(axis=0)


def sigmoid(z: np.ndarray) -> np.ndarray | np.floating:
    """σ(z) = 1 / (1 + e^−z), computed with tanh, which does not overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * z)


class Sigmoid(Layer):
    """z^{l+1} = σ(z)."""

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.out = sigmoid(z)
        return self.out.copy()

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂z_k^{l+1}/∂z_k^l = σ(1 − σ): one unit's delta depends on no other unit."""
        return delta * self.out * (1 - self.out)


class ReLU(Layer):
    """max(0, z): flat for z < 0; for z > 0 delta passes unchanged."""

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.rises = z > 0
        return np.maximum(z, 0)

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = [z > 0]."""
        return delta * self.rises


class Softmax(Layer):
    """z_k^{l+1} = e^{z_k} / Σ_j e^{z_j}; a common shift of all z changes nothing, so the largest is shifted to 0."""

    def forward(self, z: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.copy()

    def backward(self, delta: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
        """∂p_k/∂z_i = p_k([i = k] − p_i): every output depends on every input, so the sum over k remains."""
        return self.p * (delta - (delta * self.p).sum(axis=1, keepdims=True))


class LogLikelihood:
    """C = −(1/N) Σ log p_y: the last layer, one number for the whole batch. Its own delta is ∂C/∂C = 1.

    Raises ValueError unless answers are one whole number from 0 to K − 1 for each point.
    """

    def forward(self, p: Float[np.ndarray, "n classes"], answers: Shaped[np.ndarray, "..."]) -> float:
        self.p, self.answers = p.copy(), check_labels(answers, p.shape, p.shape[-1]).copy()
        return float(-np.log(p[np.arange(len(p)), self.answers]).mean())

    def backward(self) -> Float[np.ndarray, "n classes"]:
        """∂C/∂p_k = −[k = y] / (N p_y)."""
        rows, delta = np.arange(len(self.p)), np.zeros_like(self.p)
        delta[rows, self.answers] = -1 / (len(self.p) * self.p[rows, self.answers])
        return delta


@dataclass
class Network:
    """Layers in sequence, followed by a cost: an object with forward(z, answers) -> number and backward() -> δ.

    Raises ValueError for a layer or parameter that occurs twice: each stores one forward pass, or gradient.
    """

    layers: Sequence[Layer]
    cost: Any

    def __post_init__(self) -> None:
        self._check_that_none_stands_twice()

    def _check_that_none_stands_twice(self) -> None:
        for what, all_of_them in (("layer", self.layers), ("parameter", self.parameters())):
            if len(set(map(id, all_of_them))) < len(all_of_them):
                places = [id(one) for one in all_of_them]
                twice = next(n for n, one in enumerate(places) if one in places[:n])
                raise ValueError(
                    f"{what} {twice} of the network stands in it before, at {places.index(places[twice])}: make another"
                )

    def parameters(self) -> list[Parameter]:
        """The θ of all layers, first layer first."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def state(self) -> list[np.ndarray]:
        """The network's state: the arrays of its parameters, and its layers' measured values."""
        measured = [array for layer in self.layers for array in layer.measured]
        return [parameter.data for parameter in self.parameters()] + measured

    def train(self, training: bool = True) -> None:
        """Switch every layer between training and prediction."""
        for layer in self.layers:
            layer.training = training

    def forward(self, z: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "n outputs"]:
        """The forward pass: z¹ is the input, and each layer computes the next z."""
        for layer in self.layers:
            z = layer.forward(z)
        self._shape = z.shape
        return z

    def backward(self, delta: Float[np.ndarray, "..."], to_input: bool = False) -> np.ndarray | None:
        """The backward pass: every layer computes its parameters' gradients and δ^l from δ^{l+1}.

        δ¹, the input's, is not needed for training; with to_input it is computed and returned. Raises ValueError for a
        delta of another shape than the outputs of the last forward pass.
        """
        self._check_that_none_stands_twice()
        if delta.shape != self._shape:
            raise ValueError(f"the outputs have shape {self._shape}, their delta {delta.shape}")
        for number, layer in reversed(list(enumerate(self.layers))):
            layer.parameter_gradients(delta)
            if number or to_input:
                delta = layer.backward(delta)
        return delta if to_input else None

    def gradient(self, x: Float[np.ndarray, "n inputs"], answers: Shaped[np.ndarray, "n ..."]) -> float:
        """C(θ) of a batch; stores ∂C/∂θ in every parameter's grad."""
        cost = self.cost.forward(self.forward(x), answers)
        self.backward(self.cost.backward())
        return cost


def random_network(rng: np.random.Generator) -> Network:
    """A network of a linear layer, up to five random layers, softmax and its cost, in double precision."""
    width = int(rng.integers(1, 7))
    layers: list[Layer] = [Linear(width, width, rng, dtype=np.float64)]
    for kind in rng.choice([0, 1, 2, 3], size=rng.integers(0, 6)):
        outputs = int(rng.integers(2, 7))
        layers.append([Sigmoid, ReLU, Softmax][kind]() if kind < 3 else Linear(width, outputs, rng, dtype=np.float64))
        width = outputs if kind == 3 else width
    return Network([*layers, Softmax()], LogLikelihood())


def pytorch_gradients(network: Network, x: np.ndarray, answers: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """The cost, and its gradients with respect to the input and to every parameter, as PyTorch computes them."""
    import torch

    theirs = {Sigmoid: torch.sigmoid, ReLU: torch.relu, Softmax: lambda z: torch.softmax(z, dim=1)}
    z = start = torch.tensor(x, requires_grad=True)
    leaves = [torch.tensor(parameter.data, requires_grad=True) for parameter in network.parameters()]
    waiting = iter(leaves)
    for layer in network.layers:
        z = z @ next(waiting) + next(waiting) if isinstance(layer, Linear) else theirs[type(layer)](z)
    cost = torch.nn.functional.nll_loss(torch.log(z), torch.tensor(answers))
    cost.backward()
    return cost.item(), [leaf.grad.numpy() for leaf in (start, *leaves)]


def lesson(run: Run) -> None:
    costs, gaps, shapes = [], [], []
    for _ in range(run.pick(smoke=STACKS // 10, lecture=STACKS)):
        network = random_network(run.rng)
        x = run.rng.normal(size=(5, network.layers[0].W.shape[0]))
        outputs = network.forward(x).shape[1]
        answers = run.rng.integers(outputs, size=5)
        cost = network.gradient(x, answers)
        to_input = network.backward(network.cost.backward(), to_input=True)
        ours = [to_input, *(parameter.grad for parameter in network.parameters())]
        their_cost, theirs = pytorch_gradients(network, x, answers)
        costs.append(abs(cost - their_cost))
        gaps.append(max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)))
        shapes.append(all(a.shape == b.shape for a, b in zip(ours, theirs, strict=True)))
    run.fact("random networks", len(gaps))
    run.fact("networks whose gradients all have PyTorch's shapes", 100 * np.mean(shapes), "%")
    run.fact("largest difference from PyTorch's cost", max(costs))
    run.fact("largest difference from PyTorch's gradients", max(gaps))

    first, last = (Linear(2, 2, run.rng, dtype=np.float64) for _ in range(2))
    first.W.data, last.W.data = np.array(FIRST), np.array(LAST)
    network = Network([first, Sigmoid(), last], None)
    x = np.array([INPUT])
    output, hidden = network.forward(x)[0], network.layers[1].out[0]
    slope = network.backward(np.array([[1.0, 0.0]]), to_input=True)[0, PATH[0]]
    by_path = first.W.data[PATH[0]] * network.layers[1].backward(np.ones((1, 2)))[0] * last.W.data[:, PATH[-1]]
    run.fact("derivative of the first output by the second input, by backward", slope)
    for unit, share in enumerate(by_path, start=1):
        run.fact(f"part of it along the path through hidden unit {unit}", share)
    run.figure(
        "network",
        draw_network,
        [first.W.data, last.W.data],
        [x[0], hidden, output],
        ["input $z^1$", "hidden units $z^3$", "output $z^4$"],
        PATH,
        caption="A network as a graph: a node per unit with its value, an arrow per weight (blue positive, red "
        "negative, wider if larger). Orange: one of the two paths from the second input to the first output. The "
        "derivative along a path is the product of its weights and of the hidden unit's slope; backward adds up the "
        "paths.",
    )
    run.note(
        f"From the second input to the first output: {by_path[0]:.3f} along the path through the first hidden unit, "
        f"{by_path[1]:.3f} through the second, together {by_path.sum():.3f}; backward computes {slope:.3f}."
    )

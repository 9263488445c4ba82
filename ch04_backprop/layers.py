"""A network is a row of layers, and each hands a delta to the one before it.

Question   How much is each weight to blame for a network's mistake, and can all be told for the price of two passes?
Method     The layered view. Forward: z^{l+1} = f^l(z^l; θ^l). Backward, with δ^l = ∂C/∂z^l and δ = 1 behind the last
           layer: δ_i^l = Σ_k δ_k^{l+1} ∂z_k^{l+1}/∂z_i^l and ∂C/∂θ^l = Σ_k δ_k^{l+1} ∂z_k^{l+1}/∂θ^l. (Dreyfus 1962;
           Rumelhart, Hinton and Williams 1986.)
Rival      Logistic regression, fitted by Newton's method: two classes of softmax are the same model.
Differs    The lecture writes δ_{j+1}^{l+1} in one sum: the component is j, only the layer is l + 1. Its rows are points
           here, so that a batch goes through at once. Softmax and log-likelihood are two layers, as drawn there; where
           a probability reaches 0 that breaks, and output_units.py joins them.
Costs      1 s on two cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Shaped

from common import data, plots
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEARNING_RATE, STEPS = 1.0, 300


class Parameter:
    """θ^l and ∂C/∂θ^l: data and grad, two arrays of one shape."""

    def __init__(self, values: Shaped[np.ndarray, "*shape"]) -> None:
        self.data = values
        self.grad = np.zeros_like(values)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape


class Layer:
    """z^{l+1} = f^l(z^l; θ^l). forward remembers what backward will need; one without parameters leaves the rest as is.

    training: whether the layer is being fitted or used; some later layers behave differently.
    """

    training = True

    def parameters(self) -> list[Parameter]:
        """θ^l, none unless a layer says otherwise."""
        return []

    def parameter_gradients(self, delta: Shaped[np.ndarray, "n outputs"]) -> None:
        """Set the grad of each parameter from δ^{l+1}."""


class Linear(Layer):
    """z^{l+1} = z^l W + b. W: (inputs, outputs), random with variance 2 / inputs unless std is told (He et al. 2015)."""

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
        self.z = z
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


class Sigmoid(Layer):
    """z^{l+1} = 1 / (1 + e^−z), written with tanh, which does not overflow."""

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.out = 0.5 + 0.5 * np.tanh(0.5 * z)
        return self.out

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂z_k^{l+1}/∂z_k^l = σ(1 − σ): one unit's delta depends on no other unit."""
        return delta * self.out * (1 - self.out)


class Softmax(Layer):
    """z_k^{l+1} = e^{z_k} / Σ_j e^{z_j}; the same shift of all z changes nothing, so the largest is made 0."""

    def forward(self, z: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, delta: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
        """∂p_k/∂z_i = p_k([i = k] − p_i): every output depends on every input, so here is a sum over k indeed."""
        return self.p * (delta - (delta * self.p).sum(axis=1, keepdims=True))


class LogLikelihood:
    """C = −(1/N) Σ log p_y: the last layer, one number for the whole batch. Its own delta is ∂C/∂C = 1."""

    def forward(self, p: Float[np.ndarray, "n classes"], answers: Int[np.ndarray, "n"]) -> float:
        self.p, self.answers = p, answers
        return float(-np.log(p[np.arange(len(p)), answers]).mean())

    def backward(self) -> Float[np.ndarray, "n classes"]:
        """∂C/∂p_k = −[k = y] / (N p_y)."""
        rows, delta = np.arange(len(self.p)), np.zeros_like(self.p)
        delta[rows, self.answers] = -1 / (len(self.p) * self.p[rows, self.answers])
        return delta


@dataclass
class Network:
    """Layers in a row, and behind them a cost: an object with forward(z, answers) -> number and backward() -> δ."""

    layers: Sequence[Layer]
    cost: LogLikelihood | Layer

    def parameters(self) -> list[Parameter]:
        """θ of all layers, first layer first."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def train(self, training: bool = True) -> None:
        """Switch every layer between being fitted and being used."""
        for layer in self.layers:
            layer.training = training

    def forward(self, z: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "n outputs"]:
        """The forward pass: z¹ is the input, and each layer makes the next z."""
        for layer in self.layers:
            z = layer.forward(z)
        return z

    def backward(self, delta: Float[np.ndarray, "n outputs"], to_input: bool = False) -> np.ndarray | None:
        """The backward pass: every layer turns δ^{l+1} into its parameters' gradients and into δ^l.

        Nobody needs δ¹, the input's, in order to learn; to_input asks for it all the same and returns it.
        """
        for number, layer in reversed(list(enumerate(self.layers))):
            layer.parameter_gradients(delta)
            if number or to_input:
                delta = layer.backward(delta)
        return delta if to_input else None

    def gradient(self, x: Float[np.ndarray, "n inputs"], answers: Shaped[np.ndarray, "n ..."]) -> float:
        """C(θ) of a batch; leaves ∂C/∂θ in every parameter's grad."""
        cost = self.cost.forward(self.forward(x), answers)
        self.backward(self.cost.backward())
        return cost


def two_class_softmax(inputs: int, rng: np.random.Generator) -> Network:
    """The lecture's example: only its first layer has parameters, a θ_0 and a θ_1, the weights of either class."""
    return Network([Linear(inputs, 2, rng, std=0.01, dtype=np.float64), Softmax()], LogLikelihood())


def descend(network: Network, x: Float[np.ndarray, "n inputs"], answers: Int[np.ndarray, "n"]) -> list[float]:
    """θ ← θ − η ∂C/∂θ, STEPS times over all points. Returns the cost before each step."""
    costs = []
    for _ in range(STEPS):
        costs.append(network.gradient(x, answers))
        for parameter in network.parameters():
            parameter.data -= LEARNING_RATE * parameter.grad
    return costs


def draw_deltas(x: Float[np.ndarray, "1 2"], answer: int, network: Network) -> Figure:
    """The network as a row of layers for one point: z above each wire, and δ, which runs back, below it."""
    z = [x, network.layers[0].forward(x)]
    z.append(network.layers[1].forward(z[-1]))
    cost = network.cost.forward(z[-1], np.array([answer]))
    delta = [network.cost.backward()]
    for layer in reversed(network.layers):
        delta.append(layer.backward(delta[-1]))
    delta.reverse()

    figure, axis = plots.panels(width=9.6, height=3.0)
    axis.set(xlim=(-0.55, 6.75), ylim=(-0.25, 2.1))
    axis.axis("off")
    boxes = ("layer 1: linear\n$\\theta_0, \\theta_1$", "layer 2: softmax", f"layer 3: $-\\log p_{answer + 1}$")
    for place, name in zip((1, 3, 5), boxes, strict=True):
        axis.text(place, 1, name, ha="center", va="center", bbox={"boxstyle": "round,pad=0.6", "fc": "white"})
    for place in (0, 2, 4, 6):
        ends = {"xytext": (place - 0.38, 1.16), "xy": (place + 0.38, 1.16)}
        axis.annotate("", **ends, arrowprops={"arrowstyle": "->", "color": plots.BLUE, "lw": 1.6})
        back = {"xytext": (place + 0.38, 0.84), "xy": (place - 0.38, 0.84)}
        axis.annotate("", **back, arrowprops={"arrowstyle": "->", "color": plots.ORANGE, "lw": 1.6})
    for number, (values, deltas) in enumerate(zip(z, delta, strict=True)):
        for k in (0, 1):
            axis.text(
                2 * number,
                1.62 - 0.27 * k,
                f"$z^{number + 1}_{k + 1}$ = {values[0, k]:.3f}",
                ha="center",
                color=plots.BLUE,
            )
            text = f"$\\delta^{number + 1}_{k + 1}$ = {deltas[0, k]:.3f}"
            axis.text(2 * number, 0.5 - 0.27 * k, text, ha="center", color=plots.ORANGE)
    axis.text(6, 1.62, f"$z^4$ = C = {cost:.3f}", ha="center", color=plots.BLUE)
    axis.text(6, 0.5, r"$\delta^4$ = 1", ha="center", color=plots.ORANGE)
    return figure


def lesson(run: Run) -> None:
    from sklearn.linear_model import LogisticRegression

    tumours = data.breast_cancer(seed=run.seed)
    train, test = (part.select("mean radius", "mean texture") for part in (tumours.train, tumours.test))
    mean, size = train.features.mean(axis=0), train.features.std(axis=0)

    with run.method("two-class softmax, deltas", kind="from scratch") as method:
        network = method.model = two_class_softmax(2, run.rng)
        costs = method.time(descend, network, (train.features - mean) / size, train.targets)
        method.score(test, predict=lambda x: network.forward((x - mean) / size).argmax(axis=1))
    with run.method("logistic regression", kind="reference") as method:
        method.fit(LogisticRegression(C=np.inf), train)
        reference = method.score(test)
    run.fact(
        "test tumours on which both agree",
        100 * np.mean(run.methods["two-class softmax, deltas"].predictions == reference),
        "%",
    )
    run.fact(f"cost after {STEPS} steps, above the first", costs[-1] / costs[0])
    run.floor("two-class softmax, deltas", "accuracy", at_least=85)

    W = network.layers[0].W.data
    run.figure(
        "deltas",
        draw_deltas,
        (test.features[:1] - mean) / size,
        int(test.targets[0]),
        network,
        caption="One tumour goes through the network: z runs forward (blue), δ = ∂C/∂z runs back (orange). δ³ is 0 for the "
        "class that is not the answer, and softmax spreads it so that the two δ² cancel.",
    )
    run.note(
        f"Only θ_0 − θ_1 = {np.round(W[:, 0] - W[:, 1], 2)} counts: the same added to both leaves every probability as it is."
    )

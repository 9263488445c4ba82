"""Every layer multiplies the delta that passes through it. Thirty factors of a quarter leave nothing to learn from.

Question   How large is δ^l = ∂C/∂z^l far below the output, and what does a network with such a vanishing gradient
           learn?
Method     A layer of as many outputs as inputs, with weights of variance g / inputs, multiplies the root mean square
           of δ by √g · rms f′ (Glorot and Bengio 2010, §4.2). The sigmoid's f′ is at most ¼ (Hochreiter 1991).
           Measured: δ through thirty layers, and accuracy by depth. Where δ keeps its size but the deep network is less
           accurate, its training accuracy, and ten times as many epochs, show whether it lacks training.
Rival      Logistic regression, which has no hidden layer: is a deep network that can't learn worse than none?
Differs    Each unit has its own initialisation: g = 1 for sigmoid and tanh (Xavier), 2 for ReLU and leaky ReLU (He).
Costs      11 s on two cores, nearly all of it to train 106 networks.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Int
from sklearn.linear_model import LogisticRegression

from ch04_backprop.hidden_units import LeakyReLU, Tanh
from ch04_backprop.layers import Layer, Linear, Network, ReLU, Sigmoid
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from ch04_backprop.networks.training import Pixels, accuracy, by_momentum, predict
from common import data, plots
from common.claims import beats
from common.run import Run
from common.tuning import choose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TALL, BROAD, SOME = 30, 128, 256  # layers, units and images for measuring δ
SHALLOW, DEEP, WIDTH = 2, 16, 32  # layers and units of the trained networks
LONGER, TRAINED_LONGER = 10, ("tanh", "ReLU")  # times the epochs, for the deep networks of these units
LEARNED = 50  # % of the training digits: far above guessing
RATES = [0.005, 0.02, 0.08, 0.32]  # of momentum, at its peak
EXPLODING = "ReLU, weights twice as large"
COLOURS = {"sigmoid": plots.RED, "tanh": plots.ORANGE, "ReLU": plots.BLUE, "leaky ReLU": plots.GREEN}
UNITS = {"sigmoid": (Sigmoid, 1.0), "tanh": (Tanh, 1.0), "ReLU": (ReLU, 2.0), "leaky ReLU": (LeakyReLU, 2.0)}  # and g

Unit = Callable[[], Layer]
Deviation = Callable[[int, int], float]


def by_inputs(g: float) -> Deviation:
    return lambda inputs, outputs: (g / inputs) ** 0.5


def deep_network(unit: Unit, std: Deviation, depth: int, width: int, rng: np.random.Generator) -> Network:
    """784 pixels, `depth` hidden layers of this width, 10 classes. std: of the weights, from a layer's two sizes."""
    layers, sizes = [], [784, *[width] * depth, 10]
    for inputs, outputs in pairwise(sizes):
        layers += [Linear(inputs, outputs, rng, std=std(inputs, outputs)), unit()]
    return Network(layers[:-1], SoftmaxCrossEntropy())


def root_mean_square(values: Float[np.ndarray, "*shape"]) -> float:
    """The root mean square in float64, because the square of a small float32 may underflow."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def delta_sizes(
    network: Network, x: Float32[np.ndarray, "n inputs"], answers: Int[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "depth"], Float[np.ndarray, "depth"]]:
    """For each layer of hidden units, first layer first: the rms of δ before it, and the rms of its slopes f′."""
    network.cost.forward(network.forward(x), answers)
    delta, sizes = network.cost.backward(), []
    for layer in reversed(network.layers):
        slopes, delta = layer.backward(np.ones_like(delta)), layer.backward(delta)
        if not isinstance(layer, Linear):
            sizes.append((root_mean_square(delta), root_mean_square(slopes)))
    size, slope = np.array(sizes[::-1]).T
    return size, slope


def factor_per_layer(size: Float[np.ndarray, "depth"]) -> float:
    """e^−s, where s is the slope of the line through log(size) against the layer's number."""
    return float(np.exp(-np.polyfit(np.arange(len(size)), np.log(size), 1)[0]))


def draw_depth(
    sizes: dict[str, Float[np.ndarray, "depth"]], depths: list[int], scores: dict[str, list[float]]
) -> Figure:
    """Left: δ by layer before any training, the last layer's being 1. Right: accuracy by depth after training."""
    figure, (deltas, learned) = plots.panels(2, width=4.9, height=3.6)
    for name, size in sizes.items():
        style = {"color": COLOURS[name]} if name in COLOURS else {"color": plots.BLUE, "linestyle": "--"}
        deltas.semilogy(np.arange(1, len(size) + 1), size / size[-1], label=name, **style)
    for name, score in scores.items():
        learned.plot(range(len(depths)), score, "o-", color=COLOURS[name], markersize=4)
    deltas.set(title="Before training", xlabel="hidden layer, from the input", ylabel="rms of δ, the last layer's = 1")
    deltas.legend(fontsize=8)
    learned.set(title="After training", xlabel="hidden layers", ylabel="accuracy on held-out digits (%)", ylim=(0, 100))
    learned.set_xticks(range(len(depths)), depths)
    return figure


def lesson(run: Run) -> None:
    digits, epochs = data.mnist(run.scale), run.pick(smoke=1, lecture=4)
    train, test, pixels = digits.train, digits.test, Pixels.of(digits.train.images)
    x, sizes = pixels(train.images), {}
    for name, (unit, g) in {**UNITS, EXPLODING: (ReLU, 8.0)}.items():
        network = deep_network(unit, by_inputs(g), TALL, BROAD, run.rng)
        sizes[name], slope = delta_sizes(network, x[:SOME], train.labels[:SOME])
        run.fact(f"factor of δ per layer, {name}", factor_per_layer(sizes[name]))
        run.fact(f"√g · rms f′, {name}", float(np.exp(np.log(np.sqrt(g) * slope).mean())))

    def train_network(
        name: str, depth: int, rate: float, x: np.ndarray, labels: np.ndarray, *, epochs: int = epochs
    ) -> tuple[Network, bool]:
        """The network, and whether its loss diverged: it is then as it was at its last finite loss."""
        rng = np.random.default_rng(run.seed)
        unit, g = UNITS[name]
        network = deep_network(unit, by_inputs(g), depth, WIDTH, rng)
        losses = by_momentum(rate, epochs, batch_size=128).attempt(network, x, labels, rng)
        return network, not losses

    fitted, held_out = ((pixels(part.images), part.labels) for part in digits.split(seed=run.seed))
    depths = run.pick(smoke=[SHALLOW, DEEP], lecture=[0, 1, SHALLOW, 4, 8, DEEP])
    right = {
        (name, depth): [accuracy(train_network(name, depth, rate, *fitted)[0], *held_out) for rate in RATES]
        for name in UNITS
        for depth in run.track(depths, name)
    }
    rates = {}
    for depth in (SHALLOW, DEEP):
        for name in UNITS:
            with run.method(f"{name}, {depth} hidden layers", kind="from scratch") as method:
                rate = rates[name, depth] = choose(RATES, right[name, depth], highest=True)
                network, _ = method.time(train_network, name, depth, rate, x, train.labels)
                method.model = network
                method.score(test, predict=lambda images, network=network: predict(network, pixels(images)))
    with run.method("logistic regression", kind="classical") as method:
        logistic = method.model = LogisticRegression(C=0.01, tol=1e-3, max_iter=1000)
        method.time(logistic.fit, x, train.labels)
        method.score(test, predict=lambda images: logistic.predict(pixels(images)))
    for name in UNITS:
        run.compare(f"{name}, {DEEP} hidden layers", f"{name}, {SHALLOW} hidden layers")
        run.compare(f"{name}, {DEEP} hidden layers", "logistic regression")
    run.floor(f"ReLU, {SHALLOW} hidden layers", "accuracy", at_least=92.1)

    run.fact("training accuracy, logistic regression", 100 * logistic.score(x, train.labels), "%")
    for name in TRAINED_LONGER:
        deep, longer = f"{name}, {DEEP} hidden layers", LONGER * epochs
        run.fact(f"training accuracy, {deep}, {epochs} epochs", accuracy(run.methods[deep].model, x, train.labels), "%")
        network, diverged = train_network(name, DEEP, rates[name, DEEP], x, train.labels, epochs=longer)
        reached = run.fact(f"training accuracy, {deep}, {longer} epochs", accuracy(network, x, train.labels), "%")
        learned = f"networks with a training accuracy above {LEARNED} %, {deep}, {longer} epochs"
        run.fact(learned, 100.0 * (reached > LEARNED), "%")
        run.fact(f"networks whose loss diverged, {deep}, {longer} epochs", 100.0 * diverged, "%")
        run.fact(f"test accuracy, {deep}, {longer} epochs", accuracy(network, pixels(test.images), test.labels), "%")

    scores = {name: [max(right[name, depth]) for depth in depths] for name in UNITS}
    run.figure(
        "depth",
        draw_depth,
        sizes,
        depths,
        scores,
        caption=f"Left: the size of δ in each of {TALL} hidden layers before training, relative to the last one; "
        "dashed: weights twice as large as He's. Right: the accuracy of trained networks by their number of hidden "
        "layers, each at the learning rate that is best on held-out digits.",
    )
    run.note(
        f"From the last to the first of {TALL} layers of sigmoids the size of δ is multiplied by "
        f"{sizes['sigmoid'][0] / sizes['sigmoid'][-1]:.0e}. Networks of hundreds of layers learn through shortcuts "
        "around layers (He et al. 2016), which pass δ unchanged."
    )
    for name in UNITS:
        run.claim(
            f"With {DEEP} hidden layers of {name} the network is less accurate than with {SHALLOW}.",
            beats(f"{name}, {SHALLOW} hidden layers", f"{name}, {DEEP} hidden layers"),
        )

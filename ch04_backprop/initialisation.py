"""Initialisation: the size of the random first weights decides whether the signal of a deep network survives.

Question   The lecture recommends small random values. How small, why random, and what if they are 0, or too large?
Method     A layer of ReLUs multiplies the root mean square of its input by std · √(inputs / 2). The variance 2 / inputs
           makes that factor 1 (He et al. 2015, §2.2); 2 / (inputs + outputs) is the compromise between the forward and
           the backward pass for units that are linear near 0 (Glorot, called Xavier, and Bengio 2010, Eq. 12).
Rival      Logistic regression, whose cost has one minimum, so that any start works.
Differs    Each initialisation gets its own best learning rate. Biases start at 0.
Costs      4.5 s on two cores, most of it to train 30 networks of ten hidden layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression

from ch04_backprop.hidden_units import Tanh
from ch04_backprop.layers import Linear, Network, ReLU
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from ch04_backprop.networks.training import Examples, Pixels, accuracy, by_momentum, predict
from ch04_backprop.vanishing import Deviation, deep_network, root_mean_square
from common import data, plots
from common.claims import beats
from common.results import mean_interval
from common.run import Run
from common.tuning import choose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STARTS: dict[str, Deviation] = {
    "zeros": lambda inputs, outputs: 0.0,
    "0.01": lambda inputs, outputs: 0.01,
    "Xavier": lambda inputs, outputs: (2 / (inputs + outputs)) ** 0.5,
    "He": lambda inputs, outputs: (2 / inputs) ** 0.5,
    "twice He": lambda inputs, outputs: 2 * (2 / inputs) ** 0.5,
}
COLOURS = {"zeros": plots.GREY, "0.01": plots.RED, "Xavier": plots.ORANGE, "He": plots.BLUE, "twice He": plots.PURPLE}
DEPTH, WIDTH = 10, 64  # hidden layers, and their units in training
BROAD, SOME = 256, 256  # units and images for measuring sizes
SATURATED = 0.97  # activations of tanh beyond which its slope is below 0.06
ALIKE = 16  # hidden units of the network with equal initial weights
RATES = [0.003, 0.01, 0.03]  # of momentum, at its peak


def activations(network: Network, x: Float[np.ndarray, "n inputs"]) -> Iterator[Float[np.ndarray, "n units"]]:
    """The numbers that each layer of hidden units passes on, first layer first."""
    for layer in network.layers:
        x = layer.forward(x)
        if not isinstance(layer, Linear):
            yield x


def activation_sizes(network: Network, x: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "depth"]:
    """The rms of the activations, layer by layer."""
    return np.array([root_mean_square(values) for values in activations(network, x)])


def saturated_shares(network: Network, x: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "depth"]:
    """The share of activations beyond ±SATURATED in %, layer by layer: the slope of tanh there, 1 − a², is nearly 0."""
    return np.array([100 * np.mean(np.abs(values) > SATURATED) for values in activations(network, x)])


def expected_factor(std: float, inputs: int) -> float:
    """The factor of the rms in a layer of ReLUs: std √inputs by the weights, √½ by the half that becomes 0."""
    return std * (inputs / 2) ** 0.5


def all_equal(value: float, rng: np.random.Generator) -> Network:
    """784 pixels, one hidden layer of ReLUs, 10 classes, every weight the same.

    In float64: in float32 the order of a long sum's terms, which differs from unit to unit, would soon separate the
    units.
    """
    layers = [Linear(784, ALIKE, rng, dtype=np.float64), ReLU(), Linear(ALIKE, 10, rng, dtype=np.float64)]
    for layer in layers[::2]:
        layer.W.data[...] = value
    return Network(layers, SoftmaxCrossEntropy())


def count_different_units(network: Network) -> int:
    """The number of units of the first layer with different weights, to six decimals."""
    return np.unique(network.layers[0].W.data.round(6), axis=1).shape[1]


def train_network(network: Network, rate: float, epochs: int, part: Examples, rng: np.random.Generator) -> list[float]:
    """Momentum over one cycle of the rate. Returns the loss of every step; none where it diverged."""
    return by_momentum(rate, epochs).attempt(network, *part, rng)


def draw_sizes(
    sizes: dict[str, dict[str, Float[np.ndarray, "depth"]]], saturated: dict[str, Float[np.ndarray, "depth"]]
) -> Figure:
    """By layer, from each start: the rms of the activations, dotted by theory; and the share of saturated ones."""
    figure, axes = plots.panels(3, width=2.05, height=3.4)
    axes[1].sharey(axes[0])
    layers, line = np.arange(1, DEPTH + 1), {"markersize": 3.5, "linewidth": 1.6}
    for axis, by_start in zip(axes, sizes.values(), strict=False):
        for name, size in by_start.items():
            axis.semilogy(layers, size, "o-", color=COLOURS[name], **line)
    for name, size in sizes["ReLU"].items():
        factor = expected_factor(STARTS[name](BROAD, BROAD), BROAD)
        axes[0].semilogy(layers, size[0] * factor ** (layers - 1), ":", color=plots.INK, linewidth=1)
        shift = {"0.01": (-10, -4), "Xavier": (0, -14)}.get(name, (0, 5))
        place = {"textcoords": "offset points", "ha": "right", "fontsize": 9}
        axes[0].annotate(name, (DEPTH, size[-1]), shift, color=COLOURS[name], **place)
    for name, share in saturated.items():
        axes[2].plot(layers, share, "o-", color=COLOURS[name], **line)
    for axis, title in zip(axes, ("ReLU", "tanh", "tanh, saturated"), strict=True):
        axis.set_title(title)
        axis.set_xticks((1, 4, 7, 10))
    axes[0].set_ylabel("root mean square")
    axes[1].tick_params(labelleft=False)
    axes[2].set(ylabel="share of activations (%)", ylim=(-2, None))
    figure.supxlabel("hidden layer", fontsize=10)
    return figure


def draw_training(losses: dict[str, list[float]], right: dict[str, list[float]]) -> Figure:
    """Left: the loss of a network from each start, mean of ten steps. Right: accuracies and their 95 % interval."""
    figure, (loss, score) = plots.panels(2)
    for place, name in enumerate(STARTS):
        curve = np.convolve(losses[name] or [np.nan], np.full(10, 0.1), "valid")
        label, width = name if losses[name] else f"{name}: diverges", 6 if name == "zeros" else 2
        loss.plot(curve, color=COLOURS[name], linewidth=width, label=label)  # wide: "0.01" lies on top of "zeros"
        score.plot(right[name], np.full(len(right[name]), place), "o", color=COLOURS[name], alpha=0.5, markersize=4)
        mean = mean_interval(right[name])
        score.plot([mean.low, mean.high], [place, place], color=COLOURS[name], linewidth=5, alpha=0.4)
    loss.set(title="Training from each start", xlabel="step", ylabel="loss (nats)", ylim=(0, 3))
    loss.legend(loc="lower left")
    score.set(title="Accuracy after training", xlabel="held-out digits right (%)", xlim=(0, 100))
    score.set_yticks(range(len(STARTS)), STARTS)
    score.invert_yaxis()
    return figure


def draw_units(networks: dict[str, Network]) -> Figure:
    """The weights of four hidden units of each network, as images."""
    figure, axes = plots.panels(4 * len(networks), width=1.2, height=1.5)
    for place, (name, network) in enumerate(networks.items()):
        weights = network.layers[0].W.data[:, :4].T.reshape(4, 28, 28)
        for axis, image in zip(axes[4 * place : 4 * place + 4], weights, strict=True):
            axis.imshow(image, cmap="RdBu", vmin=-np.abs(weights).max(), vmax=np.abs(weights).max())
            axis.axis("off")
        axes[4 * place].set_title(name)
    return figure


def lesson(run: Run) -> None:
    digits, epochs, repetitions = data.mnist(run.scale), run.pick(smoke=1, lecture=3), run.pick(smoke=2, lecture=4)
    test, pixels = digits.test, Pixels.of(digits.train.images)
    fitted, held_out = ((pixels(part.images), part.labels) for part in digits.split(seed=run.seed))

    sizes: dict[str, dict] = {"ReLU": {}, "tanh": {}}
    saturated = {}
    for unit, by_start in (ReLU, sizes["ReLU"]), (Tanh, sizes["tanh"]):
        for name, std in list(STARTS.items())[1:]:  # zeros give zeros
            network = deep_network(unit, std, DEPTH, BROAD, run.rng)
            by_start[name] = activation_sizes(network, fitted[0][:SOME])
            if unit is Tanh:
                saturated[name] = saturated_shares(network, fitted[0][:SOME])
    for name, size in sizes["ReLU"].items():
        run.fact(f"factor per layer of ReLUs, {name}", (size[-1] / size[0]) ** (1 / (DEPTH - 1)))
        run.fact(f"std √(inputs / 2), {name}", expected_factor(STARTS[name](BROAD, BROAD), BROAD))
    run.figure(
        "sizes",
        draw_sizes,
        sizes,
        saturated,
        caption="Before training, by hidden layer. Left and middle: the root mean square of the activations; dotted, "
        "by the factor that theory predicts for ReLU. The values of tanh stay within ±1 whatever its weights. Right: "
        f"the share of them beyond ±{SATURATED:g}, where tanh is nearly flat.",
    )

    starts = {
        "all weights 0.01": all_equal(0.01, run.rng),
        "He": deep_network(ReLU, STARTS["He"], 1, ALIKE, run.rng),
        "0.01": deep_network(ReLU, STARTS["0.01"], 1, ALIKE, run.rng),
    }
    for name, network in starts.items():
        train_network(network, RATES[-1], epochs, fitted, run.rng)
        run.fact(f"one hidden layer, {name}: different units of {ALIKE} after training", count_different_units(network))
        run.fact(f"one hidden layer, {name}: held-out accuracy", accuracy(network, *held_out), "%")
    run.figure(
        "units",
        draw_units,
        {name: starts[name] for name in ("all weights 0.01", "He")},
        caption="The weights of four hidden units after training. Units that begin alike get the same gradient in "
        "every step: they stay one unit, drawn many times. Random weights break this symmetry.",
    )

    def attempt(name: str, rate: float, number: int) -> tuple[float, list[float], Network]:
        rng = np.random.default_rng([run.seed, number])
        network = deep_network(ReLU, STARTS[name], DEPTH, WIDTH, rng)
        losses = train_network(network, rate, epochs, fitted, rng)
        return accuracy(network, *held_out), losses, network

    right, losses, rates = {}, {}, run.pick(smoke=RATES[-1:], lecture=RATES)
    for name in STARTS:
        with run.method(name, kind="from scratch") as method:
            tried = method.time(lambda name=name: {rate: attempt(name, rate, 0) for rate in rates})
            rate = choose(rates, [tried[rate][0] for rate in rates], highest=True)
            score, losses[name], method.model = tried[rate]
            right[name] = [score, *(attempt(name, rate, number)[0] for number in range(1, repetitions))]
            method.score(test, predict=lambda images, method=method: predict(method.model, pixels(images)))
    with run.method("logistic regression", kind="classical") as method:
        logistic = method.model = LogisticRegression(C=0.01, tol=1e-3, max_iter=1000)
        method.time(logistic.fit, *fitted)
        method.score(test, predict=lambda images: logistic.predict(pixels(images)))
    for rival in ("zeros", "0.01", "Xavier", "twice He", "logistic regression"):
        run.compare("He", rival)
    run.floor("He", "accuracy", at_least=89.5)
    run.figure(
        "training",
        draw_training,
        losses,
        right,
        caption=f"{DEPTH} hidden layers of ReLUs, {repetitions} networks from each start: the loss of the first "
        "network (mean of ten steps) and the accuracy of all of them.",
    )
    run.note(
        f"Of a signal of size 1, {DEPTH} layers of ReLUs pass on {sizes['ReLU']['0.01'][-1]:.0e} with weights of size "
        f"0.01, and {sizes['ReLU']['He'][-1]:.1f} with He's."
    )
    for start in ("zeros", "0.01", "twice He"):
        run.claim(
            f"With {DEPTH} hidden layers He's initialisation gives a higher accuracy than {start}.", beats("He", start)
        )

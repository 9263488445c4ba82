"""The nonlinearity between two linear layers decides what a network can represent, and whether it learns.

Question   Sigmoid, tanh, or one of ReLU's family: which hidden unit is best, and is the lecture's advice right on
           digits?
Method     ReLU (Nair and Hinton 2010), leaky ReLU (Maas et al. 2013), ELU (Clevert et al. 2016), concatenated ReLU
           (Shang et al. 2016), sigmoid, tanh, maxout (Goodfellow et al. 2013): each with its derivative, in one
           network, at its own best learning rate.
Rival      No hidden unit at all, which makes the network a linear classifier; an RBF-SVM. Why does the network of
           ReLUs lose to the SVM? Its training accuracy, more epochs and an average over starts are measured.
Differs    Concatenated ReLU doubles the units it passes on and maxout halves them: the layers beside them fit that,
           and the number of weights is shown. All start from He's weights, which were made for ReLU.
Costs      10 s on two cores, nearly half of it to choose a learning rate for each unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from ch04_backprop.layers import Layer, Linear, Network, ReLU, Sigmoid
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from ch04_backprop.networks.training import Pixels, accuracy, averaged_accuracy, by_momentum, choose_rate, predict
from common import data, plots
from common.claims import beats, level
from common.run import Run
from common.scales import must_be

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord

WIDTH, DEPTH = 64, 2  # outputs of each hidden linear layer, and the number of such layers
RATES = [0.01, 0.03, 0.1, 0.3, 1.0]  # of momentum, at its peak
ENSEMBLE, LONGER = 5, 5  # averaged networks; times the epochs, to see whether a network lacks training


class LeakyReLU(Layer):
    """z if z > 0, otherwise slope · z, which is never flat."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.rise = np.where(z > 0, z.dtype.type(1), z.dtype.type(self.slope))
        return z * self.rise

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = 1 or slope."""
        return delta * self.rise


class ELU(Layer):
    """z if z > 0, otherwise α (e^z − 1): it approaches −α smoothly, so that a layer's mean can be near 0."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.out = np.where(z > 0, z, self.alpha * np.expm1(np.minimum(z, 0)))
        return self.out.copy()

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = 1, or α e^z, which is the output plus α."""
        return delta * np.where(self.out > 0, 1, self.out + self.alpha).astype(delta.dtype)


class ConcatenatedReLU(Layer):
    """(max(0, z), max(0, −z)) concatenated: twice the units, and what one drops the other keeps."""

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n 2*units"]:
        out = np.maximum(np.concatenate([z, -z], axis=1), 0)
        self.rises = out > 0
        return out

    def backward(self, delta: Float[np.ndarray, "n both"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = [z > 0] for the first half and −[z < 0] for the second."""
        positive, negative = np.split(delta * self.rises, 2, axis=1)
        return positive - negative


class Tanh(Layer):
    """(e^z − e^−z) / (e^z + e^−z): a scaled sigmoid from −1 to 1, 2σ(2z) − 1."""

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.out = np.tanh(z)
        return self.out.copy()

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = 1 − tanh² z."""
        return delta * (1 - self.out * self.out)


class Maxout(Layer):
    """The largest of each `pieces` neighbouring inputs: a learned convex function of that many linear pieces."""

    def __init__(self, pieces: int = 2) -> None:
        must_be("pieces", pieces, least=1, whole=True)
        self.pieces = pieces

    def forward(self, z: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "n units"]:
        groups = z.reshape(len(z), -1, self.pieces)
        self.winner = np.eye(self.pieces, dtype=z.dtype)[groups.argmax(axis=2)]
        return groups.max(axis=2)

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n inputs"]:
        """∂/∂z = 1 for the largest of each group, 0 for the others."""
        return (delta[:, :, None] * self.winner).reshape(len(delta), -1)


class Identity(Layer):
    """z: no hidden unit. Two linear layers in sequence are one."""

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        return z

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = 1."""
        return delta


UNITS: dict[str, Callable[[], Layer]] = {
    "ReLU": ReLU,
    "leaky ReLU": LeakyReLU,
    "ELU": ELU,
    "concatenated ReLU": ConcatenatedReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "maxout": Maxout,
    "none": Identity,
}


def digit_network(unit: Callable[[], Layer], rng: np.random.Generator) -> Network:
    """784 pixels, DEPTH linear layers, each followed by the unit, 10 classes. Input sizes fit the layers before."""
    layers, inputs = [], 784
    for _ in range(DEPTH):
        layers += [Linear(inputs, WIDTH, rng), unit()]
        inputs = layers[-1].forward(np.zeros((1, WIDTH), np.float32)).shape[1]
    return Network([*layers, Linear(inputs, 10, rng)], SoftmaxCrossEntropy())


def draw_units() -> Figure:
    """Each function and, dashed, its derivative as computed by backward. Maxout's pieces are z and −z/2."""
    figure, axes = plots.panels(4, 2, width=2.5, height=2.1, sharex=True, sharey=True)
    z = np.linspace(-3, 3, 401)[:, None]
    for axis, (name, make) in zip(axes.flat, UNITS.items(), strict=True):
        unit, pieces = make(), np.array([[1.0, -0.5]] if name == "maxout" else [[1.0]])
        out = unit.forward(z @ pieces)
        for k, colour in zip(range(out.shape[1]), (plots.BLUE, plots.SKY), strict=False):
            delta = np.zeros_like(out)
            delta[:, k] = 1
            axis.plot(z, out[:, k], color=colour)
            axis.plot(z, unit.backward(delta) @ pieces.T, "--", color=(plots.ORANGE, plots.RED)[k], linewidth=1.5)
        axis.set(title=name, ylim=(-1.3, 3))
    figure.supxlabel("z", fontsize=10)
    return figure


def draw_scores(record: LessonRecord) -> Figure:
    """One line per method: test accuracy, the mean over the seeds, with its interval."""
    figure, axis = plots.panels(width=6.4, height=3.4)
    rows = record.scores()
    for place, row in enumerate(rows):
        colour = plots.BLUE if row.kind == "from scratch" else plots.ORANGE
        axis.plot([row.low, row.high], [place, place], color=colour)
        axis.plot(row.value, place, "o", color=colour)
    axis.set_yticks(range(len(rows)), [f"{row.method}, {row.parameters:,} numbers" for row in rows])
    axis.invert_yaxis()
    axis.set(title="Accuracy on test digits", xlabel="test accuracy (%)")
    return figure


def lesson(run: Run) -> None:
    digits, epochs = data.mnist(run.scale), run.pick(smoke=1, lecture=4)
    test, pixels = digits.test, Pixels.of(digits.train.images)
    x, labels = pixels(digits.train.images), digits.train.labels
    fitted, held_out = ((pixels(part.images), part.labels) for part in digits.split(seed=run.seed))

    def train_network(
        unit: Callable[[], Layer],
        rate: float,
        x: np.ndarray,
        labels: np.ndarray,
        *,
        start: int = run.seed,
        epochs: int = epochs,
    ) -> Network:
        rng = np.random.default_rng(start)
        network = digit_network(unit, rng)
        by_momentum(rate, epochs).attempt(network, x, labels, rng)
        return network

    def choose_and_train(unit: Callable[[], Layer]) -> tuple[float, Network]:
        rate = choose_rate(lambda rate: train_network(unit, rate, *fitted), RATES, held_out)
        return rate, train_network(unit, rate, x, labels)

    rates = {}
    for name, unit in UNITS.items():
        with run.method(name, kind="from scratch") as method:
            rate, network = method.time(choose_and_train, unit)
            rates[name] = rate
            method.model = network
            method.score(test, predict=lambda images, network=network: predict(network, pixels(images)))
            run.fact(f"best learning rate, {name}", rate)
    with run.method("RBF-SVM", kind="classical") as method:
        svm = method.model = make_pipeline(PCA(50, random_state=run.seed), SVC(C=10))
        method.time(svm.fit, x, labels)
        method.score(test, predict=lambda images: svm.predict(pixels(images)))
    for rival in run.methods:
        if rival != "ReLU":
            run.compare("ReLU", rival)
    run.floor("ReLU", "accuracy", at_least=93.6)

    run.fact("training accuracy, RBF-SVM", 100 * svm.score(x, labels), "%")
    run.fact(f"training accuracy, ReLU, {epochs} epochs", accuracy(run.methods["ReLU"].model, x, labels), "%")
    starts = [int(start) for start in np.random.SeedSequence(run.seed).generate_state(ENSEMBLE)]
    for count in (epochs, LONGER * epochs):
        ensemble = [train_network(ReLU, rates["ReLU"], x, labels, start=start, epochs=count) for start in starts]
        read = averaged_accuracy(ensemble, pixels(test.images), test.labels)
        run.fact(f"test accuracy, {ENSEMBLE} networks of ReLU averaged, {count} epochs", read, "%")
    run.fact(f"training accuracy, ReLU, {count} epochs", accuracy(ensemble[0], x, labels), "%")
    run.fact(f"test accuracy, ReLU, {count} epochs", accuracy(ensemble[0], pixels(test.images), test.labels), "%")

    run.figure(
        "units",
        draw_units,
        caption="The functions and, dashed, their derivatives. The sigmoid's derivative is never above ¼. "
        "Concatenated ReLU outputs two numbers for one; maxout chooses among lines, here z and −z/2, that it learns.",
    )
    run.figure_over_seeds(
        "accuracy",
        draw_scores,
        caption="One network, eight kinds of hidden unit, each at the learning rate that is best on held-out digits.",
    )
    right = {name: 100 * np.mean(method.predictions == test.labels) for name, method in run.methods.items()}
    run.note(f"Test accuracy: sigmoid {right['sigmoid']:.1f} %, ReLU {right['ReLU']:.1f} %.")
    run.claim(
        "The lecture advises against the sigmoid. With two hidden layers, and at its own best learning rate, it is not "
        "significantly different from ReLU. A later lesson, vanishing, adds layers.",
        level("ReLU", "sigmoid"),
    )
    run.claim("Any hidden unit bends the boundary; without one the network is less accurate.", beats("ReLU", "none"))

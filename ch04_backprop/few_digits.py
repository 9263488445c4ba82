"""A thousand digits: few enough for a network to know all of them by heart, which is where regularisation matters.

The lessons on regularisation share these images and a recipe that reaches a training accuracy of 100 %; each changes one
thing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from sklearn.base import ClassifierMixin

from ch04_backprop.hidden_units import ReLU
from ch04_backprop.layers import Layer, Network
from ch04_backprop.optimisers import Momentum
from ch04_backprop.output_units import SoftmaxCrossEntropy, log_sum_exp
from ch04_backprop.training import Pixels, Training, accuracy, mlp, one_cycle, predict
from common import data
from common.data import Images
from common.run import Method, Run

SIZES = (784, 128, 128, 10)
BATCH, LEARNING_RATE = 50, 0.05


@dataclass(frozen=True)
class FewDigits:
    """train: the few images to learn from. validation: others, to choose settings on. test: looked at once."""

    train: Images
    validation: Images
    test: Images

    @cached_property
    def pixels(self) -> Pixels:
        """How images become rows, measured on the few."""
        return Pixels.of(self.train.images)

    @cached_property
    def x(self) -> Float32[np.ndarray, "n 784"]:
        """The training images as rows."""
        return self.pixels(self.train.images)

    @cached_property
    def x_validation(self) -> Float32[np.ndarray, "n 784"]:
        """The validation images as rows."""
        return self.pixels(self.validation.images)

    def losses(self, network: Network) -> tuple[float, float]:
        """The mean log loss on the few and on the validation images."""
        few, validation = (float(-log_probabilities(network, x)[np.arange(len(x)), part.labels].mean()) for x, part in self._to_learn_from)
        return few, validation

    def accuracies(self, network: Network) -> tuple[float, float]:
        """The share of the few and of the validation images that are read rightly, in %."""
        few, validation = (accuracy(network, x, part.labels) for x, part in self._to_learn_from)
        return few, validation

    @property
    def _to_learn_from(self) -> tuple:
        return (self.x, self.train), (self.x_validation, self.validation)

    def score(self, method: Method, model: Any, read: Callable | None = None) -> None:
        """The accuracy and the log loss of a model on the test images.

        read: from the model and rows to the logarithms of probabilities; a network's own unless told.
        """
        method.model, log_p = model, []

        def classes(images: UInt8[np.ndarray, "n 28 28"]) -> Int[np.ndarray, "n"]:
            log_p.append((read or log_probabilities)(model, self.pixels(images)))
            return log_p[0].argmax(axis=1)

        method.score(self.test, predict=classes)
        losses = -log_p[0][np.arange(len(self.test)), self.test.labels]
        method.score_items("log loss", losses, self.test, unit="nats")


def few_digits(run: Run, seed: int) -> FewDigits:
    """1000 of the training images (smoke: 200), drawn by seed, each class with its share; 2000 of the rest to choose on."""
    digits, few = data.mnist(run.scale), run.pick(smoke=200, lecture=1000)
    train, rest = digits.split(1 - few / len(digits.train), seed)
    return FewDigits(train, rest.take(slice(run.pick(smoke=200, lecture=2000))), digits.test)


def relu(units: int) -> list[Layer]:
    """The recipe's hidden layer."""
    return [ReLU()]


def recipe(run: Run, **changes: Any) -> Training:
    """20 epochs (smoke: 2) of momentum, one cycle of the learning rate. changes: to the settings of Training."""
    usual = {
        "optimiser": lambda parameters: Momentum(parameters, LEARNING_RATE),
        "epochs": run.pick(smoke=2, lecture=20),
        "batch_size": BATCH,
        "schedule": one_cycle,
    }
    return Training(**usual | changes)


def new_network(
    rng: np.random.Generator,
    *,
    hidden: Callable[[int], Sequence[Layer]] = relu,
    cost: SoftmaxCrossEntropy | None = None,
    rebuild: Callable[[list[Layer]], list[Layer]] = list,
) -> Network:
    """784-128-128-10. hidden, cost: as for mlp. rebuild: changes the row of layers."""
    network = mlp(SIZES, rng, hidden, cost)
    network.layers = rebuild(network.layers)
    return network


def taught(run: Run, few: FewDigits, seed: int, *, changes: dict | None = None, **kind: Any) -> Network:
    """A network that learned the few. seed: of its first weights and its batches.

    changes: to the recipe's Training. kind: of the network, as new_network has it.
    """
    rng = np.random.default_rng(seed)
    network = new_network(rng, **kind)
    recipe(run, **changes or {})(network, few.x, few.train.labels, rng)
    return network


def log_probabilities(
    network: Network, x: Float32[np.ndarray, "n 784"]
) -> Float32[np.ndarray, "n 10"]:
    """log softmax of the outputs, whatever cost the network was taught by."""
    network.train(False)
    z = network.forward(x)
    return z - log_sum_exp(z)


@dataclass
class Sweep:
    """One network for each strength of something. losses, accuracies: on the few and on the validation images."""

    strengths: tuple[float, ...]
    networks: list[Network]
    losses: Float[np.ndarray, "strengths 2"]
    accuracies: Float[np.ndarray, "strengths 2"]

    @property
    def least_loss(self) -> int:
        """Which one has the least log loss on the validation images."""
        return int(self.losses[:, 1].argmin())

    @property
    def most_right(self) -> int:
        """Which one is right on most validation images; the weakest of them where several are."""
        return int(self.accuracies[:, 1].argmax())


def swept(
    run: Run, few: FewDigits, strengths: Sequence[float], change: Callable[[float, np.random.Generator], dict]
) -> Sweep:
    """Teach a network at every strength (smoke: one in three), all from the same first weights.

    change: what a strength changes in taught(), with a generator for its randomness.
    """
    strengths = tuple(strengths[:: run.pick(smoke=3, lecture=1)])
    changes = [change(strength, np.random.default_rng([run.seed, 1])) for strength in strengths]
    networks = [taught(run, few, run.seed, **these) for these in changes]
    losses, accuracies = (np.array([of(network) for network in networks]) for of in (few.losses, few.accuracies))
    return Sweep(strengths, networks, losses, accuracies)


def log_losses(
    network: Network, x: Float32[np.ndarray, "n 784"], answers: Int[np.ndarray, "n"]
) -> Float32[np.ndarray, "n"]:
    """−log p of the right class for every image, whatever cost the network was taught by."""
    network.train(False)
    z = network.forward(x)
    return log_sum_exp(z)[:, 0] - z[np.arange(len(z)), answers]


def best_on_validation(models: Sequence[ClassifierMixin], few: FewDigits) -> ClassifierMixin:
    """Fit all to the few; return the one that is right on most validation images."""
    fitted = [model.fit(few.x, few.train.labels) for model in models]
    return max(fitted, key=lambda model: model.score(few.x_validation, few.validation.labels))

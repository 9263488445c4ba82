"""A thousand digits: few enough for a network to memorise them all, which is where regularisation matters.

The lessons on regularisation share these digits and a recipe that reaches a training accuracy of 100 %. Each of them
changes one thing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped, UInt8
from sklearn.base import ClassifierMixin

from ch04_backprop.layers import Layer, Network, ReLU
from ch04_backprop.networks.costs import SoftmaxCrossEntropy, log_sum_exp
from ch04_backprop.networks.training import Pixels, Training, accuracy, mlp, one_cycle
from ch04_backprop.optimisers import Momentum
from common import data
from common.answers import check_labels
from common.data import Images
from common.run import Method, Run
from common.tuning import choose

SIZES = (784, 128, 10)
BATCH, LEARNING_RATE = 50, 0.05


def log_probabilities(network: Network, x: Float32[np.ndarray, "n 784"]) -> Float32[np.ndarray, "n 10"]:
    """The log softmax of the outputs, for any training cost."""
    network.train(False)
    z = network.forward(x)
    return z - log_sum_exp(z)


def log_losses(log_p: Float[np.ndarray, "n classes"], answers: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "n"]:
    """−log p of the right class of every digit, in nats. Raises ValueError for labels that don't belong to log_p."""
    return -log_p[np.arange(len(log_p)), check_labels(answers, log_p.shape, log_p.shape[1])]


@dataclass(frozen=True)
class FewDigits:
    """train: the few training digits. validation: others, for choosing settings. test: scored once."""

    train: Images
    validation: Images
    test: Images

    @cached_property
    def pixels(self) -> Pixels:
        """The conversion of images to rows, measured on the training digits."""
        return Pixels.of(self.train.images)

    @cached_property
    def x(self) -> Float32[np.ndarray, "n 784"]:
        """The training digits as rows."""
        return self.pixels(self.train.images)

    @cached_property
    def x_validation(self) -> Float32[np.ndarray, "n 784"]:
        """The validation digits as rows."""
        return self.pixels(self.validation.images)

    def losses(self, network: Network) -> Float[np.ndarray, "2"]:
        """The mean log loss on the training and on the validation digits, in nats."""
        both = (self.x, self.train), (self.x_validation, self.validation)
        return np.array([log_losses(log_probabilities(network, x), part.labels).mean() for x, part in both])

    def accuracies(self, network: Network) -> Float[np.ndarray, "2"]:
        """The accuracy on the training and on the validation digits, in %."""
        both = (self.x, self.train), (self.x_validation, self.validation)
        return np.array([accuracy(network, x, part.labels) for x, part in both])

    def score(self, method: Method, model: Any, read: Callable = log_probabilities) -> None:
        """Score accuracy and log loss on the test digits. read: computes log probabilities from model and rows."""

        def classes(images: UInt8[np.ndarray, "n 28 28"]) -> Int[np.ndarray, "n"]:
            nonlocal log_p
            log_p = read(model, self.pixels(images))
            return log_p.argmax(axis=1)

        method.model, log_p = model, None
        method.score(self.test, predict=classes)
        method.score_items("log loss", log_losses(log_p, self.test.labels), self.test, unit="nats")


def few_digits(run: Run, seed: int) -> FewDigits:
    """1000 training digits (smoke: 200), drawn by seed with the class shares kept; 2000 of the rest for validation."""
    digits, few = data.mnist(run.scale), run.pick(smoke=200, lecture=1000)
    train, rest = digits.split(1 - few / len(digits.train), seed)
    return FewDigits(train, rest.take(slice(run.pick(smoke=200, lecture=2000))), digits.test)


def relu(units: int) -> list[Layer]:
    """The default layers after a hidden linear layer."""
    return [ReLU()]


def new_network(
    rng: np.random.Generator,
    *,
    hidden: Callable[[int], Sequence[Layer]] = relu,
    cost: SoftmaxCrossEntropy | None = None,
    rebuild: Callable[[list[Layer]], list[Layer]] = list,
) -> Network:
    """A network 784-128-10. hidden, cost: see mlp. rebuild: changes the list of layers."""
    network = mlp(SIZES, rng, hidden, cost)
    network.layers = rebuild(network.layers)
    return network


def recipe(run: Run, **changes: Any) -> Training:
    """20 epochs (smoke: 2) of momentum, one cycle of the learning rate. changes: to the settings of Training."""
    usual = {
        "optimiser": lambda parameters: Momentum(parameters, LEARNING_RATE),
        "epochs": run.pick(smoke=2, lecture=20),
        "batch_size": BATCH,
        "schedule": one_cycle,
    }
    return Training(**usual | changes)


def train_on_few(run: Run, few: FewDigits, seed: int, changes: dict[str, Any] | None = None) -> Network:
    """Train a network on the training digits. seed: of its initial weights and its batches.

    changes: to the network (hidden, cost, rebuild; see new_network), and to the recipe.
    """
    changes, rng = dict(changes or {}), np.random.default_rng(seed)
    kind = {name: changes.pop(name) for name in ("hidden", "cost", "rebuild") if name in changes}
    network = new_network(rng, **kind)
    recipe(run, **changes)(network, few.x, few.train.labels, rng)
    return network


@dataclass
class Sweep:
    """A network for each strength of something, with its losses and accuracies on training and validation digits."""

    strengths: tuple[float, ...]
    networks: list[Network]
    losses: Float[np.ndarray, "strengths 2"]
    accuracies: Float[np.ndarray, "strengths 2"]

    @property
    def least_loss(self) -> int:
        """The index of the least log loss on the validation digits."""
        return choose(range(len(self.strengths)), self.losses[:, 1])

    @property
    def most_right(self) -> int:
        """The index of the highest accuracy on the validation digits."""
        return choose(range(len(self.strengths)), self.accuracies[:, 1], highest=True)


def sweep_strengths(
    run: Run, few: FewDigits, strengths: Sequence[float], change: Callable[[float, np.random.Generator], dict]
) -> Sweep:
    """Train a network at every strength (smoke: one in three), all from the same initial weights.

    change: returns the changes for train_on_few, given a strength and a random generator.
    """
    strengths = tuple(strengths[:: run.pick(smoke=3, lecture=1)])
    changes = [change(strength, np.random.default_rng([run.seed, 1])) for strength in strengths]
    networks = [train_on_few(run, few, run.seed, these) for these in changes]
    losses, accuracies = (np.array([of(network) for network in networks]) for of in (few.losses, few.accuracies))
    return Sweep(strengths, networks, losses, accuracies)


def best_on_validation(models: Sequence[ClassifierMixin], few: FewDigits) -> ClassifierMixin:
    """Fit all to the training digits; return the one with the highest validation accuracy."""
    fitted = [model.fit(few.x, few.train.labels) for model in models]
    right = [model.score(few.x_validation, few.validation.labels) for model in fitted]
    return choose(fitted, right, highest=True)

"""The network of this chapter's lessons, and its training loop: shuffle, take a batch, step, repeat.

Method     Mini-batch stochastic gradient descent: the lecture's on-line rule, θ ← θ − η ∇C of one example, with the
           mean over some examples in place of one, because one product of 64 rows costs far less than 64 of one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, Shaped, UInt8

from ch04_backprop.layers import Layer, Linear, Network, Parameter, ReLU
from ch04_backprop.networks.costs import SoftmaxCrossEntropy, log_sum_exp
from ch04_backprop.optimisers import Momentum, Optimiser
from common.answers import check_same_shape
from common.errors import LossNotFinite
from common.tuning import choose

BATCH = 64
Examples = tuple[Float32[np.ndarray, "n inputs"], Int[np.ndarray, "n"]]  # images as rows, and their classes


@dataclass(frozen=True)
class Pixels:
    """Images as rows of numbers with mean 0 and variance 1, both measured over all pixels of the training images."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, images: UInt8[np.ndarray, "n height width"]) -> Pixels:
        return cls(float(images.mean()), float(images.std()) or 1.0)  # equal pixels become 0, not NaN

    def __call__(self, images: UInt8[np.ndarray, "n height width"]) -> Float32[np.ndarray, "n pixels"]:
        return (images.reshape(len(images), -1).astype(np.float32) - np.float32(self.mean)) / np.float32(self.deviation)


def mlp(
    sizes: Sequence[int],
    rng: np.random.Generator,
    hidden: Callable[[int], Sequence[Layer]] = lambda units: [ReLU()],
    cost: SoftmaxCrossEntropy | None = None,
) -> Network:
    """A multilayer perceptron. sizes: of the input, each hidden layer, and the output: (784, 128, 10).

    hidden: the layers after a hidden linear layer with that number of units, by default ReLU. Weights: He et al. 2015.
    """
    layers: list[Layer] = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=2):
        layers.append(Linear(inputs, outputs, rng))
        if number < len(sizes):
            layers += hidden(outputs)
    return Network(layers, cost or SoftmaxCrossEntropy())


def minibatches(n: int, size: int, rng: np.random.Generator) -> Iterator[Int[np.ndarray, "batch"]]:
    """The indices 0 … n − 1 in random order, `size` at a time; the last batch may be smaller."""
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


def one_cycle(share: float) -> float:
    """The learning rate as a share of its peak (Smith 2018): up for a quarter of the training, then down to 0.

    share: of the steps that are finished. It is 0 at the first step, whose rate is therefore 0: that step changes no
    weight. (`rate_at` in common/train.py gives no step the rate 0.)
    """
    return share / 0.25 if share < 0.25 else (1 - share) / 0.75


@dataclass
class Training:
    """The settings of a training. Called with a network and data, it trains the network and returns every step's loss.

    optimiser: made from the network's parameters. schedule: maps the finished share of steps to the learning rate as a
    share of its peak. augment: changes a batch of inputs. penalise: adds to the gradients. each_epoch: called with the
    number of finished epochs; True stops. Raises ValueError for epochs below 0 and a batch size below 1.
    """

    optimiser: Callable[[list[Parameter]], Optimiser]
    epochs: int
    batch_size: int = BATCH
    schedule: Callable[[float], float] | None = None
    augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None
    penalise: Callable[[list[Parameter]], None] | None = None
    each_epoch: Callable[[int], bool | None] = field(default=lambda epoch: None)

    def __post_init__(self) -> None:
        if not (self.epochs >= 0 and self.batch_size >= 1):
            raise ValueError(f"epochs must be at least 0 and batch_size 1, got {self.epochs} and {self.batch_size}")

    def __call__(
        self,
        network: Network,
        x: Float32[np.ndarray, "n inputs"],
        answers: Shaped[np.ndarray, "..."],
        rng: np.random.Generator,
    ) -> list[float]:
        """Train the network. Raises LossNotFinite if the loss stops being finite, after restoring its last good state.

        Raises ValueError unless there is one answer for each row of x.
        """
        if len(x) != len(answers):
            raise ValueError(f"x has shape {x.shape}, answers {answers.shape}: there must be one answer for each row")
        parameters = network.parameters()
        optimiser, losses = self.optimiser(parameters), []
        steps, peak = self.epochs * -(-len(x) // self.batch_size), optimiser.learning_rate
        good = [array.copy() for array in network.state()]  # the state at the last finite loss
        for epoch in range(1, self.epochs + 1):
            network.train()
            for batch in minibatches(len(x), self.batch_size, rng):
                inputs = self.augment(x[batch], rng) if self.augment else x[batch]
                with np.errstate(over="ignore", invalid="ignore"):  # the loss is checked two lines below
                    loss = network.gradient(inputs, answers[batch])
                if not np.isfinite(loss):
                    for array, kept in zip(network.state(), good, strict=True):
                        array[...] = kept
                    network.train(False)
                    raise LossNotFinite(loss, len(losses) + 1)
                for array, kept in zip(network.state(), good, strict=True):
                    kept[...] = array
                if self.penalise:
                    self.penalise(parameters)
                if self.schedule:
                    optimiser.learning_rate = peak * self.schedule(len(losses) / steps)
                optimiser.step()
                losses.append(loss)
            network.train(False)
            if self.each_epoch(epoch):
                break
        return losses

    def attempt(
        self,
        network: Network,
        x: Float32[np.ndarray, "n inputs"],
        answers: Shaped[np.ndarray, "..."],
        rng: np.random.Generator,
    ) -> list[float]:
        """The same where the loss may diverge: the network then stays as it last was, and no losses are returned."""
        with suppress(LossNotFinite):
            return self(network, x, answers, rng)
        return []


def by_momentum(rate: float, epochs: int, **settings: Any) -> Training:
    """Momentum over one cycle of the learning rate with peak `rate`. settings: other or replaced ones of Training."""
    return Training(lambda parameters: Momentum(parameters, rate), epochs, **{"schedule": one_cycle} | settings)


def choose_rate(train: Callable[[float], Network], rates: Sequence[float], held_out: tuple) -> float:
    """The learning rate whose network has the highest accuracy on held-out inputs and answers."""
    return choose(rates, [accuracy(train(rate), *held_out) for rate in rates], highest=True)


def predict(network: Network, x: Float32[np.ndarray, "n inputs"]) -> Int[np.ndarray, "n"]:
    """The class with the largest output for each row."""
    network.train(False)
    return network.forward(x).argmax(axis=1)


def accuracy(network: Network, x: Float32[np.ndarray, "n inputs"], answers: Shaped[np.ndarray, "..."]) -> float:
    """The share of answers that are right, in %. Raises ValueError unless there is one answer for each row of x."""
    predictions = predict(network, x)
    check_same_shape(predictions=predictions, answers=answers)
    return float(100 * np.mean(predictions == answers))


def averaged_accuracy(
    networks: Sequence[Network], x: Float32[np.ndarray, "n inputs"], answers: Shaped[np.ndarray, "..."]
) -> float:
    """The accuracy of the mean of the networks' softmax probabilities, in %. Raises ValueError as `accuracy` does."""
    p = 0
    for network in networks:
        network.train(False)
        z = network.forward(x)
        p = p + np.exp(z - log_sum_exp(z))
    predictions = p.argmax(axis=1)
    check_same_shape(predictions=predictions, answers=answers)
    return float(100 * np.mean(predictions == answers))

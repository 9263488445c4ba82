"""On-line steps: one example's gradient is a noisy, but unbiased, estimate of the gradient over all examples.

Question   A full gradient costs one pass over all examples, an epoch. May a step follow the gradient of one of them?
Method     C = (1/N) Σ C⁽ⁱ⁾, so ∇C = (1/N) Σ ∇C⁽ⁱ⁾: drawn with probability 1/N each, one example's gradient has the mean
           ∇C. Hence the on-line rule θ ← θ − η ∇C⁽ⁱ⁾, SGD (Robbins and Monro 1951). The mean of B independently drawn
           gradients, a batch, has the standard deviation σ / √B; of B different ones, σ / √B · √((N − B) / (N − 1)).
Rival      Gradient descent on all examples, with as many gradients of single examples.
Differs    The lecture states the rule. Here the mean and the spread of the estimate are measured on a network, too.
Costs      2 s on two cores.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ch04_backprop.deltas import descend_on_all
from ch04_backprop.drawings.stochastic_gradient import draw_estimates
from ch04_backprop.finite_differences import sigmoid_network
from ch04_backprop.layers import Network
from common import data
from common.run import Run

HIDDEN, EXAMPLES, EPOCHS = 8, 400, 8
BATCHES = (1, 4, 16, 64, 256)
DRAWS = 400  # batches of each size
ON_LINE_RATE, FULL_RATE = 0.05, 1.0


def flat_gradient(network: Network) -> Float[np.ndarray, "p"]:
    """The gradients of all parameters, concatenated."""
    return np.concatenate([parameter.grad.ravel() for parameter in network.parameters()])


def single_gradients(
    network: Network, x: Float[np.ndarray, "n inputs"], answers: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "n p"]:
    """∇C⁽ⁱ⁾ for each example."""
    rows = []
    for i in range(len(x)):
        network.gradient(x[i : i + 1], answers[i : i + 1])
        rows.append(flat_gradient(network))
    return np.array(rows)


def spread(
    gradients: Float[np.ndarray, "n p"], size: int, draws: int, rng: np.random.Generator, replace: bool
) -> float:
    """The root mean square distance of a batch's mean gradient from the mean of all. replace: draw independently."""
    n = len(gradients)
    if replace:  # the number of draws of each example
        counts = rng.multinomial(size, np.full(n, 1 / n), size=draws)
    else:
        counts = rng.permuted(np.tile(np.arange(n) < size, (draws, 1)), axis=1)
    batches = counts @ gradients / size
    return float(np.sqrt(np.square(batches - gradients.mean(axis=0)).sum(axis=1).mean()))


def expected_spread(gradients: Float[np.ndarray, "n p"], size: int, replace: bool) -> float:
    """The spread σ / √B; without replacement, times √((N − B) / (N − 1))."""
    n = len(gradients)
    sigma = np.sqrt(np.square(gradients - gradients.mean(axis=0)).sum(axis=1).mean())
    return float(sigma / np.sqrt(size) * (1 if replace else np.sqrt((n - size) / (n - 1))))


def descend_on_line(
    network: Network,
    x: Float[np.ndarray, "n inputs"],
    answers: Int[np.ndarray, "n"],
    epochs: int,
    rng: np.random.Generator,
) -> list[float]:
    """θ ← θ − η ∇C⁽ⁱ⁾, each example once per epoch, in random order. The cost of all before and after each epoch."""
    costs = [full_cost(network, x, answers)]
    for _ in range(epochs):
        for i in rng.permutation(len(x)):
            network.gradient(x[i : i + 1], answers[i : i + 1])
            for parameter in network.parameters():
                parameter.data -= ON_LINE_RATE * parameter.grad
        costs.append(full_cost(network, x, answers))
    return costs


def descend_full_batch(
    network: Network, x: Float[np.ndarray, "n inputs"], answers: Int[np.ndarray, "n"], epochs: int
) -> list[float]:
    """θ ← θ − η ∇C, a step per epoch, at a rate 20 times as large. The cost of all, before and after each step."""
    return list(descend_on_all(network, x, answers, FULL_RATE, epochs))


def full_cost(network: Network, x: Float[np.ndarray, "n inputs"], answers: Int[np.ndarray, "n"]) -> float:
    return network.cost.forward(network.forward(x), answers)


def lesson(run: Run) -> None:
    digits = data.digits(seed=run.seed).train.take(slice(run.pick(smoke=EXAMPLES // 4, lecture=EXAMPLES)))
    x, answers = digits.images.reshape(len(digits), -1) / 16, digits.labels

    def fresh() -> Network:
        return sigmoid_network(64, HIDDEN, np.random.default_rng(run.seed))

    network = fresh()
    network.gradient(x, answers)
    full, gradients = flat_gradient(network), single_gradients(network, x, answers)
    length, away = np.linalg.norm(full), 100 * np.mean(gradients @ full < 0)
    error = np.linalg.norm(gradients.mean(axis=0) - full) / length
    run.fact("mean of all one-example gradients, relative difference from ∇C", error)
    run.fact("one-example gradients that point away from ∇C", away, "%")
    run.fact("standard deviation of a one-example gradient, over ‖∇C‖", expected_spread(gradients, 1, True) / length)

    sizes = [size for size in BATCHES if size < len(x)]
    draws = run.pick(smoke=DRAWS // 10, lecture=DRAWS)
    spreads = {
        name: [spread(gradients, size, draws, run.rng, replace) for size in sizes]
        for name, replace in (("drawn independently", True), ("no example twice", False))
    }
    theory = {
        name: [expected_spread(gradients, size, replace) for size in sizes]
        for name, replace in (("drawn independently", True), ("no example twice", False))
    }
    power = np.polyfit(np.log(sizes), np.log(spreads["drawn independently"]), 1)[0]
    run.fact("power of B with which the spread of a batch's gradient grows", power)

    epochs = run.pick(smoke=2, lecture=EPOCHS)
    costs = {
        f"on-line, η = {ON_LINE_RATE:g}": descend_on_line(fresh(), x, answers, epochs, run.rng),
        f"full batch, η = {FULL_RATE:g}": descend_full_batch(fresh(), x, answers, epochs),
    }
    for name, curve in costs.items():
        run.fact(f"cost after {epochs} passes, as a share of the first, {name}", curve[-1] / curve[0])
    run.figure(
        "estimates",
        draw_estimates,
        gradients @ full / np.dot(full, full),
        sizes,
        spreads,
        theory,
        costs,
        caption=f"A network of {gradients.shape[1]:,} weights before training, {len(x)} digits. Left: each example's "
        "gradient, projected on ∇C in units of its length; the mean is 1 (line), and examples left of 0 point away "
        "from ∇C. Middle: the root mean square distance of a batch's gradient from ∇C by batch size; dashed: theory. "
        "Right: the cost by passes over the examples, on-line and with the full batch.",
    )
    run.note(
        f"The mean of {len(x)} one-example gradients differs from ∇C by {error:.0e} of its length, and {away:.0f} % of "
        f"them point away from it. The spread of a batch's gradient is proportional to B to the power {power:.2f}."
    )

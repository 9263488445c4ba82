"""Six rules train the same network on the same digits, each at the learning rate that suits it best.

Question   Which rule learns fastest on a network, once each has its own learning rate? And what is the use of batches?
Method     784–128–10, batches of 64, a constant rate. The rate is chosen from one grid, by accuracy on 1000 held-out
           training digits, after 2 epochs; then 5 epochs from the same weights, and the test digits.
Rival      L-BFGS on all digits at once, which gets eight times as many passes through them and makes far fewer steps.
Differs    The lecture's on-line rule takes one example per step: batch size 1 in the second picture. It shuffles
           them, and that matters: a fact shows what is learned from digits in order, first all zeros, then all ones.
Costs      24 s on two cores.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int
from scipy.optimize import minimize

from ch04_backprop.layers import Network
from ch04_backprop.networks.training import Examples, Pixels, Training, accuracy, mlp, predict
from ch04_backprop.optimisers import OPTIMISERS, SGD
from common import data, plots
from common.claims import level
from common.errors import LossNotFinite
from common.run import Run
from common.tuning import choose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord

SIZES = (784, 128, 10)
HELD_OUT = 1000
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
BATCHES = (1, 8, 64, 512)
SGD_RATE = 0.003  # per example: a batch of n has n times this rate, but at most LARGEST_RATE
LARGEST_RATE = 0.2


def train_by_rule(rule: str, rate: float, epochs: int, part: Examples, seed: int) -> tuple[Network, list[float]]:
    """Train the network of this seed. Returns it and its loss at every step. Raises LossNotFinite."""
    rng = np.random.default_rng(seed)
    network = mlp(SIZES, rng)
    return network, Training(lambda parameters: OPTIMISERS[rule](parameters, rate), epochs)(network, *part, rng)


def best_rate(rule: str, rates: tuple[float, ...], epochs: int, part: Examples, seed: int) -> tuple[float, list[float]]:
    """The rate that is best on the last HELD_OUT points of part, and what each came to; NaN where the loss diverged."""
    few = min(HELD_OUT, len(part[0]) // 5)
    fitted, held_out = ([array[half] for array in part] for half in (slice(-few), slice(-few, None)))
    found = []
    for rate in rates:
        try:
            found.append(accuracy(train_by_rule(rule, rate, epochs, tuple(fitted), seed)[0], *held_out))
        except LossNotFinite:
            found.append(float("nan"))
    return choose(rates, found, highest=True), found


def train_by_lbfgs(x: Float32[np.ndarray, "n m"], y: Int[np.ndarray, "n"], passes: int, seed: int) -> Network:
    """L-BFGS on the cost of all points, stopped after `passes` gradients."""
    network = mlp(SIZES, np.random.default_rng(seed))
    parameters = network.parameters()
    ends = np.cumsum([p.data.size for p in parameters])[:-1]

    def cost(theta: np.ndarray) -> tuple[float, np.ndarray]:
        for parameter, values in zip(parameters, np.split(theta, ends), strict=True):
            parameter.data[...] = values.reshape(parameter.shape)
        value = network.gradient(x, y)
        return value, np.concatenate([p.grad.ravel() for p in parameters]).astype(np.float64)

    start = np.concatenate([p.data.ravel() for p in parameters]).astype(np.float64)
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxfun": passes, "maxiter": passes})
    cost(found.x)
    return network


def by_batch(part: Examples, size: int, epochs: int, seed: int) -> tuple[list[float], list[float]]:
    """Plain SGD with batches of this size: seconds, and cost over 1000 training points, after every epoch."""
    (x, y), rng, seconds, costs = part, np.random.default_rng(seed), [], []
    network, start = mlp(SIZES, rng), time.perf_counter()

    def measure(epoch: int) -> None:
        seconds.append(time.perf_counter() - start)
        costs.append(network.cost.forward(network.forward(x[:1000]), y[:1000]))

    rate = min(SGD_RATE * size, LARGEST_RATE)
    Training(lambda parameters: SGD(parameters, rate), epochs, size, each_epoch=measure)(network, x, y, rng)
    return seconds, costs


def train_in_order_of_class(x: np.ndarray, y: np.ndarray, seed: int) -> Network:
    """One epoch of SGD over digits sorted by class, never shuffled."""
    network = mlp(SIZES, np.random.default_rng(seed))
    optimiser, order = SGD(network.parameters(), SGD_RATE * 64), np.argsort(y, kind="stable")
    for batch in np.array_split(order, -(-len(x) // 64)):
        network.gradient(x[batch], y[batch])
        optimiser.step()
    return network


def draw_race(losses: dict[str, list[float]], grid: dict[str, list[float]], rates: tuple[float, ...]) -> Figure:
    """Left: loss by step, smoothed. Right: accuracy on held-out digits by learning rate."""
    figure, (falling, tuning) = plots.panels(2)
    for name, values in losses.items():
        smooth = np.convolve(values, np.ones(25) / 25, mode="valid")
        falling.semilogy(np.arange(len(smooth)) + 25, smooth, linewidth=1.4, label=name)
        tuning.semilogx(rates, grid[name], "o-", markersize=3.5, linewidth=1.4)
    falling.set(title="Training loss at the best rate", xlabel="step", ylabel="loss, mean of 25 batches")
    tuning.set(title="Accuracy by learning rate", xlabel="learning rate", ylabel="held-out accuracy (%)", ylim=(60, 98))
    falling.legend(ncols=2)
    return figure


def draw_batches(part: Examples, epochs: int, seed: int) -> Figure:
    """Cost by time, one line per batch size, one dot per epoch."""
    figure, axis = plots.panels(width=6.4)
    for size in (*BATCHES, len(part[0])):
        name = "all at once" if size == len(part[0]) else f"batches of {size}"
        axis.loglog(*by_batch(part, size, epochs, seed), "o-", markersize=3.5, label=name)
    axis.set(title="Plain SGD: what a second buys", xlabel="seconds", ylabel="cost of training digits")
    axis.legend()
    return figure


def dividing_rules_need_smaller_rates(record: LessonRecord) -> bool:
    """Whether the mean best rate of each rule that divides by the gradient's size is below that of every other rule."""
    best = {name: record.findings()[f"best learning rate, {name}"][0].value for name in OPTIMISERS}
    dividing = {"AdaGrad", "RMSProp", "Adam"}
    return max(best[name] for name in dividing) < min(rate for name, rate in best.items() if name not in dividing)


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    pixels, (rates, epochs) = Pixels.of(digits.train.images), run.pick(smoke=(RATES[1::3], 1), lecture=(RATES, 5))
    rng = np.random.default_rng(run.seed)
    order = rng.permutation(len(digits.train))  # so that the held-out digits depend on the seed
    x, y = pixels(digits.train.images)[order], digits.train.labels[order]
    losses, grid = {}, {}
    for name in OPTIMISERS:
        with run.method(name, kind="from scratch") as method:
            rate, grid[name] = method.time(best_rate, name, rates, max(1, epochs // 2), (x, y), run.seed)
            network, losses[name] = method.time(train_by_rule, name, rate, epochs, (x, y), run.seed)
            method.model = network
            method.score(digits.test, predict=lambda images, network=network: predict(network, pixels(images)))
        run.fact(f"best learning rate, {name}", rate)
        if name != "SGD":
            run.compare(name, "SGD")
    run.compare("Adam", "momentum")
    with run.method("L-BFGS, full batch", kind="classical") as method:
        network = method.model = method.time(train_by_lbfgs, x, y, epochs * run.pick(smoke=1, lecture=8), run.seed)
        method.score(digits.test, predict=lambda images: predict(network, pixels(images)))
    run.compare("Adam", "L-BFGS, full batch")
    run.floor("Adam", "accuracy", at_least=93.4)

    sorted_digits = accuracy(train_in_order_of_class(x, y, run.seed), x[-HELD_OUT:], y[-HELD_OUT:])
    run.fact("training accuracy after one epoch of SGD in order of class", sorted_digits, "%")
    run.figure(
        "race",
        draw_race,
        losses,
        grid,
        rates,
        caption="Left: the training loss of six rules, each at its best learning rate. Right: their accuracy on "
        "held-out training digits by the learning rate, where it is above 60 %; nothing is drawn where the loss stops "
        "being finite.",
    )
    run.figure(
        "batches",
        draw_batches,
        (x, y),
        run.pick(smoke=1, lecture=3),
        run.seed,
        caption="The cost of training digits by time, a dot per epoch. Single-example steps are many but slow per "
        "example; one full-batch step uses all the data for a single update.",
    )
    run.claim(
        "Once each rule has its own learning rate, Adam and momentum are not significantly different on this network.",
        level("Adam", "momentum"),
    )
    run.claim(
        "The rules that divide by the size of the gradient (AdaGrad, RMSProp, Adam) need smaller learning rates than "
        "the others.",
        dividing_rules_need_smaller_rates,
    )

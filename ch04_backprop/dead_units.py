"""A ReLU that is 0 for every image passes no delta back, so it stays 0. How many units of a network are dead?

Question   The lecture advises a small learning rate, monitoring of dead units, and then leaky ReLU. Is it right?
Method     The monitor is the share of hidden units that are 0 for all images. With ReLU such a unit has gradient 0;
           with leaky ReLU (Maas et al. 2013) a hundredth of the usual, and may recover. Five networks per rate.
Rival      Logistic regression, which has no hidden units that could die.
Differs    A dead unit is dead for these images: if the layers below it change, it may become active again.
Costs      6 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32
from sklearn.linear_model import LogisticRegression

from ch04_backprop.hidden_units import LeakyReLU
from ch04_backprop.layers import Layer, Linear, Network, ReLU
from ch04_backprop.networks.training import Examples, Pixels, accuracy, by_momentum, minibatches, mlp, predict
from ch04_backprop.optimisers import Momentum
from common import data, plots
from common.errors import LossNotFinite
from common.results import mean_interval
from common.run import Run
from common.tuning import choose

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from common.record import LessonRecord

SIZES = (784, 64, 64, 10)
UNITS: dict[str, Callable[[], Layer]] = {"ReLU": ReLU, "leaky ReLU": LeakyReLU}
COLOURS = {"ReLU": plots.BLUE, "leaky ReLU": plots.ORANGE}
RATES = [0.02, 0.035, 0.06, 0.1, 0.14, 0.2, 0.28, 0.4]  # of momentum
LARGE, STEPS, SOME = 0.28, 80, 500  # the rate, steps and images of the monitored network


def dead_share(network: Network, x: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "depth"]:
    """For each layer of hidden units, the share of those that are above 0 for none of the inputs."""
    shares = []
    for layer in network.layers:
        x = layer.forward(x)
        if not isinstance(layer, Linear):
            shares.append(np.mean((x <= 0).all(axis=0)))
    return np.array(shares)


def build_network(name: str, rng: np.random.Generator) -> Network:
    return mlp(SIZES, rng, hidden=lambda units: [UNITS[name]()])


@dataclass
class Outcomes:
    """Outcomes of several networks with one kind of unit at one rate. dead, right: in %, of those that finished."""

    dead: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    diverged: int = 0

    def score(self, networks: int) -> float:
        """What a rate is chosen by: first the fewest networks whose loss diverged, then the accuracy."""
        return float(np.sum(self.right)) - (100 * networks + 1) * self.diverged


def watch_dead_units(name: str, part: Examples, images: Float32[np.ndarray, "m 784"], run: Run) -> list[float]:
    """The share of dead units, in %, before each of STEPS steps at the LARGE rate, while the loss is finite."""
    (x, answers), rng, shares = part, np.random.default_rng([run.seed, 0]), []
    network = build_network(name, rng)
    optimiser = Momentum(network.parameters(), LARGE)
    with np.errstate(over="ignore", invalid="ignore"):
        for batch in islice(minibatches(len(x), 64, rng), STEPS):
            shares.append(100 * dead_share(network, images).mean())
            if not np.isfinite(network.gradient(x[batch], answers[batch])):
                break
            optimiser.step()
    return shares


def draw_rates(axis: Axes, by_rate: dict[float, list[float]], name: str) -> None:
    """The mean for each learning rate, with its interval if at least three networks finished."""
    finished = {rate: mean_interval(values) for rate, values in by_rate.items() if values}
    axis.plot(list(finished), [mean.value for mean in finished.values()], "o-", color=COLOURS[name], label=name)
    for rate, mean in finished.items():
        if len(by_rate[rate]) > 2:
            axis.vlines(rate, mean.low, mean.high, color=COLOURS[name], linewidth=4, alpha=0.3)


def draw_dead(outcomes: dict[str, dict[float, Outcomes]], watch: dict[str, list[float]]) -> Figure:
    """By learning rate: dead units, accuracy, diverged networks. Step by step: dead units at one large rate."""
    figure, ((dead, right), (away, steps)) = plots.panels(2, 2, width=4.8, height=2.7)
    for name, by_rate in outcomes.items():
        draw_rates(dead, {rate: outcome.dead for rate, outcome in by_rate.items()}, name)
        draw_rates(right, {rate: outcome.right for rate, outcome in by_rate.items()}, name)
        away.plot(list(by_rate), [outcome.diverged for outcome in by_rate.values()], "o-", color=COLOURS[name])
        steps.plot(watch[name], color=COLOURS[name])
        if len(watch[name]) < STEPS:
            steps.plot(len(watch[name]) - 1, watch[name][-1], "X", color=COLOURS[name], markersize=9)
    for axis in (dead, right, away):
        axis.set(xlabel="learning rate", xscale="log")
        axis.set_xticks(list(by_rate), [f"{rate:g}" for rate in by_rate], fontsize=8)
        axis.minorticks_off()
    dead.set(title="Dead units", ylabel="hidden units (%)", ylim=(-2, 102))
    right.set(title="Accuracy", ylabel="held-out digits right (%)", ylim=(0, 101))
    away.set(title="Networks whose loss diverged", ylabel="networks")
    steps.set(title=f"One network at learning rate {LARGE}", xlabel="step", ylabel="dead units (%)", ylim=(-2, 102))
    dead.legend()
    return figure


def leaky_diverges_more(record: LessonRecord, repetitions: int, rate: float) -> bool:
    """Whether the loss of more leaky networks than others diverged at this rate, in the mean over the seeds."""
    names = (f"networks of {repetitions} that diverged at rate {rate:g}, {name}" for name in ("leaky ReLU", "ReLU"))
    leaky, usual = (record.findings()[name][0].value for name in names)
    return leaky > usual


def lesson(run: Run) -> None:
    digits, epochs, repetitions = data.mnist(run.scale), run.pick(smoke=1, lecture=3), run.pick(smoke=1, lecture=5)
    train, test, pixels = digits.train, digits.test, Pixels.of(digits.train.images)
    x = pixels(train.images)
    fitted, held_out = ((pixels(part.images), part.labels) for part in digits.split(seed=run.seed))

    def train_network(name: str, rate: float, part: Examples, number: int = 0) -> Network:
        """Train by momentum with a rate that falls linearly to 0. Raises LossNotFinite."""
        rng = np.random.default_rng([run.seed, number])
        network = build_network(name, rng)
        by_momentum(rate, epochs, schedule=lambda share: 1 - share)(network, *part, rng)
        return network

    def train_several(name: str, rate: float) -> Outcomes:
        outcomes = Outcomes()
        for number in range(repetitions):
            try:
                network = train_network(name, rate, fitted, number)
            except LossNotFinite:
                outcomes.diverged += 1
                continue
            outcomes.dead.append(100 * dead_share(network, fitted[0]).mean())
            outcomes.right.append(accuracy(network, *held_out))
        return outcomes

    rates = run.pick(smoke=RATES[::3], lecture=RATES)
    outcomes = {name: {rate: train_several(name, rate) for rate in run.track(rates, name)} for name in UNITS}
    for name, by_rate in outcomes.items():
        with run.method(name, kind="from scratch") as method:
            rate = choose(rates, [by_rate[rate].score(repetitions) for rate in rates], highest=True)
            network = method.model = method.time(train_network, name, rate, (x, train.labels))
            method.score(test, predict=lambda images, network=network: predict(network, pixels(images)))
        run.fact(f"best learning rate, {name}", rate)
        run.fact(f"dead units at the best learning rate, {name}", float(np.mean(by_rate[rate].dead)), "%")
        for rate in rates[-3:]:
            run.fact(f"networks of {repetitions} that diverged at rate {rate:g}, {name}", by_rate[rate].diverged)
    with run.method("logistic regression", kind="classical") as method:
        logistic = method.model = LogisticRegression(C=0.01, tol=1e-3, max_iter=1000)
        method.time(logistic.fit, x, train.labels)
        method.score(test, predict=lambda images: logistic.predict(pixels(images)))
    run.compare("leaky ReLU", "ReLU")
    run.compare("ReLU", "logistic regression")
    run.floor("ReLU", "accuracy", at_least=93.4)
    run.figure(
        "dead",
        draw_dead,
        outcomes,
        {name: watch_dead_units(name, fitted, held_out[0][:SOME], run) for name in UNITS},
        caption="Above, by learning rate: the share of dead units and the accuracy, as means over those of "
        f"{repetitions} networks that did not diverge, with 95 % intervals. Below: the number of networks whose loss "
        f"diverged; and dead units step by step at a learning rate of {LARGE}, where a ✕ marks the step at which the "
        "loss diverged.",
    )
    worst, dead = rates[-1], outcomes["ReLU"][rates[-1]].dead
    run.note(
        f"At a learning rate of {worst:g} "
        + (f"{np.mean(dead):.0f} % of the ReLU units are dead after training, and " if dead else "")
        + f"{outcomes['ReLU'][worst].diverged} of {repetitions} ReLU networks and "
        f"{outcomes['leaky ReLU'][worst].diverged} leaky ReLU networks diverged."
    )
    run.claim(
        "The advice to choose a small learning rate helps. Leaky ReLU is no cure here: at a rate of "
        f"{worst:g} more leaky ReLU than ReLU networks diverge.",
        lambda record: leaky_diverges_more(record, repetitions, worst),
    )

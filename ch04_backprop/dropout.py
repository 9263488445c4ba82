"""Dropout: hidden units are switched off at random, so that none can rely on another; an average of many networks.

Question   What is the effect of switching off random hidden units in every step, and is it the same as averaging
           networks?
Method     Dropout (Srivastava et al. 2014): a unit is kept with probability 1 − p, drawn anew for every image of every
           batch. 2ⁿ networks share their weights; one pass with all units approximates the mean of their predictions
           (§1), which is also computed here over 50 of them (§7.5). p is chosen by the accuracy on validation digits.
Rival      Five networks from different initial weights, averaged; a random forest, which averages, too.
Differs    Kept units are divided by 1 − p in training, so that nothing changes in prediction; the paper multiplies the
           weights by 1 − p in prediction. Hidden units only, and no limit on the norm of a unit's weights.
Costs      4 s on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Int
from sklearn.ensemble import RandomForestClassifier

from ch04_backprop.digits.few_digits import (
    FewDigits,
    Sweep,
    few_digits,
    log_losses,
    log_probabilities,
    new_network,
    recipe,
    sweep_strengths,
    train_on_few,
)
from ch04_backprop.layers import Layer, Network, Parameter, ReLU
from ch04_backprop.networks.costs import log_sum_exp
from common import plots
from common.claims import beats, level
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = (0.1, 0.2, 0.3, 0.5, 0.7)
ENSEMBLE = 5  # averaged networks


class Dropout(Layer):
    """z^{l+1} = m z^l, where m is 0 with probability p, otherwise 1 / (1 − p): the expected output is the input.

    Raises ValueError unless 0 ≤ p < 1.
    """

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"p must be in [0, 1), got {p}")
        self.p, self.rng = p, rng

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        if not self.training:
            self.mask = None
            return z
        self.mask = (self.rng.random(z.shape, z.dtype) >= self.p) / z.dtype.type(1 - self.p)
        return z * self.mask

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂z_k^{l+1}/∂z_k^l = m_k: a dropped unit gets no gradient. In prediction none is dropped, and m_k = 1."""
        return delta if self.mask is None else delta * self.mask


def with_dropout(p: float, rng: np.random.Generator) -> dict:
    """The changes to the recipe for dropout of all hidden units."""
    return {"hidden": lambda units: [ReLU(), Dropout(p, rng)]}


def predict_masked(
    network: Network, x: Float32[np.ndarray, "n 784"], passes: int
) -> Float32[np.ndarray, "passes n 10"]:
    """The probabilities of `passes` networks with missing units: Dropout is active as in training."""
    for layer in network.layers:
        layer.training = isinstance(layer, Dropout)
    z = [network.forward(x) for _ in range(passes)]
    network.train(False)
    return np.exp([outputs - log_sum_exp(outputs) for outputs in z])


def log_mean(p: Float32[np.ndarray, "votes n 10"]) -> Float32[np.ndarray, "n 10"]:
    """The logarithm of the votes' mean."""
    return np.log(np.maximum(p.mean(axis=0), np.finfo(np.float32).tiny))


@dataclass
class Ensemble:
    """Networks whose probabilities are averaged."""

    networks: list[Network]

    def parameters(self) -> list[Parameter]:
        return [parameter for network in self.networks for parameter in network.parameters()]

    def log_probabilities(self, x: Float32[np.ndarray, "n 784"]) -> Float32[np.ndarray, "n 10"]:
        return log_mean(np.exp([log_probabilities(network, x) for network in self.networks]))


def follow_losses(run: Run, few: FewDigits, changes: dict) -> Float[np.ndarray, "epochs 2"]:
    """The log losses on training and validation digits after every epoch."""
    rng, curve = np.random.default_rng(run.seed), []
    network = new_network(rng, **changes)
    recipe(run, each_epoch=lambda epoch: curve.append(few.losses(network)))(network, few.x, few.train.labels, rng)
    return np.array(curve)


def draw_learning(curves: dict[str, np.ndarray], sweep: Sweep, base: Float[np.ndarray, "2"]) -> Figure:
    """Left: log losses by epoch, without and with dropout. Right: accuracies by p. Dashed: training digits."""
    figure, (left, right) = plots.panels(2, height=3.3)
    for (name, curve), colour in zip(curves.items(), (plots.BLUE, plots.ORANGE), strict=True):
        for values, style, part in zip(curve.T, ("--", "-"), ("training", "validation"), strict=True):
            left.plot(1 + np.arange(len(values)), values, style, color=colour, label=f"{name}, {part} digits")
    left.set(title="Loss while learning", xlabel="epochs", ylabel="log loss (nats)", ylim=(-0.02, 0.9))
    left.locator_params(axis="x", integer=True)
    left.legend(fontsize=8)
    p, accuracies = [0, *sweep.strengths], np.vstack([base, sweep.accuracies])
    for values, style, part in zip(accuracies.T, ("--", "-"), ("training", "validation"), strict=True):
        right.plot(p, values, style, marker="o", markersize=4, color=plots.BLUE, label=f"{part} digits")
    right.set(title="How many to drop", xlabel="p", ylabel="accuracy (%)")
    right.legend()
    return figure


def draw_crowd(
    votes: Float32[np.ndarray, "passes n 10"], answers: Int[np.ndarray, "n"], one_pass: tuple[float, float]
) -> Figure:
    """Log loss and accuracy of the mean of the first 1, 2, 3 … votes; dashed: those of a single pass with all units."""
    figure, axes = plots.panels(2, height=3.0)
    means = [log_mean(votes[:count]) for count in range(1, len(votes) + 1)]
    curves = {
        "Log loss (nats)": [log_losses(log_p, answers).mean() for log_p in means],
        "Accuracy (%)": [100 * np.mean(log_p.argmax(axis=1) == answers) for log_p in means],
    }
    for axis, (name, values), one in zip(axes, curves.items(), one_pass, strict=True):
        axis.semilogx(range(1, len(votes) + 1), values, color=plots.ORANGE, label="mean of masked networks")
        axis.axhline(one, color=plots.BLUE, linestyle="--", label="one pass, all units")
        axis.set(title=name.partition(" (")[0], xlabel="masked networks", ylabel=f"validation {name.lower()}")
        axis.set_xticks((1, 2, 5, 10, 20, 50), ("1", "2", "5", "10", "20", "50"))
        axis.minorticks_off()
    axes[0].legend()
    return figure


def lesson(run: Run) -> None:
    few, passes = few_digits(run, run.seed), run.pick(smoke=2, lecture=50)
    averaged, several = f"dropout, {passes} masked networks averaged", f"{ENSEMBLE} networks averaged"
    with run.method("no dropout", kind="from scratch") as method:
        base = method.time(train_on_few, run, few, run.seed)
        few.score(method, base)
    with run.method("dropout", kind="from scratch") as method:
        sweep = method.time(sweep_strengths, run, few, SHARES, with_dropout)
        network, p = sweep.networks[sweep.most_right], sweep.strengths[sweep.most_right]
        few.score(method, network)
    with run.method(averaged, kind="from scratch") as method:
        method.fit_seconds = run.methods["dropout"].fit_seconds  # it is the same network, with more predictions
        few.score(method, network, lambda network, x: log_mean(predict_masked(network, x, passes)))
    with run.method(several, kind="from scratch") as method:
        seeds = np.random.SeedSequence(run.seed).generate_state(ENSEMBLE)
        ensemble = Ensemble([method.time(train_on_few, run, few, int(seed)) for seed in seeds])
        few.score(method, ensemble, Ensemble.log_probabilities)
    with run.method("random forest", kind="classical") as method:
        forest = method.model = RandomForestClassifier(200, random_state=run.seed)
        method.time(forest.fit, few.x, few.train.labels)
        method.score(few.test, predict=lambda images: forest.predict(few.pixels(images)))
    pairs = (("dropout", "no dropout"), (averaged, "dropout"), (several, "no dropout"), (several, "dropout"))
    for pair in pairs:
        run.compare(*pair)
        run.compare(*pair, "log loss")
    run.compare("dropout", "random forest")
    run.floor("dropout", "accuracy", at_least=90.3)
    run.fact("best p", p)

    if run.first:
        curves = {"no dropout": {}, f"p = {p}": with_dropout(p, np.random.default_rng([run.seed, 1]))}
        run.figure(
            "learning",
            draw_learning,
            {name: follow_losses(run, few, changes) for name, changes in curves.items()},
            sweep,
            few.accuracies(base),
            caption="Left: the log loss by epoch, without and with dropout. Right: the accuracy by the share p of "
            "units that are dropped. Dashed: training digits.",
        )
        run.figure(
            "crowd",
            draw_crowd,
            predict_masked(network, few.x_validation, passes),
            few.validation.labels,
            (float(few.losses(network)[1]), float(few.accuracies(network)[1])),
            caption="On validation digits: log loss and accuracy of the mean of several masked networks, by their "
            "number; dashed: of the one pass with all units.",
        )
    run.claim(
        f"One pass with all units is as accurate as the mean of {passes} masked networks: their accuracies are not "
        "significantly different. The probabilities of the mean are better: its log loss is smaller.",
        level(averaged, "dropout", "accuracy"),
        beats(averaged, "dropout", "log loss"),
    )

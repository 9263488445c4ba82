"""L2 and L1: a penalty on the size of the weights, against the large weights that an unpenalised network learns.

Question   What does adding λ/2 ‖W‖² or λ ‖W‖₁ to the cost change, in the weights and on unseen digits?
Method     L2, whose gradient λW shrinks a weight by the share ηλ in every step: weight decay (Krogh and Hertz 1992).
           L1, whose subgradient is λ sign W; and the step that solves for L1 exactly, a soft threshold after the
           gradient's step (Daubechies et al. 2004), which gives exact zeros. λ: by the log loss on validation digits.
Rival      Logistic regression, which has its own L2 penalty, and the RBF-SVM, on the same 1000 digits. Why does L2
           lose to the SVM? Its training accuracy, the choice of λ and an average over starts are measured.
Differs    Weights are penalised, biases are not: a bias only shifts a unit's threshold.
Costs      6 s on two cores.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from ch04_backprop.digits.few_digits import (
    LEARNING_RATE,
    Sweep,
    best_on_validation,
    few_digits,
    sweep_strengths,
    train_on_few,
)
from ch04_backprop.layers import Network, Parameter
from ch04_backprop.networks.training import averaged_accuracy
from ch04_backprop.optimisers import Momentum
from common import plots
from common.claims import beats, level
from common.run import Run
from common.scales import must_be

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

L2_STRENGTHS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
L1_STRENGTHS = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
NEARLY = 1e-3  # smaller weights count as 0: 784 of them, if independent, change a unit by less than 0.03
UNITS = 8  # of the first layer with drawn weights
ENSEMBLE = 5  # averaged networks


def weights(parameters: Iterable[Parameter]) -> list[Parameter]:
    """The parameters that multiply: a matrix is a Linear's W, a vector its b (or the γ and β of batchnorm.py)."""
    return [parameter for parameter in parameters if parameter.data.ndim == 2]


@dataclass(frozen=True)
class L2:
    """λ/2 Σ W². Called with the parameters after backward, it adds λW to the gradient of every weight."""

    strength: float

    def __post_init__(self) -> None:
        must_be("strength", self.strength)

    def cost(self, parameters: Iterable[Parameter]) -> float:
        return self.strength / 2 * sum(float(np.square(W.data).sum()) for W in weights(parameters))

    def __call__(self, parameters: Iterable[Parameter]) -> None:
        for W in weights(parameters):
            W.grad += self.strength * W.data


@dataclass(frozen=True)
class L1:
    """λ Σ |W|. It adds λ sign W: the same gradient for small and large weights, and none at 0."""

    strength: float

    def __post_init__(self) -> None:
        must_be("strength", self.strength)

    def cost(self, parameters: Iterable[Parameter]) -> float:
        return self.strength * sum(float(np.abs(W.data).sum()) for W in weights(parameters))

    def __call__(self, parameters: Iterable[Parameter]) -> None:
        for W in weights(parameters):
            W.grad += self.strength * np.sign(W.data)


def soft_threshold(w: Float[np.ndarray, "*shape"], threshold: float) -> Float[np.ndarray, "*shape"]:
    """sign(w) max(|w| − t, 0) = argmin_v ½(v − w)² + t|v|: values move towards 0 by t, and those nearer than t become
    0.
    """
    return np.sign(w) * np.maximum(np.abs(w) - w.dtype.type(threshold), 0)


class SparseMomentum(Momentum):
    """A step of momentum, then the soft threshold: L1 without the oscillation about 0 that sign W causes.

    A constant gradient moves a weight by η / (1 − μ) times itself per step, and so the threshold is that times λ.
    """

    def __init__(self, parameters: Iterable[Parameter], learning_rate: float, strength: float) -> None:
        super().__init__(parameters, learning_rate)
        must_be("strength", strength)
        self.strength = strength

    def step(self) -> None:
        super().step()
        for W in weights(self.parameters):
            W.data[...] = soft_threshold(W.data, self.learning_rate / (1 - self.momentum) * self.strength)


def l2(strength: float, rng: np.random.Generator) -> dict:
    """The changes to the recipe for L2."""
    return {"penalise": L2(strength)}


def l1(strength: float, rng: np.random.Generator) -> dict:
    """The changes to the recipe for L1 by its subgradient."""
    return {"penalise": L1(strength)}


def sparse(strength: float, rng: np.random.Generator) -> dict:
    """The changes to the recipe for L1, solved exactly in every step."""
    return {"optimiser": lambda parameters: SparseMomentum(parameters, LEARNING_RATE, strength)}


def sizes(network: Network) -> Float[np.ndarray, "weights"]:
    """All weights as one vector."""
    return np.concatenate([W.data.ravel() for W in weights(network.parameters())])


def draw_weights(networks: dict[str, Network]) -> Figure:
    """A row of images per network, the weights of its UNITS largest units; and the histogram of all weights."""
    figure, axes = plots.panels(2, 3, width=5, height=1.05, width_ratios=(1.7, 1))
    for (axis, hidden), (name, network) in zip(axes, networks.items(), strict=True):
        hidden.remove()
        W = network.layers[0].W.data
        units = W[:, np.argsort(-np.abs(W).max(axis=0))[:UNITS]]
        images = (units / np.abs(units).max(axis=0)).T.reshape(UNITS, 28, 28)
        row = np.pad(images, ((0, 0), (0, 0), (0, 3)), constant_values=np.nan).transpose(1, 0, 2).reshape(28, -1)
        axis.imshow(row, cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest")
        axis.set_title(name)
        axis.set_axis_off()
    draw_histogram(figure.add_subplot(axes[0, 0].get_gridspec()[:, 1]), networks)
    return figure


def draw_histogram(axis: Axes, networks: dict[str, Network]) -> None:
    """Draw the histograms of weights by size."""
    for name, network in networks.items():
        axis.hist(sizes(network), np.linspace(-0.4, 0.4, 82), histtype="step", linewidth=1.5, label=name)
    axis.set(title="All weights", xlabel="weight", ylabel="how many", yscale="log", ylim=(1, 3e5))
    axis.legend(loc="upper right", fontsize=8)


def draw_strengths(paths: dict[str, Sweep], base: Float[np.ndarray, "2"]) -> Figure:
    """Log losses by strength for L2 and L1, and the share of zeros by strength for both forms of L1."""
    figure, (*falls, zeros) = plots.panels(3, width=3.6, height=3.1)
    for axis, name in zip(falls, ("L2", "L1, soft threshold"), strict=True):
        found = paths[name]
        for part, values, none in zip(("training", "validation"), found.losses.T, base, strict=True):
            line = axis.semilogx(found.strengths, values, "o-", markersize=4, label=f"{part} digits")[0]
            axis.axhline(none, color=line.get_color(), linewidth=1, linestyle=":")
        axis.plot(
            found.strengths[found.least_loss], found.losses[found.least_loss, 1], "o", color=plots.RED, markersize=8
        )
        axis.set(title=name, xlabel="λ", ylabel="log loss (nats)", ylim=(-0.03, None))
    falls[0].legend(loc="center left")
    for name, below in (("L1, soft threshold", 0.0), ("L1, subgradient", 0.0), ("L1, subgradient", NEARLY)):
        share = [100 * np.mean(np.abs(sizes(network)) <= below) for network in paths[name].networks]
        label = f"{name.partition(', ')[2]}, {f'below {below}' if below else 'exactly 0'}"
        zeros.semilogx(paths[name].strengths, share, "o--" if below else "o-", markersize=4, label=label)
    zeros.set(title="Weights that are 0", xlabel="λ", ylabel="share (%)")
    zeros.legend(fontsize=8, loc="upper left")
    return figure


def lesson(run: Run) -> None:
    few = few_digits(run, run.seed)
    with run.method("no penalty", kind="from scratch") as method:
        base = method.time(train_on_few, run, few, run.seed)
        few.score(method, base)
    paths = {}
    ways = {
        "L2": (L2_STRENGTHS, l2),
        "L1, subgradient": (L1_STRENGTHS, l1),
        "L1, soft threshold": (L1_STRENGTHS, sparse),
    }
    for name, (strengths, change) in ways.items():
        with run.method(name, kind="from scratch") as method:
            found = paths[name] = method.time(sweep_strengths, run, few, strengths, change)
            few.score(method, found.networks[found.least_loss])
        run.compare(name, "no penalty")
        run.compare(name, "no penalty", "log loss")
        run.fact(f"λ, {name}", found.strengths[found.least_loss])
        run.fact(f"weights that are exactly 0, {name}", 100 * np.mean(sizes(method.model) == 0), "%")
    rivals = {
        "logistic regression": [LogisticRegression(C=C, max_iter=1000) for C in (1e-4, 1e-3, 1e-2)],
        "RBF-SVM": [SVC(C=C) for C in (1, 10)],
    }
    for name, models in rivals.items():
        with run.method(name, kind="classical") as method:
            model = method.model = method.time(best_on_validation, models, few)
            method.score(few.test, predict=lambda images, model=model: model.predict(few.pixels(images)))
    run.compare("RBF-SVM", "L2")
    run.floor("L2", "accuracy", at_least=89.8)
    run.floor("L2", "log loss", at_most=0.331)

    found, svm = paths["L2"], run.methods["RBF-SVM"].model
    run.fact("training accuracy, L2", found.accuracies[found.least_loss, 0], "%")
    run.fact("training accuracy, RBF-SVM", 100 * svm.score(few.x, few.train.labels), "%")
    by_loss, by_accuracy = (found.accuracies[place, 1] for place in (found.least_loss, found.most_right))
    run.fact("validation accuracy gained if λ is chosen by accuracy, L2", by_accuracy - by_loss, "points")
    usual = {"penalise": L2(found.strengths[found.least_loss])}
    starts = np.random.SeedSequence(run.seed).generate_state(ENSEMBLE)
    ensemble = [train_on_few(run, few, int(start), usual) for start in starts]
    read = averaged_accuracy(ensemble, few.pixels(few.test.images), few.test.labels)
    run.fact(f"test accuracy, {ENSEMBLE} networks with L2 averaged", read, "%")

    chosen = {name: run.methods[name].model for name in ("no penalty", "L2", "L1, soft threshold")}
    run.figure(
        "weights",
        draw_weights,
        chosen,
        caption=f"Left: weights of {UNITS} hidden units, negative red, positive blue. Without a penalty the weights of "
        "pixels that are never inked have gradient 0 and keep their random first values; a penalty shrinks them. "
        "Right: the histogram of all weights.",
    )
    run.figure(
        "strength",
        draw_strengths,
        paths,
        few.losses(base),
        caption="Log losses of training and validation digits by λ; dotted: no penalty; red: the λ that was chosen. "
        "Right: the share of weights that are 0, or nearly, for both methods with L1.",
    )
    run.claim(
        "A network that has memorised its training digits is overconfident on others. The L2 penalty reduces that: "
        "the log loss is smaller.",
        beats("L2", "no penalty", "log loss"),
    )
    run.claim("The accuracy with L2 is not significantly different.", level("L2", "no penalty", "accuracy"))

"""Noise and augmentation: a network trained on shifted, rotated or noisy digits generalises better.

Question   Noise in the inputs, the hidden units, the weights or the labels, or in the place of a digit: which helps?
Method     Layers that add Gaussian noise in training (Bishop 1995: on a linear model's inputs it is ridge, which is
           checked here), noisy weights (Graves 2011), and labels drawn anew (Xie et al. 2016), on average the same as
           label smoothing (Szegedy et al. 2016, §7). Augmentation: digits shifted and rotated (moves.py).
Rival      The RBF-SVM on the same 1000 digits, and on these with two moved copies of each.
Differs    One fixed σ for all weights of a layer; Graves learns a σ for each weight.
Costs      8 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.linear_model import Ridge
from sklearn.svm import SVC

from ch04_backprop.digits.few_digits import FewDigits, Sweep, few_digits, sweep_strengths, train_on_few
from ch04_backprop.digits.moves import Moves
from ch04_backprop.layers import Layer, Linear, Network, ReLU
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from common import data, plots
from common.answers import check_labels
from common.claims import beats
from common.run import Run
from common.scales import must_be

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COPIES, COPIES_LINEAR = 2, 300  # per digit, per patient


class GaussianNoise(Layer):
    """z^{l+1} = z^l + σε, ε new for every batch in training; in prediction it does nothing."""

    def __init__(self, std: float, rng: np.random.Generator) -> None:
        must_be("std", std)
        self.std, self.rng = std, rng

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        if not self.training:
            return z
        return z + z.dtype.type(self.std) * self.rng.standard_normal(z.shape, z.dtype)

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂z_k^{l+1}/∂z_k^l = 1."""
        return delta


class NoisyLinear(Linear):
    """z^{l+1} = z^l (W + σE) + b, E new for every batch. It uses the W and b of a Linear.

    strength: σ in units of √(2 / inputs), the initial standard deviation of the weights.
    """

    def __init__(self, linear: Linear, strength: float, rng: np.random.Generator) -> None:
        must_be("strength", strength)
        self.W, self.b, self.rng = linear.W, linear.b, rng
        self.std = strength * np.sqrt(2 / len(linear.W.data))

    def forward(self, z: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "n outputs"]:
        self.z, self.used = z.copy(), self.W.data
        if self.training:
            self.used = self.used + z.dtype.type(self.std) * self.rng.standard_normal(self.W.shape, z.dtype)
        return z @ self.used + self.b.data

    def backward(self, delta: Float[np.ndarray, "n outputs"]) -> Float[np.ndarray, "n inputs"]:
        """∂z_k^{l+1}/∂z_i^l = W_ik + σE_ik. ∂C/∂W is Linear's: E does not depend on W."""
        return delta @ self.used.T


class NoisyLabels(SoftmaxCrossEntropy):
    """A share s of each batch's labels is drawn anew, from all classes: on average, label smoothing by s."""

    def __init__(self, share: float, rng: np.random.Generator) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"share must be in [0, 1], got {share}")
        self.share, self.rng = share, rng

    def forward(self, z: Float[np.ndarray, "n classes"], answers: Shaped[np.ndarray, "..."]) -> float:
        answers = check_labels(answers, z.shape, z.shape[1])
        drawn = self.rng.integers(z.shape[1], size=len(z))
        return super().forward(z, np.where(self.rng.random(len(z)) < self.share, drawn, answers))


def noisy_inputs(std: float, rng: np.random.Generator) -> dict:
    """The changes to the recipe for input noise."""
    return {"rebuild": lambda layers: [GaussianNoise(std, rng), *layers]}


def noisy_hidden(std: float, rng: np.random.Generator) -> dict:
    """The changes to the recipe for noise after every hidden layer."""
    return {"hidden": lambda units: [ReLU(), GaussianNoise(std, rng)]}


def noisy_weights(strength: float, rng: np.random.Generator) -> dict:
    """The changes to the recipe for noise in all weights."""
    return {
        "rebuild": lambda layers: [
            NoisyLinear(layer, strength, rng) if isinstance(layer, Linear) else layer for layer in layers
        ]
    }


# The strengths, their unit, and the changes to the recipe.
KINDS: dict[str, tuple[tuple[float, ...], str, Callable[[float, np.random.Generator], dict]]] = {
    "input noise": ((0.25, 0.5, 1.0), "σ (pixels' deviations)", noisy_inputs),
    "hidden noise": ((0.25, 0.5, 1.0), "σ", noisy_hidden),
    "weight noise": ((0.25, 0.5, 1.0), "σ (first weights' deviations)", noisy_weights),
    "noisy labels": ((0.05, 0.1, 0.2), "share drawn anew", lambda share, rng: {"cost": NoisyLabels(share, rng)}),
    "label smoothing": ((0.05, 0.1, 0.2), "share spread", lambda share, rng: {"cost": SoftmaxCrossEntropy(share)}),
    "shifts": ((0.5, 1.0, 2.0), "pixels at most", lambda most, rng: {"augment": Moves(shift=most)}),
    "rotations": ((5.0, 10.0, 20.0), "degrees at most", lambda most, rng: {"augment": Moves(angle=most)}),
}


def noisy_least_squares(
    x: Float[np.ndarray, "n m"], y: Float[np.ndarray, "n"], std: float, rng: np.random.Generator
) -> Float[np.ndarray, "m"]:
    """Least squares on COPIES_LINEAR noisy copies of every row: θ that minimises Σ (y − (x + σε)ᵀθ)²."""
    copies = np.tile(x, (COPIES_LINEAR, 1))
    return np.linalg.lstsq(copies + std * rng.standard_normal(copies.shape), np.tile(y, COPIES_LINEAR))[0]


def draw_kinds(few: FewDigits, network: Network, rng: np.random.Generator) -> Figure:
    """One digit and one unit's weights without noise, and two draws of every visible noise."""
    x = few.x[few.train.labels == 5][:1]
    W = network.layers[0].W.data
    unit = W[:, [np.abs(W).max(axis=0).argmax()]].T
    noisy = NoisyLinear(network.layers[0], 1.0, rng)
    columns = {
        "a digit": lambda: x,
        "input noise, σ = ½": lambda: GaussianNoise(0.5, rng).forward(x),
        "input noise, σ = 1": lambda: GaussianNoise(1.0, rng).forward(x),
        "shifted by ≤ 2": lambda: Moves(2, 0)(x, rng),
        "rotated by ≤ 20°": lambda: Moves(0, 20)(x, rng),
        "a unit's weights": lambda: unit,
        "weight noise, σ = 1": lambda: unit + noisy.std * rng.standard_normal(unit.shape),
    }
    figure, axes = plots.panels(len(columns), 2, width=1.55, height=1.6)
    for column, (name, draw) in zip(axes.T, columns.items(), strict=True):
        for axis in column:
            axis.imshow(draw().reshape(28, 28), cmap="RdBu" if "weight" in name else "gray_r", interpolation="nearest")
            axis.set_axis_off()
        column[0].set_title(name, fontsize=8.5)
    return figure


def draw_strengths(found: dict[str, Sweep], base: float) -> Figure:
    """A panel for each kind: accuracy on validation digits by strength, from no noise on."""
    figure, axes = plots.panels(4, 2, width=2.6, height=2.2, sharey=True)
    for axis, (name, these) in zip(axes.ravel(), found.items(), strict=False):
        axis.plot([0, *these.strengths], [base, *these.accuracies[:, 1]], "o-", markersize=4)
        axis.axhline(base, color=plots.GREY, linewidth=1, linestyle=":")
        axis.set(title=name[0].upper() + name[1:], xlabel=KINDS[name][1])
    for axis in axes[:, 0]:
        axis.set_ylabel("validation accuracy (%)", fontsize=8.5)
    axes[-1, -1].remove()
    return figure


def draw_ridge(deviations: np.ndarray, ridge: np.ndarray, noisy: np.ndarray) -> Figure:
    """Weights of a linear model by the deviation of input noise: ridge as lines, fits to noisy inputs as dots."""
    figure, axis = plots.panels(width=5.6)
    for number, (line, dots) in enumerate(zip(ridge.T, noisy.T, strict=True)):
        colour = plots.CYCLE[number % len(plots.CYCLE)]
        axis.plot(deviations, line, color=colour, linewidth=1.4)
        axis.plot(deviations, dots, "o", color=colour, markersize=4)
    axis.set(title="Input noise on a linear model is ridge", xlabel="σ of the noise", ylabel="weight of a column")
    return figure


def lesson(run: Run) -> None:
    few = few_digits(run, run.seed)
    with run.method("no noise", kind="from scratch") as method:
        base = method.time(train_on_few, run, few, run.seed)
        few.score(method, base)
    found = {}
    for kind, (strengths, _, change) in KINDS.items():
        with run.method(kind, kind="from scratch") as method:
            found[kind] = method.time(sweep_strengths, run, few, strengths, change)
            few.score(method, found[kind].networks[found[kind].most_right])
        run.compare(kind, "no noise")
    moves = Moves(*(found[kind].strengths[found[kind].most_right] for kind in ("shifts", "rotations")))
    with run.method("shifts and rotations", kind="from scratch") as method:
        few.score(method, method.time(train_on_few, run, few, run.seed, {"augment": moves}))
    run.compare("shifts and rotations", "no noise")
    copies = np.concatenate([few.x, *(moves(few.x, run.rng) for _ in range(COPIES))])
    for name, rows in (("RBF-SVM", few.x), ("RBF-SVM, moved copies", copies)):
        with run.method(name, kind="classical") as method:
            model = method.model = SVC(C=10)
            method.time(model.fit, rows, np.resize(few.train.labels, len(rows)))  # the same labels again
            method.score(few.test, predict=lambda images, model=model: model.predict(few.pixels(images)))
    run.compare("shifts and rotations", "RBF-SVM")
    run.compare("shifts and rotations", "RBF-SVM, moved copies")
    run.floor("shifts and rotations", "accuracy", at_least=93.6)

    patients = data.diabetes(seed=run.seed).train
    x, y = (values - values.mean(axis=0) for values in (patients.features, patients.targets))
    x /= x.std(axis=0)
    deviations = np.linspace(0, 1, run.pick(smoke=2, lecture=9))
    ridge = np.array([Ridge(len(x) * std**2, fit_intercept=False).fit(x, y).coef_ for std in deviations])
    noisy = np.array([noisy_least_squares(x, y, std, run.rng) for std in deviations])
    off = 100 * np.abs(noisy - ridge).max() / np.abs(ridge).max()
    run.fact("largest difference between the weights with input noise and ridge's, of the largest", off, "%")
    run.figure(
        "kinds",
        draw_kinds,
        few,
        base,
        run.rng,
        caption="Two draws of each kind of noise that can be seen. Writers shift and rotate their digits; cameras make "
        "noisy pixels.",
    )
    run.figure(
        "strength",
        draw_strengths,
        found,
        float(few.accuracies(base)[1]),
        caption="Accuracy on validation digits by strength, for one seed; dotted: no noise. Between seeds accuracies "
        "differ by half a point.",
    )
    run.figure(
        "ridge",
        draw_ridge,
        deviations,
        ridge,
        noisy,
        caption=f"Diabetes patients. Dots: least squares on {COPIES_LINEAR} noisy copies of each. Lines: ridge with "
        "λ = nσ², and no noise.",
    )
    right = {name: 100 * np.mean(method.predictions == few.test.labels) for name, method in run.methods.items()}
    run.note(
        f"Test accuracy without and with moved digits: network {right['no noise']:.1f} and "
        f"{right['shifts and rotations']:.1f} %, RBF-SVM {right['RBF-SVM']:.1f} and "
        f"{right['RBF-SVM, moved copies']:.1f} %."
    )
    run.claim(
        "Moved digits help the network. They carry knowledge about digits that any method can use.",
        beats("shifts and rotations", "no noise"),
    )

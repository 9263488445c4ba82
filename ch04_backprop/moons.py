"""A hundred points in two half moons, two hidden layers of 16, a hundred steps: a first network for a new engine.

Question   Is the engine of autograd.py sufficient to train a network?
Method     A multilayer perceptron written with Tensor and nothing else: ReLU, the hinge loss max(0, 1 − y f(x)) plus a
           penalty, full-batch gradient descent with a falling learning rate: the demo of micrograd (Karpathy 2020).
Rival      An RBF-SVM, which minimises the same loss over another family of functions; logistic regression.
Differs    micrograd's engine has a Python object for every number; here it has one per array, so that
           numpy does the arithmetic. Scored on 1000 fresh points, which the demo does not do.
Costs      0.4 s on two cores.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.datasets import make_moons

from ch04_backprop.autograd import Tensor
from ch04_backprop.optimisers import SGD
from common import plots
from common.answers import check_labels
from common.claims import beats
from common.data import Table
from common.run import Run
from common.tuning import tuned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS, FRESH, NOISE = 100, 1000, 0.1
SIZES = (2, 16, 16, 1)
STEPS, PENALTY = 100, 1e-4


def moons(n: int, seed: int) -> Table:
    """n points of two interleaved half circles with Gaussian noise; the label is the circle's index."""
    x, y = make_moons(n, noise=NOISE, random_state=seed)
    return Table(x, y.astype(np.int64), ("x₁", "x₂"))


class MultilayerPerceptron:
    """Layers of ReLU units and a linear output, all in Tensors."""

    def __init__(self, rng: np.random.Generator) -> None:
        def weights(inputs: int, outputs: int) -> Tensor:
            return Tensor(rng.normal(size=(inputs, outputs)) * np.sqrt(2 / inputs), requires_grad=True)

        self.layers = [(weights(*s), Tensor(np.zeros(s[1]), requires_grad=True)) for s in pairwise(SIZES)]

    def parameters(self) -> list[Tensor]:
        return [tensor for layer in self.layers for tensor in layer]

    def __call__(self, x: Float[np.ndarray, "n 2"]) -> Tensor:
        """The score of class 1 against class 0, (n,)."""
        h = Tensor(x)
        for W, b in self.layers[:-1]:
            h = (h @ W + b).relu()
        W, b = self.layers[-1]
        return (h @ W + b)[:, 0]

    def predict(self, x: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, "n"]:
        return (self(x) > 0).astype(np.int64)

    def fit(self, x: Float[np.ndarray, "n 2"], labels: Shaped[np.ndarray, "..."]) -> MultilayerPerceptron:
        """Take STEPS steps of gradient descent on the hinge loss over all points. Sets losses_.

        Raises ValueError unless labels are a 0 or a 1 for each point.
        """
        labels = check_labels(labels, x.shape, 2, ("labels", "x"))
        sign, optimiser, self.losses_ = 2.0 * labels - 1, SGD(self.parameters(), 1.0), []
        for step in range(STEPS):
            hinge = (1 - self(x) * sign).relu().mean()
            loss = hinge + PENALTY * sum((p * p).sum() for p in self.parameters())
            optimiser.zero_grad()
            loss.backward()
            optimiser.learning_rate = 1 - 0.9 * step / STEPS
            optimiser.step()
            self.losses_.append(loss.item())
        return self


def draw_regions(models: dict[str, object], part: Table) -> Figure:
    """The class that each model predicts at every place, below its training points."""
    figure, axes = plots.panels(len(models), width=3.6, height=3.0, sharex=True, sharey=True)
    grid = np.meshgrid(np.linspace(-1.6, 2.6, 160), np.linspace(-1.1, 1.6, 120))
    places = np.column_stack([g.ravel() for g in grid])
    for axis, (name, model) in zip(axes, models.items(), strict=True):
        draw_region(axis, grid, np.reshape(model.predict(places), grid[0].shape), part)
        axis.set(title=name, xlabel="x₁")
    axes[0].set_ylabel("x₂")
    return figure


def draw_region(axis: Axes, grid: tuple, predicted: Int[np.ndarray, "h w"], part: Table) -> None:
    """Draw one panel of draw_regions."""
    axis.contourf(*grid, predicted, levels=[-0.5, 0.5, 1.5], colors=[plots.ORANGE, plots.BLUE], alpha=0.18)
    axis.contour(*grid, predicted, levels=[0.5], colors=plots.INK, linewidths=1)
    for label, colour in ((0, plots.ORANGE), (1, plots.BLUE)):
        axis.plot(*part.features[part.targets == label].T, "o", color=colour, markersize=3.5)
    axis.grid(visible=False)


def lesson(run: Run) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    train, test = moons(POINTS, run.seed), moons(FRESH, 10_000 + run.seed)
    with run.method("network, our autograd", kind="from scratch") as method:
        network = method.fit(MultilayerPerceptron(run.rng), train)
        method.score(test)
    with run.method("RBF-SVM", kind="classical") as method:
        grid = {"C": [1.0, 10.0, 100.0], "gamma": [0.5, 1.0, 2.0, 4.0]}
        method.fit(tuned(SVC(), grid, run, scoring="accuracy"), train)
        method.score(test)
    with run.method("logistic regression", kind="classical") as method:
        method.fit(LogisticRegression(), train)
        method.score(test)
    for name in ("RBF-SVM", "logistic regression"):
        run.compare("network, our autograd", name)
    run.floor("network, our autograd", "accuracy", at_least=96.8)
    right = network.predict(train.features) == train.targets
    run.fact("training accuracy", 100 * np.mean(right), "%")
    run.fact(f"loss after {STEPS} steps, as a share of the first", network.losses_[-1] / network.losses_[0])
    run.figure(
        "regions",
        draw_regions,
        {name: method.model for name, method in run.methods.items()},
        train,
        caption=f"The class that each model predicts at every place, and its {POINTS} training points. ReLU units make "
        "a boundary of straight pieces, the RBF kernel a smooth one, logistic regression one straight line.",
    )
    run.note(
        f"{STEPS} steps of {sum(p.data.size for p in network.parameters())} weights took "
        f"{run.methods['network, our autograd'].fit_seconds:.2f} s."
    )
    run.claim(
        "The boundary between the moons is bent: the network classifies more test points correctly than "
        "logistic regression, which can only draw a straight line.",
        beats("network, our autograd", "logistic regression"),
    )

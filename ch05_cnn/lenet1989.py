"""Nine thousand weights, sixty-four thousand connections: the network that read zip codes in 1989.

Question   Can a network learn to read digits from nearly raw pixels, if its connections are built for images?
Method     LeCun et al. 1989, "Backpropagation Applied to Handwritten Zip Code Recognition", Neural Computation 1,
           541-551: the network of zip_code_network.py, squared error, 23 passes, a step of gradient descent a digit,
           in an order that stays. As many digits as there: 7291 to learn from, 2007 to be judged on. Paper: 5.00 %.
Rival      A dense network with as many weights, trained in batches; nearest neighbours and an RBF-SVM. All see the same
           16×16 pixels.
Differs    The digits are MNIST's; the post office's were harder. One learning rate for all weights, where the paper
           has one for each, of the error's curvature. To which maps H2 is connected: see zip_code_network.py.
Costs      18 s on two cores, two thirds of it the 23 passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32, Shaped
from sklearn.decomposition import PCA
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from torch import nn

from ch05_cnn import modern_recipes
from ch05_cnn.digit_by_digit import taught
from ch05_cnn.modern_recipes import Recipe
from ch05_cnn.sixteen_pixels import SIDE, box_reduced, reduced
from ch05_cnn.zip_code_network import (
    CLASSES,
    PAPER,
    LeNet1989,
    ScaledTanh,
    Size,
    read,
    seeded,
    size,
    start,
)
from common import data, plots
from common.answers import check_labels, check_same_shape
from common.data import Dataset
from common.image_classifier import outputs
from common.run import Run
from common.tuning import choose, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PASSES, TRIAL = 23, 3
DENSE = 36  # hidden units of a dense network with as many weights
ERROR_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
PAPER_TEST, PAPER_TRAIN, PAPER_REJECTED = 5.00, 0.14, 12.1  # % of the digits
REDUCTIONS: dict[str, Callable] = {"whole image": reduced, "box of the ink": box_reduced}

Small = Float32[np.ndarray, "n 16 16"]
Labels = Shaped[np.ndarray, "..."]


def errors(network: nn.Module, images: Small, labels: Labels) -> float:
    """The share of digits read wrongly, in %."""
    said = read(network, images)
    check_same_shape(said=said, labels=labels)
    return float(100 * np.mean(said != labels))


def reduction_errors(digits: Dataset, seed: int, passes: int) -> dict[str, float]:
    """The share of validation digits that LeNet reads wrongly after a few passes, in %, for each way to make 16×16."""
    train, validation = digits.split(0.2, seed)
    return {
        name: errors(
            taught(reduce(train.images), train.labels, seed, passes), reduce(validation.images), validation.labels
        )
        for name, reduce in REDUCTIONS.items()
    }


def dense(recipe: Recipe) -> nn.Module:
    """256–36–10, with the units and the start of LeNet, and nearly its number of weights: 9622."""
    hidden, output = nn.Linear(SIDE**2, DENSE), nn.Linear(DENSE, CLASSES)
    for layer in (hidden, output):
        start(layer)
    return nn.Sequential(nn.Flatten(), hidden, ScaledTanh(), output, ScaledTanh())


def rivals(run: Run, reduce: Callable) -> dict[str, Pipeline]:
    """Classical methods on rows of 256 pixels; their settings are chosen on training digits held out."""
    split = ShuffleSplit(1, test_size=0.2, random_state=run.seed)
    machine = make_pipeline(PCA(40, random_state=0), SVC(C=10))
    choices = {
        "nearest neighbours": (KNeighborsClassifier(), {"n_neighbors": [1, 3, 5]}),
        "RBF-SVM": (machine, {"svc__gamma": [0.01, 0.02, 0.04]}),
    }
    rows = FunctionTransformer(lambda images: reduce(images).reshape(len(images), -1))
    return {name: make_pipeline(rows, tuned(*how, run, scoring="accuracy", cv=split)) for name, how in choices.items()}


def rejected(network: nn.Module, images: Small, labels: Labels, error: float = 0.01) -> float:
    """How many digits must be left unread, in %, for this share of errors among the others.

    Left unread are those whose two largest outputs are nearest to each other.
    """
    check_labels(labels, images.shape, CLASSES, ("labels", "images"))
    o = outputs(network, torch.from_numpy(images[:, None])).numpy()
    second, first = np.sort(o, axis=1)[:, -2:].T
    surest_first = np.argsort(second - first, kind="stable")
    wrong = np.cumsum((o.argmax(axis=1) != labels)[surest_first])
    enough = np.flatnonzero(wrong <= error * np.arange(1, len(labels) + 1))
    return float(100 * (1 - (enough.max(initial=-1) + 1) / len(labels)))


def draw_passes(curves: Float[np.ndarray, "passes 2"]) -> Figure:
    """Errors on the training and on the test digits after every pass, and where the paper ended."""
    figure, axis = plots.panels(width=6.4, height=3.6)
    rows = (("training", PAPER_TRAIN, plots.BLUE), ("test", PAPER_TEST, plots.ORANGE))
    for (name, paper, colour), values in zip(rows, curves.T, strict=True):
        last = len(values)
        axis.semilogy(range(1, last + 1), np.maximum(values, 0.01), "o-", markersize=4, color=colour)
        axis.annotate(
            f"{name} digits", (last, values[-1]), (6, 0), textcoords="offset points", color=colour, va="center"
        )
        axis.axhline(paper, color=colour, linestyle="--", linewidth=1)
        above = {"xytext": (0, 3), "textcoords": "offset points", "color": colour, "ha": "right"}
        axis.annotate(f"paper, {name}: {paper:.2f} %", (1.25 * last, paper), **above)
    axis.set_xticks([1, 5, 10, 15, 20, PASSES])
    axis.set_yticks(ERROR_TICKS, [f"{tick:g}" for tick in ERROR_TICKS])
    axis.set(title="LeNet 1989, digit by digit", xlabel="pass", ylabel="digits read wrongly (%)")
    axis.set_xlim(0, 1.25 * last)
    return figure


def strip(tiles: Float[np.ndarray, "n side side"]) -> Float[np.ndarray, "height width"]:
    """The tiles side by side, each with a gap of two pixels behind it."""
    return np.hstack(np.pad(tiles, ((0, 0), (0, 0), (0, 2)), constant_values=np.nan))


def draw_digits(images: Small, said: Labels, labels: Labels, columns: int = 12) -> Figure:
    """First row: digits read correctly. Below: mistakes, with the predicted and the true class."""
    right, wrong = np.flatnonzero(said == labels)[:columns], np.flatnonzero(said != labels)[: 2 * columns]
    figure, axes = plots.panels(1, 3, width=9.0, height=0.95)
    for axis, items in zip(axes, (right, wrong[:columns], wrong[columns:]), strict=True):
        blank = np.full((columns - len(items), SIDE, SIDE), np.nan)
        axis.imshow(-strip(np.concatenate([images[items], blank])), vmin=-1, vmax=1)
        axis.axis("off")
        for place, item in enumerate(items):
            mistaken = said[item] != labels[item]
            title = f"{said[item]}, is {labels[item]}" if mistaken else f"{said[item]}"
            colour = plots.RED if mistaken else plots.GREEN
            axis.text((SIDE + 2) * place + SIDE / 2, -1.5, title, fontsize=9, ha="center", color=colour)
    return figure


def draw_weights(network: LeNet1989) -> Figure:
    """The weights of H1, a kernel a map, and below each the biases of its units. Blue is positive, red negative."""
    figure, axes = plots.panels(1, 2, width=9.0, height=0.9)
    for axis, layer in zip(axes, (network.H1.weight[:, 0], network.H1.bias), strict=True):
        maps = layer.detach().numpy()
        axis.imshow(strip(maps), cmap="RdBu", vmin=-np.abs(maps).max(), vmax=np.abs(maps).max())
        axis.axis("off")
    axes[0].set_title("5×5 weights, shared in a map", fontsize=9)
    axes[1].set_title("8×8 biases, one a unit", fontsize=9)
    return figure


def lesson(run: Run) -> None:
    digits, passes = data.mnist(run.scale), run.pick(smoke=2, lecture=PASSES)
    trial = run.pick(smoke=1, lecture=TRIAL)
    tried = reduction_errors(digits, run.seed, trial)
    reduce = REDUCTIONS[choose(list(tried), list(tried.values()))]
    for name, error in tried.items():
        run.fact(f"validation error after {trial} passes, {name} as 16×16", error, "%")
    train, test = digits.train, digits.test
    x, x_test, curves = reduce(train.images), reduce(test.images), []

    reading: list[float] = []

    def each_pass(network: LeNet1989) -> None:
        """For the picture, as the paper has it; nothing is chosen by it."""
        begun = time.perf_counter()
        curves.append((errors(network, x, train.labels), errors(network, x_test, test.labels)))
        reading.append(time.perf_counter() - begun)

    with run.method("LeNet 1989", kind="deep") as method:
        network = method.model = method.time(taught, x, train.labels, run.seed, passes, each_pass)
        method.fit_seconds -= sum(reading)  # the passes count, the curves of the picture do not
        said = method.score(test, predict=lambda images: read(network, reduce(images)))
    recipe = Recipe(epochs=passes)
    with run.method("dense network", kind="deep") as method:
        other = method.model = method.time(modern_recipes.taught, recipe, x, train.labels, run.seed, build=dense)
        method.score(test, predict=lambda images: read(other, reduce(images)))
    for name, rival in rivals(run, reduce).items():
        with run.method(name, kind="classical") as method:
            method.fit(rival, train)
            method.score(test)
    for name in ("dense network", "nearest neighbours", "RBF-SVM"):
        run.compare("LeNet 1989", name)
    run.floor("LeNet 1989", "accuracy", at_least=95.8)

    sizes = {name: size(getattr(network, name)) for name in PAPER}
    assert sizes == PAPER, "not the network of the paper"
    whole = Size(*map(sum, zip(*sizes.values(), strict=True)))
    shared = sizes["H1"].connections + sizes["H2"].connections - sizes["H1"].units - sizes["H2"].units
    run.fact("units, with those of the input", whole.units + SIDE**2)
    run.fact("connections", whole.connections)
    run.fact("free parameters", whole.free)
    run.fact("connections that share their weight", 100 * shared / whole.connections, "%")
    run.fact("training digits read wrongly", curves[-1][0], "%")
    biases = [of.H1.bias.detach().numpy().ravel() for of in (seeded(LeNet1989, run.seed), network)]
    stayed = run.fact("correlation of the biases of H1 with their random start", float(np.corrcoef(biases)[0, 1]))
    left = run.fact("digits to leave unread for 1 % errors", rejected(network, x_test, test.labels), "%")
    run.figure(
        "passes",
        draw_passes,
        np.array(curves),
        caption="Digits read wrongly after every pass. Dashed: the paper's after 23 passes, on other, harder digits.",
    )
    run.figure(
        "digits",
        draw_digits,
        x_test,
        said,
        test.labels,
        caption="Test digits at 16×16 pixels. Above: read correctly. Below: mistakes, predicted and true class.",
    )
    run.figure(
        "weights",
        draw_weights,
        network,
        caption="The first layer after training. Above: the weights of its twelve maps. Below: the biases, one per "
        "unit, which are not shared. Blue: positive, red: negative.",
    )
    run.note(
        f"{whole.connections} connections, {whole.free} free parameters, as the paper counts: "
        f"{100 * shared / whole.connections:.0f} % of the connections share their weight. The biases of H1, which are "
        f"not shared, correlate by {stayed:.2f} with their random start."
    )
    run.note(
        f"Test error {curves[-1][1]:.2f} % (paper: {PAPER_TEST:.2f} %), training error {curves[-1][0]:.2f} % (paper: "
        f"{PAPER_TRAIN:.2f} %). If the {left:.1f} % of the digits with the smallest margin are rejected, 1 % of the "
        f"others is read wrongly (paper: {PAPER_REJECTED} %)."
    )

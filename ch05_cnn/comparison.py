"""Hand-crafted against learned: the same images, the same split, three sets that grow in difficulty.

Question   Has the convolutional network made SIFT, HOG and their SVMs redundant? Where, and at what cost?
Method     LeNet-5 (LeCun et al. 1998) and a small modern network (networks.py), trained as recipes.py says. All
           learn from the same images; and from 100 and 1000 of them, so that it shows where the learned ones overtake.
Rival      Pixels with k nearest neighbours and with an RBF-SVM; HOG, SIFT words and Fisher vectors with an RBF-SVM
           (pipelines.py), their settings chosen on images held out of the training packs.
Differs    The lecture says that hand-crafted features are redundant since 2012. That was with 1.2 million images.
Costs      150 s on two cores, half of it for the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ch05_cnn import pipelines
from ch05_cnn.recipes import RECIPES, as_rows, lenet5, modern
from common import plots
from common.data import Dataset
from common.results import Interval
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (100, 1000)  # of the parts of the training images, beside all of them
BEST, MODERN = "Fisher vectors + SVM", "small modern network"
FLOORS = {
    "mnist": {"HOG + SVM": 97.6, "SIFT words + SVM": 98.6, MODERN: 99.0},
    "fashion_mnist": {"HOG + SVM": 90.5},
    "cifar10": {BEST: 63.0, MODERN: 68.0},
}
CURVED = (BEST, MODERN)  # the best of either kind learn from the parts, too


@dataclass(frozen=True)
class Contender:
    """One way to tell classes apart. build: makes the model from the run, the set's key and the number of images."""

    kind: str
    colour: str
    build: Callable[[Run, str, int], Any]


def pixels_knn(run: Run, key: str, n: int) -> Any:
    """The nearest image of all, by pixels."""
    return make_pipeline(FunctionTransformer(as_rows), KNeighborsClassifier(3 if n > 500 else 1))


def pixels_svm(run: Run, key: str, n: int) -> Any:
    """An RBF-SVM on the principal components of the pixels."""
    return make_pipeline(FunctionTransformer(as_rows), pipelines.KernelMachine(60, random_state=run.seed))


def hand_crafted(pipeline: Callable[[str, int], Any], run: Run, key: str, n: int) -> Any:
    return pipeline(key, run.seed)


def learned(network: Callable, run: Run, key: str, n: int) -> Any:
    return network(run, key, n)


CONTENDERS = {
    "pixels + k-NN": Contender("classical", plots.GREY, pixels_knn),
    "pixels + RBF-SVM": Contender("classical", plots.PURPLE, pixels_svm),
    "HOG + SVM": Contender("classical", plots.GREEN, partial(hand_crafted, pipelines.hog_svm)),
    "SIFT words + SVM": Contender("classical", plots.SKY, partial(hand_crafted, pipelines.sift_words_svm)),
    BEST: Contender("classical", plots.BLUE, partial(hand_crafted, pipelines.best_hand_crafted)),
    "LeNet-5": Contender("deep", plots.ORANGE, lenet5),
    MODERN: Contender("deep", plots.RED, modern),
}


def draw_accuracies(table: dict[str, dict[str, Interval]]) -> Figure:
    """A panel a set: every method's accuracy on the test images, with its interval."""
    figure, axes = plots.panels(len(table), width=3.6, height=3.0, sharey=True, squeeze=False)
    for axis, (name, accuracies) in zip(axes[0], table.items(), strict=True):
        for row, (method, accuracy) in enumerate(accuracies.items()):
            colour = CONTENDERS[method].colour
            axis.plot([accuracy.low, accuracy.high], [row, row], color=colour)
            axis.plot(accuracy.value, row, "o", color=colour, markersize=6)
        axis.set_yticks(range(len(accuracies)), accuracies)
        axis.set(title=name, xlabel="accuracy on test images (%)")
        axis.grid(visible=False, axis="y")
    axes[0, 0].invert_yaxis()
    return figure


def draw_curves(curves: dict[str, dict[str, list[float]]], sizes: dict[str, list[int]]) -> Figure:
    """A panel a set: the error by the number of training images."""
    figure, axes = plots.panels(len(curves), width=3.7, height=3.3, squeeze=False)
    for axis, (name, errors) in zip(axes[0], curves.items(), strict=True):
        for method, values in errors.items():
            contender = CONTENDERS[method]
            line = "o-" if contender.kind == "deep" else "o--"
            axis.plot(sizes[name], values, line, color=contender.colour, markersize=4, linewidth=1.6, label=method)
        axis.set(title=name, xlabel="training images", xscale="log", yscale="log")
        axis.set_xticks(sizes[name], [f"{n:,}" for n in sizes[name]], fontsize=8)
        axis.tick_params(which="minor", labelleft=False, left=False, bottom=False, labelbottom=False)
        low, high = min(map(min, errors.values())), max(map(max, errors.values()))
        marks = [mark for mark in (0.5, 1, 2, 5, 10, 20, 40, 80) if low * 0.8 < mark < high * 1.2]
        axis.set_yticks(marks, [f"{mark:g}" for mark in marks])
    axes[0, 0].set_ylabel("error on test images (%)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def overtaken_at(sizes: Sequence[int], rival: Sequence[float], learned: Sequence[float]) -> float | None:
    """The number of training images from which on the learned error is the lower one; None where it never is.

    Between two sizes that were measured, errors are taken as straight lines over the logarithm of the size.
    """
    ahead = np.asarray(rival) - np.asarray(learned)
    if ahead[-1] <= 0:
        return None
    behind = np.flatnonzero(ahead <= 0)
    if not len(behind):
        return float(sizes[0])
    last, x = behind[-1], np.log(sizes)
    share = -ahead[last] / (ahead[last + 1] - ahead[last])
    return float(np.exp(x[last] + share * (x[last + 1] - x[last])))


def learning_curves(run: Run, key: str, images: Dataset, sizes: list[int]) -> dict[str, list[float]]:
    """Every contender's test error by the number of training images. All of them is what goes on the scoreboard.

    With fewer images only those learn that are in the race there (CURVED).
    """
    name, curves = RECIPES[key].name, {}
    for contender, how in CONTENDERS.items():
        errors = []
        for n in sizes if contender in CURVED else sizes[-1:]:
            part = images.train.take(slice(0, n))
            label = f"{name}: {contender}" + (f", {n} images" if n < sizes[-1] else "")
            with run.method(label, kind=how.kind) as method:
                model = method.fit_shared(f"{contender}, {key}, {n} images", partial(how.build, run, key, n), part)
                said = method.score(images.test) if n == sizes[-1] else model.predict(images.test.images)
                errors.append(100 * float(np.mean(said != images.test.labels)))
            if n < sizes[-1]:
                run.fact(f"{name}, {n} images: error of {contender}", errors[-1], "%")
        if contender in CURVED:
            curves[contender] = errors
    return curves


def lesson(run: Run) -> None:
    table, curves, all_sizes = {}, {}, {}
    for key in run.pick(smoke=["mnist"], lecture=list(RECIPES)):
        recipe = RECIPES[key]
        images = recipe.load(run.scale)
        sizes = [*run.pick(smoke=(100,), lecture=SIZES), run.pick(smoke=300, lecture=len(images.train))]
        curves[recipe.name], all_sizes[recipe.name] = learning_curves(run, key, images, sizes), sizes
        rows = {row.method: row for row in run.record.rows if row.seeds == (run.seed,)}
        table[recipe.name] = {
            method: Interval(row.value, row.low, row.high)
            for method in CONTENDERS
            for row in [rows[f"{recipe.name}: {method}"]]
        }
        for deep, rival in [(MODERN, BEST), (MODERN, "HOG + SVM"), ("LeNet-5", BEST)]:
            run.compare(f"{recipe.name}: {deep}", f"{recipe.name}: {rival}")
        for contender, accuracy in FLOORS[key].items():
            run.floor(f"{recipe.name}: {contender}", "accuracy", at_least=accuracy)
        errors = curves[recipe.name]
        where = overtaken_at(sizes, errors[BEST], errors[MODERN])
        if where is None:
            run.note(f"{recipe.name}: with {sizes[-1]} images the modern network has not overtaken {BEST}.")
        else:
            run.fact(f"{recipe.name}: the modern network overtakes {BEST} at", where, "training images")
    run.figure(
        "accuracies", draw_accuracies, table, caption="All training images of each pack. Bars: 95 % of the test set."
    )
    run.figure(
        "curves",
        draw_curves,
        curves,
        all_sizes,
        caption="Test error with 100 images, with 1000, and with all. Solid: learned features; dashed: hand-crafted.",
    )

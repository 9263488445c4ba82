"""Hand-crafted against learned: the same images, the same split, three sets that grow in difficulty.

Question   Has the convolutional network made SIFT, HOG and their SVMs redundant? Where, and at what cost?
Method     LeNet-5 (LeCun et al. 1998) and a small modern network (models/networks.py), trained as in models/recipes.py.
           All are trained on the same images; and on 100 and 1000 of them, to show where learned features overtake.
Rival      Pixels with k nearest neighbours and with an RBF-SVM; HOG, SIFT words and Fisher vectors with an RBF-SVM
           (common/features/pipelines.py), their settings chosen on images held out of the training packs.
Differs    The lecture calls hand-crafted features redundant. In 2012 the networks had 1.2 million training images.
Costs      140 s on two cores, half of it for the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ch05_cnn.drawings.comparison import draw_accuracies, draw_errors
from ch05_cnn.models.recipes import RECIPES, as_rows, lenet5, modern
from common import plots
from common.claims import beats, level
from common.data import Dataset
from common.features import pipelines
from common.run import Run

SIZES = (100, 1000)  # of subsets of the training images, in addition to all of them
BEST, MODERN = "Fisher vectors + SVM", "small modern network"
FLOORS = {
    "mnist": {"HOG + SVM": 98.1, "SIFT words + SVM": 98.4, MODERN: 99.0},
    "fashion_mnist": {"HOG + SVM": 89.4},
    "cifar10": {BEST: 62.0, MODERN: 67.5},
}
CURVED = (BEST, MODERN)  # the best of each kind are trained on the subsets, too


@dataclass(frozen=True)
class Contender:
    """A method of classification. build: makes the model from the run, the set's key and the number of images."""

    kind: str
    colour: str
    build: Callable[[Run, str, int], Any]


def build_pixels_knn(run: Run, key: str, n: int) -> Any:
    """A nearest neighbour classifier on pixels."""
    return make_pipeline(FunctionTransformer(as_rows), KNeighborsClassifier(3 if n > 500 else 1))


def build_pixels_svm(run: Run, key: str, n: int) -> Any:
    """An RBF-SVM on the principal components of the pixels."""
    return make_pipeline(FunctionTransformer(as_rows), pipelines.KernelMachine(60, random_state=run.seed))


def build_hand_crafted(pipeline: Callable[[str, int], Any], run: Run, key: str, n: int) -> Any:
    return pipeline(key, run.seed)


CONTENDERS = {
    "pixels + k-NN": Contender("classical", plots.GREY, build_pixels_knn),
    "pixels + RBF-SVM": Contender("classical", plots.PURPLE, build_pixels_svm),
    "HOG + SVM": Contender("classical", plots.GREEN, partial(build_hand_crafted, pipelines.hog_svm)),
    "SIFT words + SVM": Contender("classical", plots.SKY, partial(build_hand_crafted, pipelines.sift_words_svm)),
    BEST: Contender("classical", plots.BLUE, partial(build_hand_crafted, pipelines.best_hand_crafted)),
    "LeNet-5": Contender("deep", plots.ORANGE, lenet5),
    MODERN: Contender("deep", plots.RED, modern),
}


def overtaken_at(sizes: Sequence[int], rival: Sequence[float], learned: Sequence[float]) -> float | None:
    """The number of training images from which on the learned error is lower; None if it never is.

    Between two measured sizes, errors are interpolated linearly over the logarithm of the size.
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
    """Every contender's test error by the number of training images. The result for all images goes on the scoreboard.

    With fewer images, only the contenders in CURVED are trained.
    """
    name, curves = RECIPES[key].name, {}
    for contender, how in CONTENDERS.items():
        errors = []
        for n in sizes if contender in CURVED else sizes[-1:]:
            part = images.train.take(slice(0, n))
            label = f"{name}: {contender}" + (f", {n} images" if n < sizes[-1] else "")
            with run.method(label, kind=how.kind) as method:
                model = method.fit_shared(f"{contender}, {key}, {n} images", partial(how.build, run, key, n), part)
                predicted = method.score(images.test) if n == sizes[-1] else model.predict(images.test.images)
                errors.append(100 * float(np.mean(predicted != images.test.labels)))
            if n < sizes[-1]:
                run.fact(f"{name}, {n} images: error of {contender}", errors[-1], "%")
        if contender in CURVED:
            curves[contender] = errors
    return curves


def lesson(run: Run) -> None:
    all_sizes = {}
    for key in run.pick(smoke=["mnist"], lecture=list(RECIPES)):
        recipe = RECIPES[key]
        images = recipe.load(run.scale)
        sizes = [*run.pick(smoke=(100,), lecture=SIZES), run.pick(smoke=300, lecture=len(images.train))]
        errors, all_sizes[recipe.name] = learning_curves(run, key, images, sizes), sizes
        for deep, rival in [(MODERN, BEST), (MODERN, "HOG + SVM"), ("LeNet-5", BEST)]:
            run.compare(f"{recipe.name}: {deep}", f"{recipe.name}: {rival}")
        for contender, accuracy in FLOORS[key].items():
            run.floor(f"{recipe.name}: {contender}", "accuracy", at_least=accuracy)
        where = overtaken_at(sizes, errors[BEST], errors[MODERN])
        if where is None:
            run.note(f"{recipe.name}: with {sizes[-1]} images the modern network has not overtaken {BEST}.")
        else:
            run.fact(f"{recipe.name}: the modern network overtakes {BEST} at", where, "training images")
    run.figure_over_seeds(
        "accuracies",
        draw_accuracies,
        list(all_sizes),
        {name: contender.colour for name, contender in CONTENDERS.items()},
        caption="Accuracy with all training images of each pack: means with their 95 % intervals.",
    )
    run.figure_over_seeds(
        "curves",
        draw_errors,
        all_sizes,
        {name: CONTENDERS[name].colour for name in CURVED},
        caption="Test error by the number of training images: means with their 95 % intervals over seeds. Solid: "
        "learned features; dashed: hand-crafted. Both axes are logarithmic.",
    )
    for name in all_sizes:
        rival = f"{name}: {BEST}"
        run.claim(f"{name}: the modern network beats {BEST}.", beats(f"{name}: {MODERN}", rival))
        run.claim(f"{name}: the two are not significantly different.", level(f"{name}: {MODERN}", rival))
        run.claim(f"{name}: {BEST} beat LeNet-5.", beats(rival, f"{name}: LeNet-5"))

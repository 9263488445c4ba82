"""Transfer learning: what a network has learned from a million photos helps with fifty tiny ones.

Question   With few images of one's own: reuse a trained network's features, tune them, or learn from scratch?
Method     MobileNetV2 (Sandler et al. 2018) was trained on ImageNet; here its input is CIFAR-10, enlarged. Frozen: its
           1280 features and logistic regression (Donahue et al. 2014, DeCAF). Last blocks: those after the first 14 are
           tuned (Yosinski et al. 2014). All: every weight is tuned.
Rival      SIFT words with an RBF-SVM, and the small modern network from random weights, on the unchanged images.
Differs    96 pixels, not ImageNet's 224, at which an image costs five times as much; 64 to tune every weight.
Costs      90 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torchvision import models

from ch05_cnn.drawings.transfer import draw_curves
from ch05_cnn.models.mobilenet import (
    CUT,
    FEATURES,
    SMALLER,
    Both,
    Tail,
    classify,
    compute_activations,
    enlarge,
    enlarge_and_mirror,
    pick_either,
)
from ch05_cnn.models.recipes import RECIPES, modern
from common import plots
from common.claims import beats
from common.data import Images, weights
from common.features import pipelines
from common.image_classifier import ImageClassifier, LabelledImages, outputs
from common.run import Run
from common.train import Training

SIFT = "SIFT words + SVM"
PENALTY = 15.0  # logistic regression's C, times the number of images: the total weight of the images
EPOCHS = 3  # of 5000 images, for whatever is tuned
Predict = Callable[..., Int[np.ndarray, "n"]]


def fine_tune(network: nn.Module, data: LabelledImages, run: Run, epochs: int) -> nn.Module:
    """Tune the network for this number of epochs with one cycle."""
    optimiser, loss = partial(torch.optim.AdamW, weight_decay=0.05), nn.CrossEntropyLoss(label_smoothing=0.1)
    batch = min(64, max(8, len(data) // 8))
    half = None if run.device.type == "cuda" else False  # a CPU gains nothing from 16 bits in such thin layers
    training = Training(epochs, 0.003, batch, optimiser, loss=loss, half=half, device=run.device, say=run.say_step)
    training(network, data, run.seed)
    return network


def epochs_of(n: int) -> int:
    """The number of epochs: fewer images are seen more often, but in fewer steps in total."""
    return max(1, min(30, round(EPOCHS * (5000 / n) ** 0.5)))


# Two methods without transfer: they make a model that is trained on the unchanged images.


def build_sift_words(run: Run, n: int) -> Pipeline:
    return pipelines.sift_words_svm("cifar10", run.seed)


def build_from_scratch(run: Run, n: int) -> ImageClassifier:
    return modern(run, "cifar10", n)


# Three methods with transfer: each is trained on a part and on the frozen blocks' outputs for it, and returns a model
# and a function that predicts the classes of images from the same two things.


def fit_frozen(run: Run, trained: nn.Module, part: Images, both: Both) -> tuple[Any, Predict]:
    """Logistic regression on the network's features: for images and their mirror images."""
    tail = Tail(trained.features[CUT:]).to(run.device)

    def features(both: Both) -> Float[np.ndarray, "n 2 features"]:
        return torch.stack([outputs(tail.blocks, side.float()).mean(dim=(2, 3)) for side in both.unbind(1)], 1).numpy()

    line = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY / len(part), tol=1e-3, max_iter=300))
    line.fit(features(both).reshape(-1, FEATURES), part.labels.repeat(2))

    def predict(images: UInt8[np.ndarray, "n side side 3"], both: Both) -> Int[np.ndarray, "n"]:
        sums = sum(map(line.predict_proba, features(both).swapaxes(0, 1)))
        return line.classes_[sums.argmax(axis=1)]  # among fifty images, a class may have none

    return line, predict


def tune_last_blocks(run: Run, trained: nn.Module, part: Images, both: Both) -> tuple[Any, Predict]:
    """Tune the last blocks on the features of the frozen ones."""
    data = LabelledImages(both, torch.tensor(part.labels), pick_either)
    tail = fine_tune(Tail(trained.features[CUT:]), data, run, run.pick(smoke=1, lecture=epochs_of(len(part))))
    return tail, lambda images, both: classify(tail, both)


def tune_all(run: Run, trained: nn.Module, part: Images, both: Both) -> tuple[Any, Predict]:
    """Tune every weight on images that are enlarged batch by batch."""
    data = LabelledImages(weights.imagenet_inputs(part.images), torch.tensor(part.labels), enlarge_and_mirror)
    epochs = epochs_of(len(part))
    network = fine_tune(Tail(trained.features), data, run, run.pick(smoke=1, lecture=epochs, full=4 * epochs))

    def predict(images: UInt8[np.ndarray, "n side side 3"], both: Both) -> Int[np.ndarray, "n"]:
        inputs = weights.imagenet_inputs(images)
        return classify(network, torch.stack([enlarge(side, SMALLER) for side in (inputs, inputs.flip(3))], dim=1))

    return network, predict


@dataclass(frozen=True)
class Way:
    """A training method. borrowed: whether it needs the trained network. elsewhere: its name in `comparison`."""

    kind: str
    colour: str
    teach: Callable[..., Any]
    borrowed: bool = True
    elsewhere: str = ""


WAYS = {
    SIFT: Way("classical", plots.SKY, build_sift_words, borrowed=False, elsewhere=SIFT),
    "from scratch": Way("deep", plots.RED, build_from_scratch, borrowed=False, elsewhere="small modern network"),
    "frozen features": Way("deep", plots.BLUE, fit_frozen),
    "last blocks tuned": Way("deep", plots.GREEN, tune_last_blocks),
    "all tuned": Way("deep", plots.PURPLE, tune_all),
}


def label_of(name: str, n: int, sizes: list[int]) -> str:
    """A method's name on the scoreboard, with its number of images unless that is the largest."""
    return name if n == sizes[-1] else f"{name}, {n} images"


def lesson(run: Run) -> None:
    images = RECIPES["cifar10"].load(run.scale)
    test = images.test.take(slice(0, run.pick(smoke=25, lecture=len(images.test))))
    sizes = run.pick(smoke=[50], lecture=[50, 500, len(images.train)])
    train = images.train.take(run.rng.permutation(len(images.train))[: sizes[-1]])
    trained = (
        weights.mobilenet_v2_or_none(run.scale, run.note) or run.pick(smoke=models.mobilenet_v2, lecture=lambda: None)()
    )
    if trained:
        start, trunk = perf_counter(), trained.features[:CUT]
        seen, seen_test = (compute_activations(trunk, part, run.device) for part in (train, test))
        looked = (perf_counter() - start) / (len(train) + len(test))  # seconds per image

    right: dict[str, list[float]] = {}
    for name, way in WAYS.items():
        if way.borrowed and not trained:
            continue
        right[name] = []
        for n in sizes:
            part = train.take(slice(0, n))
            with run.method(label_of(name, n, sizes), kind=way.kind) as method:
                if way.borrowed:
                    method.model, predict = method.time(way.teach, run, trained, part, seen[:n])
                    method.fit_seconds += 0.0 if way.teach is tune_all else looked * n
                    predicted = method.score(test, predict=partial(predict, both=seen_test))
                elif n == len(images.train):
                    method.fit_shared(f"{way.elsewhere}, cifar10, {n} images", partial(way.teach, run, n), images.train)
                    predicted = method.score(test)
                else:
                    method.fit(way.teach(run, n), part)
                    predicted = method.score(test)
                right[name].append(100 * float(np.mean(predicted == test.labels)))
    for name in right:
        for n in sizes if name != "from scratch" else ():
            run.compare(label_of(name, n, sizes), label_of("from scratch", n, sizes))
    run.floor("from scratch", "accuracy", at_least=67.5)
    if trained:
        run.compare("last blocks tuned", "frozen features")
        run.compare("all tuned", "last blocks tuned")
        run.floor("last blocks tuned", "accuracy", at_least=84.3)
        best = {n: max(right, key=lambda name, column=column: right[name][column]) for column, n in enumerate(sizes)}
        run.note("Best with " + ", ".join(f"{n:,} images: {name}" for n, name in best.items()) + ".")
    labels = {name: {n: label_of(name, n, sizes) for n in sizes} for name in right}
    run.figure_over_seeds(
        "curves",
        draw_curves,
        labels,
        {name: way.colour for name, way in WAYS.items()},
        caption="Accuracy on CIFAR-10's test images by the number of training images, and by the seconds of training; "
        "means over seeds.",
    )
    if trained:
        for n in sizes:
            run.claim(
                f"With {n:,} images, frozen features learned from a million other photos beat learning from scratch.",
                beats(labels["frozen features"][n], labels["from scratch"][n]),
            )
        run.claim(
            f"With {sizes[-1]:,} images it is better still to tune the last blocks.",
            beats("last blocks tuned", "frozen features"),
        )

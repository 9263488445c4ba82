"""CIFAR-10 for this task: the training and validation split, how networks train, and the rivals without a network.

Variants and settings are evaluated on the last fifth of the training images (validation), with networks trained on the
rest. The reported networks are trained on all training images and scored on the test images once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from common import data
from common.augment import Crops, Cutout, InTurn
from common.data import Images
from common.features import pipelines
from common.image_classifier import Augmentation, ImageClassifier
from common.muon import Muon, hidden_filters
from common.run import Run
from common.train import Training

FISHER, HOG = "Fisher vectors + SVM", "HOG + SVM"
SHIFTED_AND_HIDDEN = InTurn((Crops(4), Cutout(8)))  # moved by up to 4 pixels, mirrored, a square of 8 pixels hidden
smoothed = nn.CrossEntropyLoss(label_smoothing=0.05)


@dataclass(frozen=True, eq=False)
class Cifar:
    """train (4000 images) and validation (1000) are for choosing; whole (both) and test (1000) for reporting."""

    train: Images
    validation: Images
    whole: Images
    test: Images
    classes: tuple[str, ...]


def cifar(run: Run) -> Cifar:
    """The parts at this run's preset. Test images are the official ones. Each part is shuffled across classes."""
    images = data.cifar10(run.scale)
    kept = len(images.train) * 4 // 5
    return Cifar(
        images.train.take(slice(kept)),
        images.train.take(slice(kept, None)),
        images.train,
        images.test,
        tuple(images.classes),
    )


def classifier(
    run: Run,
    build: Callable[[], nn.Module],
    epochs: int,
    *,
    learning_rate: float = 0.01,
    batch_size: int = 64,
    optimiser: Callable = Muon,
    groups: Callable[[nn.Module], list] | None = hidden_filters,
    loss: Callable = smoothed,
    augment: Augmentation | None = SHIFTED_AND_HIDDEN,
    mirrored: bool = True,
    checkpoint: str | None = None,
    **training: Any,
) -> ImageClassifier:
    """An image classifier that is trained for `epochs` epochs with one cycle of the learning rate.

    build: makes the network. augment, mirrored: see ImageClassifier. checkpoint: its name, for --resume. The other
    arguments are those of Training.
    """
    how = Training(
        epochs,
        learning_rate,
        batch_size,
        optimiser,
        groups,
        loss,
        device=run.device,
        checkpoint=run.checkpoint(checkpoint) if checkpoint else None,
        say=run.say_step,
        **training,
    )
    return ImageClassifier(lambda channels, side: build(), how, augment, mirrored, run.seed)


def score_rivals(run: Run, parts: Cifar) -> None:
    """Train Fisher vectors and HOG, each with an RBF-SVM, on all training images; score them on the test images.

    They are fitted once per run, so that every lesson shows the same two rivals.
    """
    for name, build in ((FISHER, pipelines.best_hand_crafted), (HOG, pipelines.hog_svm)):
        with run.method(name, kind="classical") as method:
            method.fit_shared(f"{name}, cifar10", partial(build, "cifar10", run.seed), parts.whole)
            method.score(parts.test)

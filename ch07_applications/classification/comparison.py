"""Four networks of the years 2012 to 2015 in a minute each, beside hand-crafted features.

Question   AlexNet, VGG, GoogLeNet and ResNet came first or second in ImageNet's contests. If each is trained for a
           minute on 5000 images, with at most 300,000 parameters, is their order the same, and do they beat Fisher
           vectors?
Method     Each lesson's own small network with its own recipe (epochs are fixed there; seconds are measured), fitted
           once per run. All are scored on the same test images. A paired test over seeds and images compares each
           network with the one before it in the order of CONTENDERS.
Rival      Fisher vectors with an SVM, which AlexNet beat in 2012, and HOG with an SVM.
Differs    The papers compare networks of 7 to 144 million parameters on 1.3 million images of 1000 classes.
Costs      200 s on two cores if the lessons before have not run, otherwise seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ch07_applications.blocks.counting import multiplications_of
from ch07_applications.classification import alexnet, googlenet, resnet, vgg
from ch07_applications.classification.cifar import FISHER, HOG, cifar, score_rivals
from ch07_applications.classification.drawn_comparison import (
    draw_by_cost,
    draw_errors,
    draw_ideas,
    draw_right_and_wrong,
)
from common.claims import mean_of
from common.data import Images
from common.image_classifier import ImageClassifier
from common.paper_claims import PaperClaims
from common.record import LessonRecord
from common.run import Run

SHOWN = 8  # test images of each kind: all networks right, all wrong

# Claim, source, the paper's top-5 errors; ours, against what.
PAPERS = (
    ("Deep networks beat Fisher vectors", "Krizhevsky 2012, Table 2", "15.3 against 26.2 %", alexnet.ALEXNET, FISHER),
    ("VGG beats AlexNet", "Simonyan 2014, Table 7", "6.8 against 16.4 %", vgg.OURS, alexnet.ALEXNET),
    ("GoogLeNet beats VGG", "Szegedy 2014, Table 2", "6.67 against 7.32 %", googlenet.OURS, vgg.OURS),
    ("ResNet beats GoogLeNet", "He 2015, Table 5", "3.57 against 6.66 %", resnet.OURS, googlenet.OURS),
    (
        "Deep networks of 2015 beat Fisher vectors", "He 2015, Table 5; Krizhevsky 2012, Table 2",
        "3.57 against 26.2 %", resnet.OURS, FISHER,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Contender:
    """A lesson's small network. shared: its name for fit_shared. build: makes it, unfitted.

    side: of the images or crops that are its input.
    """

    shared: str
    build: Callable[[Run], ImageClassifier]
    side: int = 32


CONTENDERS = {  # by year
    alexnet.ALEXNET: Contender(alexnet.SHARED, alexnet.small_alexnet, alexnet.SMALL.side),
    vgg.OURS: Contender(vgg.SHARED, vgg.small_vgg),
    googlenet.OURS: Contender(googlenet.SMALL_GOOGLENET, googlenet.small_googlenet),
    resnet.OURS: Contender(resnet.SMALL_RESNET, resnet.small_resnet),
}


def right_by(answers: Mapping[str, Int[np.ndarray, "n"]], part: Images) -> Bool[np.ndarray, "methods n"]:
    """True where a method predicts an item's class correctly."""
    return np.array([predicted == part.labels for predicted in answers.values()])


def class_errors(
    answers: Mapping[str, Int[np.ndarray, "n"]], part: Images, classes: int
) -> Float[np.ndarray, "methods classes"]:
    """The share of each class's items that each method gets wrong, in %; 0 for a class without items."""
    wrong = ~right_by(answers, part)
    counts = np.maximum(np.bincount(part.labels, minlength=classes), 1)
    return np.array([100 * np.bincount(part.labels, weights=row, minlength=classes) / counts for row in wrong])


def commonest_mistake(
    answers: Mapping[str, Int[np.ndarray, "n"]], items: Int[np.ndarray, "some"]
) -> Int[np.ndarray, "some"]:
    """The class that most methods predict for each of these items; of several, the one with the lowest number."""
    votes = np.array(list(answers.values()))[:, items]
    return np.array([np.bincount(column).argmax() for column in votes.T], int)


def ranking(record: LessonRecord) -> str:
    """A sentence that ranks the networks by their mean accuracy over all seeds."""
    means = {name: mean_of(record, name, "accuracy") for name in CONTENDERS}
    ordered = sorted(means, key=means.get, reverse=True)
    return "By mean accuracy: " + ", ".join(f"{name} {means[name]:.1f} %" for name in ordered) + "."


def lesson(run: Run) -> None:
    parts, claims, answers = cifar(run), PaperClaims(run), {}
    for name, contender in CONTENDERS.items():
        with run.method(name, kind="deep") as method:
            model = method.fit_shared(contender.shared, lambda build=contender.build: build(run), parts.whole)
            answers[name] = method.score(parts.test)
        cost = multiplications_of(model.network_, (3, contender.side, contender.side)) / 1e6
        run.fact(f"multiplications of {name}", cost, "million")
    networks = dict(answers)
    score_rivals(run, parts)
    answers |= {name: run.methods[name].predictions for name in (FISHER, HOG)}

    right = right_by(networks, parts.test)
    for what, items in (("all four", right.all(axis=0)), ("none", ~right.any(axis=0))):
        run.fact(f"test images that {what} of the networks classify correctly", 100 * items.mean(), "%")
    run.fact("test images that at least one network classifies correctly", 100 * right.any(axis=0).mean(), "%")
    errors = class_errors(answers, parts.test, len(parts.classes))
    run.fact("most difficult class: mean error of the networks", errors[: len(networks)].mean(axis=0).max(), "%")
    run.fact("easiest class: mean error of the networks", errors[: len(networks)].mean(axis=0).min(), "%")

    for claim, source, paper, ours, against in PAPERS:
        claims.compared(claim, source=source, paper=paper, ours=ours, against=against)
    run.claim(ranking)
    run.floor(resnet.OURS, "accuracy", at_least=72)
    run.figure(
        "ideas", draw_ideas,
        caption="What each paper added: ReLU in place of tanh; three 3×3 layers in place of one 7×7; filters of "
        "several sizes behind 1×1 reductions; a shortcut around two layers.",
    )  # fmt: skip
    run.figure_over_seeds(
        "costs", draw_by_cost, list(CONTENDERS), [FISHER, HOG],
        caption="Accuracy on test images with its 95 % interval, by seconds of training, numbers kept, and "
        "multiplications for one image or crop (networks alone).",
    )  # fmt: skip
    run.figure(
        "errors", draw_errors, errors, list(answers), parts.classes,
        caption="Errors by class on test images, in %, classes in order of the networks' mean (first seed).",
    )  # fmt: skip
    alike = {
        "all four right": np.flatnonzero(right.all(axis=0))[:SHOWN],
        "all four wrong": np.flatnonzero(~right.any(axis=0))[:SHOWN],
    }
    run.figure(
        "agreement", draw_right_and_wrong, parts.test.images, parts.test.labels, alike,
        {kind: commonest_mistake(networks, items) for kind, items in alike.items()}, parts.classes,
        caption=f"The first {SHOWN} test images that all four networks classify correctly, and the first {SHOWN} that "
        "none does, with the class that most of them predict and the true one (first seed).",
    )  # fmt: skip

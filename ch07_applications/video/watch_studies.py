"""Accuracy by the length of a window, and by the number of training people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import softmax
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ch07_applications.video.drawn_activity import draw_lengths, draw_people
from ch07_applications.video.hand_features import HandFeatures
from ch07_applications.video.person_folds import (
    WINDOW,
    Fold,
    FoldModels,
    pooled,
    score_by_fold,
    score_models,
    scores_of,
)
from ch07_applications.video.watch_rivals import SVM
from ch07_applications.video.watch_windows import RATE, Windows, windows_of
from common.data.recordings import Recordings
from common.run import Run

LSTM = "LSTM"
LENGTHS = (32, 64, 128, 256, 512)  # samples
PEOPLE, EVERYBODY = (1, 3), "all"


def plain_svm(part: Windows | None = None) -> Pipeline:
    """An SVM on designed features with the settings that were chosen most often."""
    return make_pipeline(HandFeatures(), StandardScaler(), SVC(C=1.0, gamma=0.003))


def accuracy_of(models: Sequence, folds: Sequence[Fold], length: int = WINDOW) -> float:
    """The accuracy of each fold's model on its people's windows of this length, in per cent."""
    parts = [windows_of(fold.test, length, length) for fold in folds]
    found = [scores_of(model, part.inputs).argmax(axis=1) for model, part in zip(models, parts, strict=True)]
    return 100 * float(np.mean(np.concatenate(found) == pooled(parts).answers))


def study_lengths(run: Run, folds: Sequence[Fold], models: Sequence[Recogniser]) -> None:
    """Score one network for all lengths, an SVM fitted at one length, and an SVM fitted anew for each."""

    def fitted(length: int) -> list[Pipeline]:
        parts = [fold.windows(length)[0] for fold in folds]
        return [plain_svm().fit(part.inputs, part.answers) for part in parts]

    fixed = fitted(WINDOW)
    for length in LENGTHS:
        for name, judged in ((LSTM, models), ("SVM of 2.56 s", fixed), ("SVM of this length", fitted(length))):
            run.fact(f"accuracy at {length / RATE:.2f} s, {name}", accuracy_of(judged, folds, length), "%")
    run.figure_over_seeds(
        "lengths", draw_lengths, LENGTHS, caption="Accuracy over test windows of five lengths. The network has "
        "learned from windows of 2.56 s alone, and so has one of the SVMs; the other is fitted anew for each length.",
    )  # fmt: skip


def few_people(folds: Sequence[Fold]) -> dict[str, tuple[list[Fold], float]]:
    """Folds with few or all training people, and the share of a network's usual epochs, by its name.

    The share keeps the number of training steps equal.
    """
    everybody = least_people(folds)
    few = {count: [fold.of(count) for fold in folds] for count in PEOPLE} | {EVERYBODY: list(folds)}
    shares = {count: 0.4 * everybody / count for count in PEOPLE} | {EVERYBODY: 0.4}
    return {f"{LSTM}, people: {name}": (few[name], shares[name]) for name in few}


def least_people(folds: Sequence[Fold]) -> int:
    """The number of people in the smallest training part."""
    return min(len(np.unique(fold.train.subjects)) for fold in folds)


def study_people(run: Run, folds: Sequence[Fold], made: Mapping[str, FoldModels]) -> None:
    """Score a network and the SVM trained on few people. made: the networks."""
    for name, (few, _) in few_people(folds).items():
        score_models(run, name, few, made[name])
        score_by_fold(run, name.replace(LSTM, SVM), few, plain_svm)
    everybody = least_people(folds)
    counts = {**{count: count for count in PEOPLE}, EVERYBODY: everybody}
    run.figure_over_seeds(
        "people", draw_people, (LSTM, SVM), counts, caption="Accuracy over test windows after learning from one, "
        "three and all people of the training part, six or seven; the network with as many steps each time.",
    )  # fmt: skip


def best_median_worst(
    folds: Sequence[Fold], whole: Sequence[Float[np.ndarray, "_ classes"]]
) -> list[tuple[int, Recordings]]:
    """Three test recordings, each with the number of its fold, by the probability of their own class."""
    found = []
    for number, (fold, scores) in enumerate(zip(folds, whole, strict=True)):
        own = softmax(scores, axis=1)[np.arange(len(scores)), fold.test.labels]
        found += [(float(value), number, place) for place, value in enumerate(own)]
    found.sort(reverse=True)
    chosen = (found[0], found[len(found) // 2], found[-1])
    return [(number, folds[number].test.take([place])) for _, number, place in chosen]

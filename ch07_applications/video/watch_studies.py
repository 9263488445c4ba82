"""What accuracy depends on: the length of a window, and the number of people that were learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import softmax
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ch07_applications.video.drawn_activity import draw_lengths, draw_people
from ch07_applications.video.hand_features import HandFeatures
from ch07_applications.video.person_folds import WINDOW, Fold, judge, pooled, score_by_fold, scores_of
from ch07_applications.video.watch_rivals import SVM
from ch07_applications.video.watch_windows import RATE, Windows, windows_of
from common.data.recordings import Recordings
from common.run import Run

LSTM = "LSTM"
LENGTHS = (32, 64, 128, 256, 512)  # samples
PEOPLE, EVERYBODY = (1, 3), "all"


def plain_svm(part: Windows | None = None) -> Pipeline:
    """Designed features and an SVM with the settings that were chosen most often."""
    return make_pipeline(HandFeatures(), StandardScaler(), SVC(C=1.0, gamma=0.003))


def accuracy_of(models: Sequence, folds: Sequence[Fold], length: int = WINDOW) -> float:
    """Of each fold's model on its people's windows of this length, per cent."""
    parts = [windows_of(fold.test, length, length) for fold in folds]
    found = [scores_of(model, part.inputs).argmax(axis=1) for model, part in zip(models, parts, strict=True)]
    return 100 * float(np.mean(np.concatenate(found) == pooled(parts).answers))


def study_lengths(run: Run, folds: Sequence[Fold], models: Sequence[Recogniser]) -> None:
    """One network for all lengths; an SVM that was fitted at one length, and one that is fitted anew for each."""

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


def study_people(run: Run, folds: Sequence[Fold], train: Callable[[Recordings, float], Any]) -> None:
    """How many people are needed: a network and the SVM, learning from few of them.

    train: makes a network of recordings, given the share of its usual epochs.
    """
    everybody = min(len(np.unique(fold.train.subjects)) for fold in folds)
    for people, name in (*((count, count) for count in PEOPLE), (everybody, EVERYBODY)):
        few = [fold.of(people) for fold in folds] if name != EVERYBODY else folds
        with run.method(f"{LSTM}, people: {name}", kind="deep") as method:
            share = 0.4 * everybody / people  # as many steps with few people as with everybody
            models = [method.time(train, fold.train, share) for fold in few]
            method.model = models[-1]
            judge(method, few, [scores_of(m, f.windows()[1].inputs) for m, f in zip(models, few, strict=True)])
        score_by_fold(run, f"{SVM}, people: {name}", few, plain_svm)
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

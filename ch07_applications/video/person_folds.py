"""Three folds by person: each person is scored once, by models that have never seen them, for all methods alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.model_selection import GroupKFold

from ch07_applications.blocks.side_by_side import Work, side_by_side
from ch07_applications.video.watch_windows import Windows, windows_of
from common import data
from common.data.recordings import Recordings
from common.method import Method
from common.run import Run

FOLDS, WINDOW = 3, 128  # windows of 2.56 s, as in UCI HAR
WHOLE = "accuracy of whole recordings"
Scores = Float[np.ndarray, "items classes"]
FoldModels = tuple[list[Any], float]  # of each fold, and the total seconds
EachScores = Float[np.ndarray, "_ classes"]  # of folds, which have different numbers of items


@dataclass(frozen=True, eq=False)
class Fold:
    """Training recordings, and those of the test people."""

    train: Recordings
    test: Recordings

    def windows(self, length: int = WINDOW, mirrored: bool = False) -> tuple[Windows, Windows]:
        """(train, test): windows that overlap by half, with mirrored ones on request; and non-overlapping windows.

        Shorter training windows are as many as those of WINDOW samples, because an SVM takes the square of their
        number.
        """
        train = windows_of(self.train, length, max(length, WINDOW) // 2)
        return train.mirrored() if mirrored else train, windows_of(self.test, length, length)

    def of(self, people: int) -> Fold:
        """The same test part with the first `people` training people."""
        chosen = np.unique(self.train.subjects)[:people]
        return Fold(self.train.take(np.isin(self.train.subjects, chosen)), self.test)


def person_folds(run: Run) -> list[Fold]:
    """The seed assigns people to folds. At smoke, one arm and 12 s of each recording."""
    watch = data.watch()
    if run.scale.preset == "smoke":
        few = watch.recordings.take(watch.recordings.right)
        watch = watch.only(replace(few, series=tuple(series[:600] for series in few.series)))
    return [Fold(*parts) for parts in watch.folds(FOLDS, run.seed)]


def held_out_people(fold: Fold, seed: int) -> list[Fold]:
    """Split the training people again, into three folds for choosing settings; each of them is scored once."""
    return [Fold(*parts) for parts in data.watch().only(fold.train).folds(FOLDS, seed)]


def pooled(parts: Sequence[Windows]) -> Windows:
    """The windows of all parts, concatenated."""
    names = ("inputs", "answers", "ids", "groups", "recordings")
    return Windows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def pooled_recordings(folds: Sequence[Fold]) -> Recordings:
    """The test recordings of all folds, in order."""
    watch = data.watch().recordings
    return watch.take(np.concatenate([fold.test.ids for fold in folds]))


def by_person(train: Windows) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits for cross-validation in which no person is on both sides."""
    return list(GroupKFold(FOLDS).split(train.inputs, groups=train.groups))


def scores_of(model: Any, windows: Float[np.ndarray, "items time channels"]) -> Scores:
    """The model's probabilities if it has them, else its decision function."""
    return (model.predict_proba if hasattr(model, "predict_proba") else model.decision_function)(windows)


def summed(scores: Scores, windows: Windows, recordings: Recordings) -> Float[np.ndarray, "recordings classes"]:
    """The scores of each recording's windows, summed. It is 0 for a recording without a window."""
    places = {int(name): place for place, name in enumerate(recordings.ids)}
    total = np.zeros((len(recordings), scores.shape[1]))
    np.add.at(total, [places[int(name)] for name in windows.recordings], scores)
    return total


def judge(
    method: Method, folds: Sequence[Fold], found: Sequence[EachScores], whole: Sequence[EachScores] | None = None
) -> None:
    """Score the accuracy over windows and over recordings, with people as groups.

    found, whole: scores of each fold's test windows, and of its test recordings; the latter are sums over windows by
    default.
    """
    parts = [fold.windows()[1] for fold in folds]
    whole = whole or [summed(*each) for each in zip(found, parts, [fold.test for fold in folds], strict=True)]
    for metric, scores, part in (("accuracy", found, pooled(parts)), (WHOLE, whole, pooled_recordings(folds))):
        right = np.concatenate(scores).argmax(axis=1) == part.answers
        method.score_items(metric, 100.0 * right, part, unit="%", higher_is_better=True)


def train_by_fold(run: Run, works: Mapping[str, Sequence[Work]]) -> dict[str, FoldModels]:
    """The results of the works of each name, in order, and their total seconds. Two of all works run at a time."""
    made = side_by_side(run, {f"{name} {k}": work for name, each in works.items() for k, work in enumerate(each)})
    found = {name: [made[f"{name} {k}"] for k in range(len(each))] for name, each in works.items()}
    return {name: ([model for model, _ in each], sum(seconds for _, seconds in each)) for name, each in found.items()}


def score_models(run: Run, name: str, folds: Sequence[Fold], made: FoldModels) -> None:
    """Score each fold's network on windows."""
    with run.method(name, kind="deep") as method:
        models, method.fit_seconds = made
        method.model = models[-1]
        found = [scores_of(model, fold.windows()[1].inputs) for model, fold in zip(models, folds, strict=True)]
        judge(method, folds, found)


def score_by_fold(
    run: Run, name: str, folds: Sequence[Fold], build: Callable[[Windows], Any], mirrored: bool = False
) -> Method:
    """Build, fit and score a rival in each fold."""
    with run.method(name, kind="classical") as method:
        found, spent = [], 0.0
        for fold in folds:
            train, test = fold.windows(mirrored=mirrored)
            method.model = method.time(build(train).fit, train.inputs, train.answers)
            start = time.perf_counter()
            found.append(scores_of(method.model, test.inputs))
            spent += time.perf_counter() - start
        method.predict_seconds = spent
        judge(method, folds, found)
    return method

"""Random kernels: features of the watch's windows, beside aeon's compiled MiniRocket; accuracies of both on new people.

aeon asks for an older NumPy than the project has, and works with the newer one: it is measured where it has been
installed by `pip install --no-deps aeon numba llvmlite pandas Deprecated wrapt`, and left out elsewhere.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from side_by_side import row
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ch07_applications.video.person_folds import Fold
from ch07_applications.video.random_kernels import PENALTIES, RandomKernels
from common import data

FEATURES, SLOWER = 9996, 3  # times as long as compiled code, at most
POINT = 0.01  # of accuracy that it may be behind


def measure() -> list[dict]:
    """A row for run.py. Raises AssertionError where the accuracy is more than a point behind."""
    if find_spec("aeon") is None:
        print("Left out: random kernels beside aeon's MiniRocket, for aeon is not installed")
        return []
    from aeon.transformations.collection.convolution_based import MiniRocket

    folds = [Fold(*parts).windows() for parts in data.watch().folds(3, 0)]

    def ours() -> list[tuple[np.ndarray, np.ndarray]]:
        made = [(RandomKernels(FEATURES).fit(train.inputs), train, test) for train, test in folds]
        return [(model.transform(train.inputs), model.transform(test.inputs)) for model, train, test in made]

    def theirs() -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        for train, test in folds:
            model, pair = MiniRocket(FEATURES, random_state=0, n_jobs=1), []
            for part, make in ((train, model.fit_transform), (test, model.transform)):
                pair.append(make(np.ascontiguousarray(part.inputs.swapaxes(1, 2))))
            found.append(tuple(pair))
        return found

    accuracies = []
    for features in (ours(), theirs()):
        right = []
        for (train, test), (learned, asked) in zip(folds, features, strict=True):
            ridge = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES)).fit(learned, train.answers)
            right.append(ridge.predict(asked) == test.answers)
        accuracies.append(np.concatenate(right).mean())
    assert accuracies[0] >= accuracies[1] - POINT, accuracies
    windows = sum(len(part) for fold in folds for part in fold)
    name = f"random kernels: 9996 features of {windows} windows, three fits"
    return [row(name, ours, "aeon's MiniRocket", theirs, at_least=1 / SLOWER, runs=3)]

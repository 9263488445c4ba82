"""How lessons choose a model's settings: by cross-validation on the training data, never on the test data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from common.run import Run

Option = TypeVar("Option")


def choose(
    options: Sequence[Option] | Shaped[np.ndarray, "options"],
    scores: Sequence[float] | Float[np.ndarray, "options"],
    *,
    highest: bool = False,
) -> Option:
    """The option with the lowest score on items held out of the training part; of equals, the first.

    highest: a high score is a good one, as of an accuracy. A NaN (a training that failed) is never chosen. Raises
    ValueError where options and scores are not alike in number, or where every score is NaN.
    """
    return options[best_place(scores, len(options), highest)]


def best_place(scores: Sequence[float] | Float[np.ndarray, "options"], n: int, highest: bool) -> int:
    """Where the best of n scores stands."""
    scores = np.asarray(scores, float)
    if scores.shape != (n,):
        raise ValueError(f"{n} options, but scores of shape {scores.shape}")
    if np.isnan(scores).all():
        raise ValueError(f"none of {n} options has a score")
    return int(np.nanargmax(scores) if highest else np.nanargmin(scores))


def folds(run: Run, stratified: bool = False) -> KFold | StratifiedKFold:
    """Five folds, shuffled by the run's seed. stratified: with the classes' shares alike in each."""
    kind = StratifiedKFold if stratified else KFold
    return kind(run.pick(smoke=2, lecture=5), shuffle=True, random_state=run.seed)


def tuned(
    model: BaseEstimator, grid: dict[str, list], run: Run, scoring: str | Callable | None = None, **search: Any
) -> GridSearchCV:
    """The model with the settings of grid that cross-validation on the training data likes best.

    scoring: log loss for a classifier and RMSE for a regressor unless told. search: further settings of GridSearchCV.
    """
    grid = {name: values[:: run.pick(smoke=3, lecture=1)] for name, values in grid.items()}
    classes = is_classifier(model)
    scoring = scoring or ("neg_log_loss" if classes else "neg_root_mean_squared_error")
    return GridSearchCV(model, grid, **{"cv": folds(run, stratified=classes), "scoring": scoring} | search)


def scaled(model: BaseEstimator) -> Pipeline:
    """The model behind a standardisation of its inputs. Distances need inputs of like size; trees don't care."""
    return Pipeline([("scale", StandardScaler()), ("model", model)])

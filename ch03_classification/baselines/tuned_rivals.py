"""Neighbours, Bayes, a discriminant, support vectors and a forest, each tuned on the part that it is fitted to.

The lesson "rivals" compares them. Here they are made, so that an earlier lesson can score them without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from common.run import Run
from common.tuning import scaled, tuned

NEIGHBOURS = [1, 2, 3, 5, 8, 12, 20, 30]
SMOOTHING = np.logspace(-3, 1, 9).tolist()
SHRINKAGE = [0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6]
LEAVES = [1, 3]
C = [0.01, 0.1, 1.0, 10.0]
WIDE_C, WIDTHS = [1.0, 10.0, 100.0], [0.003, 0.01, 0.03, "scale"]


class Neighbours(KNeighborsClassifier):
    """k nearest neighbours, and one more that votes for all classes alike, so that no probability is 0."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = tags.target_tags.multi_output = False  # one label per point
        return tags

    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "n classes"]:
        """(neighbours of the class + 1 / classes) / (k + 1), Laplace's rule with a weaker prior."""
        k = self.n_neighbors
        return (k * super().predict_proba(X) + 1 / len(self.classes_)) / (k + 1)


class Platt(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """An SVM tuned for accuracy, its scores turned into probabilities by one sigmoid per class (Platt 1999).

    search: of the SVM's settings. The sigmoids are fitted to scores of points that a fold's SVM was not fitted to.
    fit sets estimator_, the SVM fitted to all points, and classes_.
    """

    def __init__(self, search: GridSearchCV) -> None:
        self.search = search

    def fit(self, X: ArrayLike, y: ArrayLike) -> Platt:
        """X: (n, m). y: (n,)."""
        self.estimator_ = clone(self.search).fit(X, y).best_estimator_
        self.calibrated_ = CalibratedClassifierCV(self.estimator_, ensemble=False).fit(X, y)
        self.classes_ = self.calibrated_.classes_
        return self

    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "n classes"]:
        """A sigmoid of each score, scaled to sum to 1."""
        check_is_fitted(self)
        return self.calibrated_.predict_proba(X)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest class of each row, (n,)."""
        check_is_fitted(self)
        return self.calibrated_.predict(X)


def classical_rivals(run: Run, standardise: bool = True, **search: Any) -> dict[str, BaseEstimator]:
    """The rivals by name, each tuned by cross-validation on the part that it is fitted to.

    standardise: the inputs; pixels share a unit and go without. search: settings of GridSearchCV, as of tuned.
    """

    def pipeline(model: BaseEstimator) -> Pipeline:
        return scaled(model) if standardise else Pipeline([("model", model)])

    def search_of(model: BaseEstimator, **grid: list) -> GridSearchCV:
        return tuned(pipeline(model), {f"model__{name}": values for name, values in grid.items()}, run, **search)

    def machine(kernel: str, **grid: list) -> Platt:
        return Platt(search_of(SVC(kernel=kernel), **grid).set_params(scoring="accuracy"))

    forest = RandomForestClassifier(run.pick(smoke=10, lecture=100), random_state=run.seed)
    return {
        "k nearest neighbours": search_of(Neighbours(), n_neighbors=NEIGHBOURS),
        "naive Bayes": search_of(GaussianNB(), var_smoothing=SMOOTHING),
        "linear discriminant": search_of(LinearDiscriminantAnalysis(solver="lsqr"), shrinkage=SHRINKAGE),
        "linear SVM": machine("linear", C=C),
        "RBF-SVM": machine("rbf", C=WIDE_C, gamma=WIDTHS),
        "random forest": search_of(forest, min_samples_leaf=LEAVES),
    }

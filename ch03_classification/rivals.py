"""Neighbours, Bayes, discriminants, margins, kernels and trees: accuracy, and the log loss of their probabilities.

Question   Logistic regression separates by a plane. Do methods with weaker or stronger assumptions classify better?
Method     Ours, logistic and softmax regression, against six others, each tuned by 5-fold cross-validation on the
           same training part; accuracy, and the log loss of the probabilities that they give.
Rival      k nearest neighbours (Fix and Hodges 1951), naive Bayes, the linear discriminant (Fisher 1936) with its
           covariance shrunk, support vector machines, linear and with an RBF kernel (Cortes and Vapnik
           1995), a random forest (Breiman 2001).
Differs    The rivals are scikit-learn's. SVMs have no probabilities: they get Platt's sigmoids (1999) on scores
           of points held out, from CalibratedClassifierCV, for SVC(probability=True) is deprecated.
Costs      10 s on two cores, nearly all of it to tune.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

from ch03_classification.bernoulli import malignant_as_1
from ch03_classification.logistic import LogisticRegression
from ch03_classification.softmax import SoftmaxRegression, pixels, principal_plane, score_classes, shade_plane
from common import data, plots
from common.claims import Condition, beats
from common.data import Table
from common.record import LessonRecord
from common.run import Run
from common.tuning import scaled, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEIGHBOURS = [1, 2, 3, 5, 8, 12, 20, 30]
SMOOTHING = np.logspace(-3, 1, 9).tolist()
SHRINKAGE = [0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6]
LEAVES = [1, 3]
C = [0.01, 0.1, 1.0, 10.0]
WIDE_C, WIDTHS = [1.0, 10.0, 100.0], [0.003, 0.01, 0.03, "scale"]
PENALTIES = [0.01, 0.1, 1.0, 10.0, 100.0]
FIVE = [0, 1, 2, 3, 4]


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


def our_regression(run: Run, what: str) -> BaseEstimator:
    """Logistic for the two kinds of tumours, softmax for ten digits."""
    if what == "tumours":
        return tuned(scaled(LogisticRegression()), {"model__penalty": PENALTIES}, run)
    return tuned(SoftmaxRegression(tol=1e-2), {"penalty": PENALTIES}, run)


def draw_scores(record: LessonRecord, problems: list[str]) -> Figure:
    """Accuracy and log loss of every method with their intervals, one row of panels per problem."""
    rows = record.scores()
    figure, axes = plots.panels(2, len(problems), width=3.9, height=2.3, sharey="row", squeeze=False)
    for line, problem in zip(axes, problems, strict=True):
        for axis, metric, colour in zip(line, ("accuracy", "log loss"), (plots.BLUE, plots.ORANGE), strict=True):
            found = [row for row in rows if row.metric == metric and row.method.endswith(problem)]
            value, low, high = np.array([row.interval.ends for row in found]).T
            names = [row.method.removesuffix(f", {problem}") for row in found]
            axis.errorbar(value, names, xerr=(value - low, high - value), fmt="o", color=colour, markersize=5)
            axis.axvline(value[0], color=plots.GREY, linewidth=0.8, linestyle=":")
            axis.set(title=f"{problem.capitalize()}: {metric}", xlabel=found[0].unit)
        line[0].invert_yaxis()
    return figure


def draw_regions(part: Table, models: dict[str, BaseEstimator]) -> Figure:
    """One panel per method, fitted to two numbers per digit."""
    figure, axes = plots.panels(4, 2, width=2.4, height=2.3)
    for axis, (name, model) in zip(axes.flat, models.items(), strict=False):
        shade_plane(axis, model.fit(part.features, part.labels), part)
        axis.set(title=name, xticks=[], yticks=[])
    axes[-1, -1].set_axis_off()
    axes[-1, -1].legend(*axes[0, 0].get_legend_handles_labels(), title="digit", loc="center", markerscale=3)
    return figure


def unbeaten(method: str, metric: str) -> Condition:
    """No rival is significantly better than the method in this metric."""
    return lambda record: all(
        c.winner in (None, method) for c in record.comparisons if method in (c.a, c.b) and c.metric == metric
    )


def lesson(run: Run) -> None:
    tumours, digits = data.breast_cancer(seed=run.seed), data.digits(seed=run.seed)
    problems = {
        "tumours": (malignant_as_1(tumours.train), malignant_as_1(tumours.test)),
        "digits": (pixels(digits.train, white=16), pixels(digits.test, white=16)),
    }
    for what, (train, test) in problems.items():
        with run.method(f"our regression, {what}", kind="from scratch") as method:
            method.fit(our_regression(run, what), train)
            score_classes(method, test)
        for name, rival in classical_rivals(run, standardise=what == "tumours").items():
            with run.method(f"{name}, {what}", kind="classical") as method:
                method.fit(rival, train)
                score_classes(method, test)
            run.compare(f"our regression, {what}", f"{name}, {what}", "log loss")
    for rival in ("k nearest neighbours, digits", "RBF-SVM, digits"):
        run.compare("our regression, digits", rival, "accuracy")
    run.floor("our regression, tumours", "accuracy", at_least=95.1)
    run.floor("our regression, digits", "accuracy", at_least=95.8)
    run.floor("RBF-SVM, digits", "accuracy", at_least=98.2)

    run.figure_over_seeds(
        "scores",
        draw_scores,
        list(problems),
        caption="Accuracy (left, higher is better) and log loss (right, lower is better) on test tumours and test "
        "digits, with 95 % intervals. The first line is our regression, and dotted lines are its values.",
    )
    if run.first:
        run.figure(
            "regions",
            draw_regions,
            principal_plane(problems["digits"][0], FIVE),
            {"softmax regression": our_regression(run, "digits")} | classical_rivals(run),
            caption=f"{len(FIVE)} digits along their first two principal components, and each method's probabilities "
            "there, as mixed colours; lines join places where the two most probable classes tie. Softmax regression "
            "and the discriminant have straight boundaries, naive Bayes has conic sections. Grey mixtures are low "
            "confidences.",
        )
    run.claim(
        "Tumours: no method has a significantly lower log loss than our regression, which separates by a plane.",
        unbeaten("our regression, tumours", "log loss"),
    )
    run.claim(
        "Digits: the RBF-SVM is significantly more accurate, but no method has a significantly lower log loss.",
        beats("RBF-SVM, digits", "our regression, digits", "accuracy"),
        unbeaten("our regression, digits", "log loss"),
    )

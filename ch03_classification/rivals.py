"""Neighbours, Bayes, discriminants, margins, kernels and trees: accuracy, and the log loss of their probabilities.

Question   Logistic regression separates by a plane. Do methods with weaker or stronger assumptions classify better?
Method     Ours, logistic and softmax regression, against six others, each tuned by 5-fold cross-validation on the
           same training part; accuracy, and the log loss of the probabilities that they give.
Rival      k nearest neighbours (Fix and Hodges 1951), naive Bayes, the linear discriminant (Fisher 1936) with its
           covariance shrunk, support vector machines, linear and with an RBF kernel (Cortes and Vapnik
           1995), a random forest (Breiman 2001).
Differs    The rivals are scikit-learn's. SVMs have no probabilities: they get Platt's sigmoids (1999) on scores
           of points held out, from CalibratedClassifierCV, for SVC(probability=True) is deprecated.
Costs      9 s on two cores, nearly all of it to tune.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator

from ch03_classification.baselines.tuned_rivals import classical_rivals
from ch03_classification.bernoulli import malignant_as_1
from ch03_classification.digits.tables import pixels, principal_plane
from ch03_classification.drawings.softmax import shade_plane
from ch03_classification.logistic import LogisticRegression
from ch03_classification.softmax import SoftmaxRegression, score_classes
from common import data, plots
from common.claims import Condition, beats
from common.data import Table
from common.record import LessonRecord
from common.run import Run
from common.tuning import scaled, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PENALTIES = [0.01, 0.1, 1.0, 10.0, 100.0]
FIVE = [0, 1, 2, 3, 4]


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

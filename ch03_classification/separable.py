"""If a plane separates the classes without a mistake, logistic regression has no best weights: they grow for ever.

Question   How do the weights grow where the classes are separable, and what does a penalty change?
Method     If theta separates, 2 theta has a larger likelihood: no maximum (Albert and Anderson 1984). Under gradient
           descent ‖w‖ grows like log t while w turns to the widest margin (Soudry et al. 2018). A linear programme
           decides whether classes are separable (as in Konis 2007). With a penalty λ/2 ‖w‖², λ > 0, one w is best.
Rival      Next to no penalty; a linear SVM, whose scores a sigmoid turns into probabilities (Platt 1999).
Differs    The lecture maximises the likelihood, which on separable tumours has no maximum.
Costs      4 s on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64, Shaped
from scipy.optimize import linprog
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ch03_classification.bernoulli import malignant_as_1, score_probability
from ch03_classification.logistic import LogisticRegression
from ch03_classification.sigmoid import log_sigmoid, logit, sigmoid
from common import data, plots
from common.answers import check_labels
from common.claims import beats
from common.data import Table
from common.run import Method, Run
from common.tuning import scaled, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TINY = 1e-6  # next to no penalty
HARD = 1e10  # an SVM's C that forbids mistakes

Features = Float[np.ndarray, "n m"]
Labels = Shaped[np.ndarray, "..."]  # a 0 or a 1 for each row of X; ValueError for others


def signs(X: Features, y: Labels) -> Int64[np.ndarray, "n"]:
    """1 for label 1, −1 for label 0."""
    return 2 * check_labels(y, X.shape, 2, ("y", "X")) - 1


def largest_margin(X: Features, y: Labels) -> float:
    """max t with s (xᵀw + b) ≥ t at every point, s = ±1 for y = 1, 0, and no weight beyond ±1: a linear programme.

    Above 0, the classes are separable, and w separates them. At 0 they overlap, or touch.
    """
    rows = signs(X, y)[:, None] * np.column_stack([X, np.ones(len(X))])
    found = linprog(
        c=np.r_[np.zeros(rows.shape[1]), -1],  # it minimises
        A_ub=np.column_stack([-rows, np.ones(len(X))]),  # t − s (xᵀw + b) ≤ 0
        b_ub=np.zeros(len(X)),
        bounds=[(-1, 1)] * rows.shape[1] + [(None, 1)],
    )
    return float(-found.fun) + 0.0  # not −0


@dataclass(frozen=True)
class Growth:
    """The course of gradient descent: step counts, and ‖w‖, the mean log loss and w after each of them."""

    steps: Int64[np.ndarray, "k"]
    norms: Float[np.ndarray, "k"]
    losses: Float[np.ndarray, "k"]
    weights: Float[np.ndarray, "k m"]


def descend(X: Features, y: Labels, steps: int, learning_rate: float = 1.0) -> Growth:
    """w ← w − η Σ (p − y) x / n from w = 0, with neither penalty nor intercept, kept at up to 60 steps.

    With signs in the rows, Σ (p − y) x = −Σ σ(−s xᵀw) s x.
    """
    rows, w, kept = signs(X, y)[:, None] * X, np.zeros(X.shape[1]), {}
    keep = set(np.geomspace(1, steps, 60).astype(int).tolist())
    for step in range(1, steps + 1):
        w = w + learning_rate * sigmoid(-rows @ w) @ rows / len(X)
        if step in keep:
            kept[step] = w
    weights = np.array(list(kept.values()))
    losses = -log_sigmoid(weights @ rows.T).mean(axis=1)
    return Growth(np.array(list(kept)), np.linalg.norm(weights, axis=1), losses, weights)


def mirrored_points(rng: np.random.Generator) -> tuple[Features, Labels]:
    """Twenty points of class 1, and their mirror images as class 0, so that the best boundary goes through 0.

    Two of them are near class 0 and decide the widest margin; the bulk lies elsewhere and decides the first steps.
    """
    ones = np.vstack([[[0.5, 1.5], [1.5, 0.5]], np.array([3.0, 0.8]) + 0.5 * rng.normal(size=(18, 2))])
    return np.vstack([ones, -ones]), np.repeat([1, 0], len(ones))


def log_score(model: BaseEstimator, X: Features, y: Labels) -> float:
    """The mean of log Pr(y), from log-odds: scikit-learn's clips probabilities, so that no loss is above 36 nats."""
    return float(log_sigmoid(signs(X, y) * model.decision_function(X)).mean())


def angles(vectors: Float[np.ndarray, "k m"], to: Float[np.ndarray, "m"]) -> Float[np.ndarray, "k"]:
    """Degrees between each vector and another one."""
    cosine = vectors @ to / np.linalg.norm(vectors, axis=1) / np.linalg.norm(to)
    return np.degrees(np.arccos(np.minimum(cosine, 1.0)))


def draw_growth(X: Features, y: Labels, growth: Growth, margin: Float[np.ndarray, "2"]) -> Figure:
    """The points with boundaries early and late; by step ‖w‖, the loss, and the angle to the widest margin's w."""
    figure, ((plane, norm), (loss, angle)) = plots.panels(2, 2, height=2.7)
    for label, colour in ((0, plots.BLUE), (1, plots.RED)):
        plane.plot(*X[y == label].T, "o", color=colour, markersize=3.5)
    steps = growth.steps
    boundaries = {"widest margin": (margin, plots.INK, "--")}
    for i, colour in ((0, plots.SKY), (len(steps) // 2, plots.GREEN), (-1, plots.ORANGE)):
        boundaries[f"after {steps[i]:,}"] = (growth.weights[i], colour, "-")
    for name, (w, colour, style) in boundaries.items():
        along = np.array([-w[1], w[0]]) / np.linalg.norm(w)
        plane.plot(*np.outer(along, [-4, 4]), style, color=colour, linewidth=1.5, label=name)
    plane.set(title="Boundaries", aspect="equal", xlim=(-5, 5), ylim=(-2.5, 2.5))
    plane.legend(loc="lower right", fontsize=7)
    norm.semilogx(steps, growth.norms, color=plots.BLUE)
    theory = growth.norms[-1] + np.linalg.norm(margin) * np.log(steps / steps[-1])
    norm.semilogx(steps, theory, ":", color=plots.INK, label="slope in theory")
    norm.set(title="Length of w", ylim=(0, None))
    norm.legend()
    loss.loglog(steps, growth.losses, color=plots.BLUE)
    loss.set(title="Mean log loss (nats)", xlabel="step")
    angle.semilogx(steps, angles(growth.weights, margin), color=plots.BLUE)
    angle.set(title="Angle to the widest margin's w (degrees)", xlabel="step", ylim=(0, None))
    return figure


def draw_path(
    penalties: Float[np.ndarray, "k"], weights: Float[np.ndarray, "k m"], scores: dict[str, np.ndarray], best: float
) -> Figure:
    """The weights against the penalty; and the log loss on the tumours fitted to and on those held out."""
    figure, (path, loss) = plots.panels(2, height=3.2)
    path.semilogx(penalties, weights, linewidth=1)
    path.set(title=f"Weights of {weights.shape[1]} standardised inputs", xlabel="penalty λ", yscale="symlog")
    for (name, score), colour in zip(scores.items(), (plots.ORANGE, plots.BLUE), strict=True):
        loss.loglog(penalties, -score, "o-", color=colour, markersize=3, label=name)
    loss.set(title="Mean log loss (nats)", xlabel="penalty λ")
    loss.legend()
    for axis in (path, loss):
        axis.axvline(best, color=plots.INK, linestyle=":", linewidth=1.2)
    return figure


def score_log_odds(method: Method, part: Table) -> Float[np.ndarray, "items"]:
    """Accuracy and log loss of a method that predicts log-odds. Returns those of each item's own class."""
    margin = (2 * part.labels - 1) * method.model.decision_function(part.features)
    method.score(part)
    method.score_items("log loss", -log_sigmoid(margin), part, unit="nats")
    return margin


def lesson(run: Run) -> None:
    tumours = data.breast_cancer(seed=run.seed)
    train, test = malignant_as_1(tumours.train), malignant_as_1(tumours.test)
    grid = {"model__penalty": np.logspace(-6, 4, 21).tolist()}
    search = tuned(scaled(LogisticRegression()), grid, run, log_score, return_train_score=True)
    fits = {"penalty by cross-validation": search, f"penalty {TINY:g}": scaled(LogisticRegression(TINY))}
    for name, model in fits.items():
        with run.method(name, kind="from scratch") as method:
            method.fit(model, train)
            margin = score_log_odds(method, test)
        sure = np.abs(margin) > logit(0.999)
        run.fact(f"test tumours predicted with a probability above 99.9 %, {name}", int(sure.sum()))
        run.fact(f"of these misclassified, {name}", int((margin[sure] < 0).sum()))
    with run.method("linear SVM with Platt's sigmoid", kind="classical") as method:
        machine = scaled(CalibratedClassifierCV(SVC(kernel="linear")))
        calibrated = method.fit(tuned(machine, {"model__estimator__C": [0.01, 0.03, 0.1, 0.3, 1.0]}, run), train)
        score_probability(method, test, lambda X: calibrated.predict_proba(X)[:, 1])
    for rival in (f"penalty {TINY:g}", "linear SVM with Platt's sigmoid"):
        run.compare("penalty by cross-validation", rival, "log loss")
    run.floor("penalty by cross-validation", "log loss", at_most=0.12)

    standard = StandardScaler().fit_transform(train.features)
    run.fact("margin t by which a plane separates the training tumours", largest_margin(standard, train.labels))
    run.fact("margin t with the first twenty inputs only", largest_margin(standard[:, :20], train.labels))
    X, y = mirrored_points(run.rng)
    growth = descend(X, y, run.pick(smoke=1000, lecture=100_000))
    margin = SVC(kernel="linear", C=HARD).fit(X, y).coef_[0]
    decade = growth.steps >= growth.steps[-1] / 10
    slope = float(np.polyfit(np.log(growth.steps[decade]), growth.norms[decade], 1)[0] / np.linalg.norm(margin))
    run.fact("slope of ‖w‖ against log t in the last decade of steps, over theory", slope)
    run.fact("final angle to the widest margin", float(angles(growth.weights, margin)[-1]), "degrees")
    run.figure(
        "growth",
        draw_growth,
        X,
        y,
        growth,
        margin,
        caption="Gradient descent without a penalty on separable points. Top left: the points and the boundary after "
        "some of the steps; dashed, the widest margin's. Against the step, on a logarithmic axis: the length of w, "
        "and in theory (dotted) its growth like log t; the loss, which goes to 0; and the angle of w to the widest "
        "margin's w.",
    )
    best = search.best_params_["model__penalty"]
    if run.first:
        penalties = np.array([setting["model__penalty"] for setting in search.cv_results_["params"]])
        weights = [LogisticRegression(penalty).fit(standard, train.labels).coef_[0] for penalty in penalties]
        parts = {"held out": "mean_test_score", "fitted": "mean_train_score"}
        run.figure(
            "path",
            draw_path,
            penalties,
            np.array(weights),
            {name: search.cv_results_[part] for name, part in parts.items()},
            best,
            caption="Against the penalty λ, left: the weights (beyond ±1 the axis is logarithmic); right: the mean "
            "log loss on the tumours fitted to and on those held out in cross-validation. The dotted line is the λ of "
            "the lowest loss held out.",
        )
    small, large = (np.linalg.norm(fit["model"].coef_) for fit in (search.best_estimator_, fits[f"penalty {TINY:g}"]))
    run.note(
        f"With the penalty that cross-validation chooses, {best:.3g}, ‖w‖ is {small:.1f}; with {TINY:g} it is "
        f"{large:.0f}. scikit-learn's default, C = 1, is a penalty of 1."
    )
    run.claim(
        "With next to no penalty the probabilities are too close to 0 and 1, and a few confident mistakes make the log "
        "loss significantly higher than with the penalty of cross-validation.",
        beats("penalty by cross-validation", f"penalty {TINY:g}"),
    )

"""Thirty measurements of a tumour, one probability: the boundary is the plane where xᵀθ = 0.

Question   How is logistic regression fitted to many inputs, and how many steps does Newton's method save?
Method     Σ −log Pr(y | x, θ) + λ/2 ‖w‖², whose gradient is Xᵀ(p − y) + λw and whose Hessian Xᵀ diag(p (1 − p)) X + λI.
           A Newton step is a weighted least squares fit to xᵀθ + (y − p) / p (1 − p), hence its other name, iteratively
           reweighted least squares (Nelder and Wedderburn 1972; Rubin 1983). The solvers are in descent.py.
Rival      Linear discriminant analysis, k nearest neighbours; scikit-learn's LogisticRegression as the reference.
Differs    The lecture has no penalty; why one is needed is the next lesson. λ is chosen by cross-validation.
Costs      1.5 s on two cores, most of it to choose λ and k.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from ch03_classification.bernoulli import malignant_as_1, score_probability
from ch03_classification.descent import Objective, accelerated_gradient, few_threads, newton, separated
from ch03_classification.logistic_line import NEIGHBOURS, neighbours_probability
from ch03_classification.sigmoid import sigmoid
from ch03_classification.two_classes import TwoClassClassifier
from common import data, plots
from common.data import Table
from common.run import Run
from common.scales import LARGE, must_be, powers_of_two, warn_of_scale
from common.tuning import scaled, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EPSILON = np.finfo(np.float64).eps
SOLVE = {"newton": newton, "gradient": accelerated_gradient}
PENALTIES = np.logspace(-3, 3, 13).tolist()
TWO = ("worst radius", "worst concave points")
SEPARABLE = (
    "the classes are separable: without a penalty the loss falls for ever as the weights grow, and no finite weights "
    "are best; these are where it stopped; use penalty > 0"
)


def centred(
    X: Float[np.ndarray, "n m"],
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "n m+1"], Float[np.ndarray, "m+1"]]:
    """The columns' means, a column of ones before the columns less their means, and the sum of squares of each."""
    mean, design = X.mean(axis=0), np.empty((len(X), X.shape[1] + 1))
    design[:, 0] = 1.0
    np.subtract(X, mean, out=design[:, 1:])
    return mean, design, np.einsum("ij,ij->j", design, design)


class LogisticRegression(TwoClassClassifier):
    """argmin Σ −log Pr(y | x, θ) + penalty/2 ‖w‖² for two classes, the intercept unpenalised.

    penalty: λ ≥ 0, scikit-learn's 1 / C. solver: "newton" or "gradient". fit sets classes_ (2,), coef_ (1, m),
    intercept_ (1,), n_iter_, and loss_curve_, the objective at each step.
    """

    def __init__(self, penalty: float = 1.0, solver: str = "newton", max_iter: int = 10_000, tol: float = 1e-7) -> None:
        self.penalty = penalty
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike) -> LogisticRegression:
        """X: (n, m). y: (n,), labels of two kinds. Raises ValueError as scikit-learn does; warns if unfinished."""
        if self.solver not in SOLVE:
            raise ValueError(f"solver must be one of {', '.join(SOLVE)}, got {self.solver!r}")
        if not 0 <= self.penalty < np.inf:
            raise ValueError(f"penalty must be finite and at least 0, got {self.penalty}")
        must_be("max_iter", self.max_iter, least=1, whole=True)
        must_be("tol", self.tol)
        X, y = self._two_classes(X, y)
        # Columns are centred, which the intercept makes up for, and get units in which no curvature is above 1, so that
        # one step length suits all. The penalty stays on the weights of the columns as they came.
        with np.errstate(over="ignore", invalid="ignore"):
            mean, design, squares = centred(X)
        factors = np.ones(X.shape[1])
        if not ((squares > LARGE**-2) & (squares < LARGE**2)).all():  # constant columns, too
            factors = powers_of_two(X)
            mean, design, squares = centred(X / factors)
            if self.penalty > 0:
                warn_of_scale(X, "the penalty counts for nothing, or for all")
        with np.errstate(over="ignore"):
            penalties = np.r_[0.0, np.minimum(self.penalty / factors / factors, 1e300)]
        unit = np.sqrt(squares / 4 + penalties)
        unit[1:][unit[1:] <= len(X) * EPSILON * np.abs(mean)] = np.inf  # constant, but for the rounding of the mean
        design /= unit
        objective = Objective(design, 2.0 * y - 1, penalties / unit**2)
        with few_threads(design.shape[1]):
            found = SOLVE[self.solver](objective, self.max_iter, self.tol)
        if self.penalty == 0 and separated(objective, found):
            warnings.warn(SEPARABLE, ConvergenceWarning, stacklevel=2)
        elif not found.arrived:
            warnings.warn(f"{self.solver} did not arrive in {self.max_iter} steps", ConvergenceWarning, stacklevel=2)
        theta = found.theta / unit
        self.coef_, self.intercept_ = theta[None, 1:] / factors, theta[:1] - mean @ theta[1:]
        self.loss_curve_, self.n_iter_ = found.losses, len(found.losses)
        return self

    def decision_function(self, X: ArrayLike) -> Float[np.ndarray, "n"]:
        """xᵀθ, the log-odds of classes_[1]. X: (n, m)."""
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=False) @ self.coef_[0] + self.intercept_[0]

    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "n 2"]:
        """The probability of each class."""
        log_odds = self.decision_function(X)
        return sigmoid(np.column_stack([-log_odds, log_odds]))

    def predict(self, X: ArrayLike) -> Shaped[np.ndarray, "n"]:
        """classes_[1] where its probability is at least ½, that is, where xᵀθ ≥ 0."""
        log_odds = self.decision_function(X)
        return self.classes_[(log_odds >= 0).astype(int)]


def draw_boundary(part: Table, model: Pipeline) -> Figure:
    """Two standardised inputs, the probability as shades and contours, theta at right angles to the boundary."""
    figure, axis = plots.panels(width=6.4, height=4.4)
    z, theta, offset = model["scale"].transform(part.features), model["model"].coef_[0], model["model"].intercept_[0]
    x_0, x_1 = np.meshgrid(*(np.linspace(column.min() - 0.3, column.max() + 0.3, 150) for column in z.T))
    p = sigmoid(offset + theta[0] * x_0 + theta[1] * x_1)
    axis.contourf(x_0, x_1, p, levels=np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.4)
    axis.grid(visible=False)
    levels = np.arange(1, 10) / 10
    lines = axis.contour(x_0, x_1, p, levels, colors=plots.INK, linewidths=np.where(levels == 0.5, 2.5, 0.6))
    axis.clabel(lines, levels[::2], fontsize=8)
    for label, colour in ((0, plots.BLUE), (1, plots.RED)):
        axis.plot(*z[part.labels == label].T, "o", color=colour, markersize=3, markeredgewidth=0)
    foot = -offset * theta / (theta @ theta)  # of all points with xᵀθ = 0 the nearest to the middle
    tip = foot + 1.5 * theta / np.linalg.norm(theta)
    axis.annotate("", tip, foot, arrowprops={"arrowstyle": "-|>", "color": plots.INK, "linewidth": 2.5})
    axis.text(*tip, r"  $\theta$", fontsize=14, va="bottom")
    axis.set(title="Probability of malignant", aspect="equal", xlabel=f"{part.names[0]} (standardised)")
    axis.set_ylabel(f"{part.names[1]} (standardised)")
    return figure


def draw_convergence(curves: dict[str, list[float]]) -> Figure:
    """How far the loss is above the lowest, step by step."""
    figure, axis = plots.panels(width=6.4, height=3.2)
    lowest = min(min(curve) for curve in curves.values())
    for name, curve in curves.items():
        axis.loglog(np.arange(1, len(curve) + 1), np.maximum(np.array(curve) - lowest, 1e-14), label=name)
    axis.set(title="Loss above the lowest", xlabel="step", ylabel="nats", ylim=(1e-10, None))
    axis.legend(loc="upper right")
    return figure


def lesson(run: Run) -> None:
    tumours = data.breast_cancer(seed=run.seed)
    train, test = malignant_as_1(tumours.train), malignant_as_1(tumours.test)
    with run.method("logistic, Newton", kind="from scratch") as method:
        ours = method.fit(tuned(scaled(LogisticRegression()), {"model__penalty": PENALTIES}, run), train)
        score_probability(method, test, lambda X: ours.predict_proba(X)[:, 1])
    penalty = run.fact("penalty λ that cross-validation chooses", ours.best_params_["model__penalty"])
    others = {
        "logistic, gradient": ("from scratch", LogisticRegression(penalty, "gradient")),
        "logistic, scikit-learn": ("reference", Reference(C=1 / penalty, solver="newton-cholesky", tol=1e-12)),
        "linear discriminant": ("classical", LinearDiscriminantAnalysis()),
    }
    for name, (kind, model) in others.items():
        with run.method(name, kind=kind) as method:
            fitted = method.fit(scaled(model), train)
            score_probability(method, test, lambda X, fitted=fitted: fitted.predict_proba(X)[:, 1])
    with run.method("k nearest neighbours", kind="classical") as method:
        search = tuned(scaled(KNeighborsClassifier()), {"model__n_neighbors": NEIGHBOURS}, run)
        score_probability(method, test, neighbours_probability(method.fit(search, train)))
    with run.method("logistic, two inputs", kind="from scratch") as method:
        two = method.fit(scaled(LogisticRegression(penalty)), train.select(*TWO))
        score_probability(method, test.select(*TWO), lambda X: two.predict_proba(X)[:, 1])
    for rival in ("linear discriminant", "k nearest neighbours"):
        run.compare("logistic, Newton", rival, "log loss")
    run.floor("logistic, Newton", "log loss", at_most=0.12)
    run.floor("logistic, Newton", "accuracy", at_least=95.9)

    exact = run.methods["logistic, scikit-learn"].model["model"].coef_
    gradient = run.methods["logistic, gradient"].model["model"]
    fits = {"Newton": ours.best_estimator_["model"], "accelerated gradient": gradient}
    digits = {}
    for name, fit in fits.items():
        run.fact(f"steps of {name}", fit.n_iter_)
        gap = float(np.abs(fit.coef_ - exact).max() / np.abs(exact).max())
        digits[name] = run.fact(f"digits in which {name} agrees with scikit-learn", -np.log10(gap + EPSILON))
    z = StandardScaler().fit_transform(train.features)
    penalties = np.r_[0.0, np.full(z.shape[1], penalty)]
    objective = Objective(np.column_stack([np.ones(len(z)), z]), 2.0 * train.labels - 1, penalties)
    plain = accelerated_gradient(objective, run.pick(smoke=100, lecture=10_000), tol=1e-7, momentum=False)
    run.figure(
        "boundary",
        draw_boundary,
        train.select(*TWO),
        two,
        caption="Two of the inputs; malignant tumours are red, benign ones blue. Thin lines join places of equal "
        "probability; the thick one is the boundary, where it is ½ and xᵀθ = 0. theta (arrow) is perpendicular to it; "
        "the longer theta, the closer the lines.",
    )
    run.figure(
        "convergence",
        draw_convergence,
        {name: fit.loss_curve_ for name, fit in fits.items()} | {"plain gradient": plain.losses},
        caption="The loss above the lowest that any solver reached, against the step, on logarithmic axes. In theory "
        "Newton's method, once near, squares its error with each step, and a gradient step takes a share off it.",
    )
    run.note(
        f"{fits['Newton'].n_iter_} Newton steps, {gradient.n_iter_} of the accelerated gradient: their theta agree "
        f"with scikit-learn's in {digits['Newton']:.0f} and {digits['accelerated gradient']:.0f} digits."
    )

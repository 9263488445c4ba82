"""Thirty measurements of a tumour, one probability: the boundary is the plane where xᵀθ = 0.

Question   How is logistic regression fitted to many inputs, and how many steps does Newton's method save?
Method     Σ −log Pr(y | x, θ) + λ/2 ‖w‖², whose gradient is Xᵀ(p − y) + λw and whose Hessian Xᵀ diag(p (1 − p)) X + λI.
           A Newton step is a weighted least squares fit to xᵀθ + (y − p) / p (1 − p), hence its other name, iteratively
           reweighted least squares (Nelder and Wedderburn 1972; Rubin 1983). It stands here twice: as the textbook has
           it, and with safeguards for many points, dependent columns and steps that overshoot.
Rival      Linear discriminant analysis with its covariance shrunk, k nearest neighbours; scikit-learn's
           LogisticRegression as the reference.
Differs    The lecture has no penalty; why one is needed is the next lesson. λ, the shrinkage and k are chosen by
           cross-validation.
Costs      3 s on two cores.
"""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float, Real, Shaped
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from ch03_classification.baselines.tuned_rivals import classical_rivals
from ch03_classification.bernoulli import malignant_as_1, score_probability
from ch03_classification.drawings.logistic import draw_boundary, draw_convergence, draw_unit
from ch03_classification.estimators.two_classes import TwoClassClassifier
from ch03_classification.optimisation.accelerated_gradient import accelerated_gradient
from ch03_classification.optimisation.column_units import scale_columns
from ch03_classification.optimisation.logistic_loss import Descent, Objective, few_threads, is_separated, solve
from ch03_classification.sigmoid import sigmoid
from common import data
from common.run import Run
from common.scales import must_be
from common.tuning import scaled, tuned

EPSILON = np.finfo(np.float64).eps
MANY = 1000  # points for each weight, from which on a sixteenth of them shows where to start
SLACK = 1e-12  # a loss that rises by a smaller share of itself rises by rounding
PENALTIES = np.logspace(-3, 3, 13).tolist()
TWO = ("worst radius", "worst concave points")
RIVALS = ("linear discriminant", "k nearest neighbours")
SEPARABLE = (
    "the classes are separable: without a penalty the loss falls for ever as the weights grow, and no finite weights "
    "are best; these are where it stopped; use penalty > 0"
)


def textbook_newton(
    X: Float[np.ndarray, "n m"], y: Real[np.ndarray, "n"], penalties: Float[np.ndarray, "m"], steps: int
) -> Float[np.ndarray, "m"]:
    """Newton's method as the equations have it, from θ = 0. X: one column is 1, and its penalty 0. y: 0 or 1.

    Enough where points are few, columns are of similar size and none depends on others, and no step overshoots.
    """
    theta = np.zeros(X.shape[1])
    for _ in range(steps):
        p = sigmoid(X @ theta)
        gradient = X.T @ (p - y) + penalties * theta
        hessian = X.T @ ((p * (1 - p))[:, None] * X) + np.diag(penalties)
        theta = theta - np.linalg.solve(hessian, gradient)
    return theta


def newton(objective: Objective, max_iter: int, tol: float) -> Descent:
    """The same with three safeguards: half-way back where a step has raised the loss; a start from a sixteenth of many
    points; a Hessian that dependent columns make singular is solved all the same.

    H⁻¹ is also the covariance of the estimate, so √(gᵀH⁻¹g) is the length of a step in standard errors. Each error is
    like the square of the one before: after steps of lengths a and b the next one's is about b (b / a)². It ends where
    that is below tol.
    """
    n, m = objective.X.shape
    before, lowest, last, losses = np.zeros(m), n * np.log(2), 0.0, []  # with θ = 0 every p is ½
    theta = newton(objective.sixteenth(), max_iter, tol=0.1).theta if n > MANY * m else before
    for _ in range(max_iter):
        loss, slope, wrong = objective.slope(theta)
        losses.append(loss)
        if not loss <= lowest * (1 + SLACK):  # "not": neither is NaN
            theta = (theta + before) / 2
            continue
        step = solve(objective.curvature(wrong), slope)
        theta, before, lowest = theta - step, theta, loss
        length = np.sqrt(max(slope @ step, 0.0))
        if length**3 <= tol * last**2:
            return Descent(theta, losses, arrived=True)
        last = length
    return Descent(theta, losses, arrived=False)


SOLVE = {"newton": newton, "gradient": accelerated_gradient}


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
        design = scale_columns(X, self.penalty)
        objective = Objective(design.matrix, 2.0 * y - 1, design.penalties)
        with few_threads(X.shape[1] + 1):
            found = SOLVE[self.solver](objective, self.max_iter, self.tol)
        if self.penalty == 0 and is_separated(objective, found):
            warnings.warn(SEPARABLE, ConvergenceWarning, stacklevel=2)
        elif not found.arrived:
            warnings.warn(f"{self.solver} did not arrive in {self.max_iter} steps", ConvergenceWarning, stacklevel=2)
        theta = found.theta / design.unit
        self.coef_, self.intercept_ = theta[None, 1:] / design.factors, theta[:1] - design.mean @ theta[1:]
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


def lesson(run: Run) -> None:
    tumours = data.breast_cancer(seed=run.seed)
    train, test = malignant_as_1(tumours.train), malignant_as_1(tumours.test)
    with run.method("logistic, Newton", kind="from scratch") as method:
        ours = method.fit(tuned(scaled(LogisticRegression()), {"model__penalty": PENALTIES}, run), train)
        score_probability(method, test, lambda X: ours.predict_proba(X)[:, 1])
    penalty = run.fact("penalty λ that cross-validation chooses", ours.best_params_["model__penalty"])
    reference = Reference(C=1 / penalty, solver="newton-cholesky", tol=1e-12)
    rivals = classical_rivals(run)
    others = {
        "logistic, gradient": ("from scratch", scaled(LogisticRegression(penalty, "gradient"))),
        "logistic, scikit-learn": ("reference", scaled(reference)),
    } | {name: ("classical", rivals[name]) for name in RIVALS}
    for name, (kind, model) in others.items():
        with run.method(name, kind=kind) as method:
            fitted = method.fit(model, train)
            score_probability(method, test, lambda X, fitted=fitted: fitted.predict_proba(X)[:, 1])
    with run.method("logistic, two inputs", kind="from scratch") as method:
        two = method.fit(scaled(LogisticRegression(penalty)), train.select(*TWO))
        score_probability(method, test.select(*TWO), lambda X: two.predict_proba(X)[:, 1])
    for rival in RIVALS:
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
    X = np.column_stack([np.ones(len(z)), z])
    short = textbook_newton(X, train.labels, penalties, steps=run.pick(smoke=8, lecture=15))[1:]
    gap = float(np.abs(short - exact).max() / np.abs(exact).max())
    run.fact("digits in which the textbook's Newton agrees with scikit-learn", -np.log10(gap + EPSILON))
    objective = Objective(X, 2.0 * train.labels - 1, penalties)
    plain = accelerated_gradient(objective, run.pick(smoke=100, lecture=10_000), tol=1e-7, momentum=False)
    pair = train.select(*TWO).features
    near = pair[np.abs(two.predict_proba(pair)[:, 1] - 0.8).argmin()][None]
    weights = np.r_[two["model"].intercept_, two["model"].coef_[0]]
    run.figure(
        "unit",
        draw_unit,
        TWO,
        two["scale"].transform(near)[0],
        weights,
        caption="Logistic regression on two inputs as a graph: the inputs, here of one tumour and standardised, times "
        "the weights on the arrows; their sum z; and the sigmoid, which makes a probability of it.",
    )
    run.figure(
        "boundary",
        draw_boundary,
        train.select(*TWO),
        two,
        caption="Two of the inputs; malignant tumours are red, benign ones blue. Thin lines join places of equal "
        "probability; the thick one is the boundary, where it is ½ and xᵀθ = 0. θ (arrow) is perpendicular to it; "
        "the longer θ, the closer the lines.",
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

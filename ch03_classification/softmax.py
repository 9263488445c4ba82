"""Ten digits: exponentials, divided by their sum, turn ten scores into ten probabilities.

Question   How is logistic regression extended to more than two classes, and how good is it on digits?
Method     P(k | x) = exp(zₖ) / Σⱼ exp(zⱼ) with zₖ = θₖᵀx (Bishop 2006, §4.3.4). The log loss has the gradient
           Xᵀ(P − Y). Gradient descent follows it in five lines. L-BFGS (Liu and Nocedal 1989), a descent that
           estimates the curvature from the last steps, takes far fewer steps in coordinates in which the cost is round.
Rival      Discriminant analysis, k nearest neighbours and an RBF-SVM on the same digits; scikit-learn's logistic
           regression is the reference.
Differs    The lecture has two classes, for which softmax is the sigmoid of z₁ − z₀. Böhning (1992) bounds the curvature
           once and for all; here it is measured again during the descent (optimisation/preconditioning.py).
Costs      19 s on two cores.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Real as RealNumber

import numpy as np
from jaxtyping import Float, Real, Shaped
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import check_scalar
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ch03_classification.baselines.tuned_rivals import classical_rivals
from ch03_classification.digits.tables import pixels, principal_plane
from ch03_classification.drawings.softmax import draw_answers, draw_plane, draw_walks, draw_weights
from ch03_classification.optimisation.preconditioning import EPSILON, Theta, compare_coordinates, descend_in_rounds
from common import data
from common.answers import as_floats, check_labels
from common.data import Table
from common.run import Method, Run
from common.scales import must_be, powers_of_two, warn_of_scale
from common.tuning import tuned

LEAST = 1e-6  # probabilities below are counted as this: a forest's 0 would make its log loss infinite
PENALTIES = {"8×8": [0.01, 0.1, 1.0, 10.0, 100.0], "28×28": [3.0, 10.0, 30.0]}


def log_softmax(z: Real[np.ndarray, "n classes"]) -> Float[np.ndarray, "n classes"]:
    """log P = z − log Σⱼ exp(zⱼ). The largest z is taken off first, which changes nothing but that no exp overflows."""
    z = as_floats(z)
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def gini_impurity(P: Float[np.ndarray, "n classes"]) -> Float[np.ndarray, "n"]:
    """1 − Σₖ Pₖ², 0 where one class has the whole probability: then the point contributes no curvature.

    A point adds (diag(P) − PPᵀ) ⊗ xxᵀ to the Hessian, and 1 − Σ Pₖ² is the trace of that first factor.
    """
    return 1 - (P**2).sum(axis=1)


@dataclass(frozen=True)
class Cost:
    """C(θ) = −Σ Y log P + ½ Σ λθ², in nats. X: a column of ones, then the centred inputs. Y: a 1 in the true class."""

    X: Float[np.ndarray, "n m"]
    Y: Float[np.ndarray, "n classes"]
    penalty: Float[np.ndarray, "m"]

    @classmethod
    def of(
        cls,
        inputs: Float[np.ndarray, "n m"],
        labels: Shaped[np.ndarray, "..."],
        penalty: float | Float[np.ndarray, "m"],
    ) -> Cost:
        """The cost of these inputs, centred, with theta_0 unpenalised. labels: 0 … classes − 1, none missing.

        penalty: one for all columns, or one for each. Raises ValueError unless there is a label for each row.
        """
        labels = check_labels(labels, inputs.shape, int(labels.max(initial=0)) + 1, ("labels", "inputs"))
        mean = inputs.mean(axis=0)
        centred = inputs - mean
        centred[:, np.abs(centred).max(axis=0) <= len(inputs) * EPSILON * np.abs(mean)] = 0.0  # but for its rounding
        X = np.column_stack([np.ones(len(inputs)), centred])
        return cls(X, np.eye(labels.max() + 1)[labels], np.r_[0.0, np.broadcast_to(penalty, len(mean))])

    @property
    def start(self) -> Theta:
        """θ = 0: all classes are as likely."""
        return np.zeros((self.X.shape[1], self.Y.shape[1]))

    def at(self, theta: Theta) -> tuple[float, Theta]:
        """C(θ) and its gradient Xᵀ(P − Y) + λθ."""
        logs = log_softmax(self.X @ theta)
        value = self.penalty @ (theta**2).sum(axis=1) / 2 - np.vdot(self.Y, logs)
        return float(value), self.X.T @ (np.exp(logs) - self.Y) + self.penalty[:, None] * theta

    def point_curvatures(self, theta: Theta) -> Float[np.ndarray, "n"]:
        """½ (1 − Σ P²) for each point at θ. Böhning's ½ (1992) bounds it everywhere; this is closer, but no bound."""
        return gini_impurity(np.exp(log_softmax(self.X @ theta))) / 2


def gradient_descent(cost: Cost, steps: int) -> tuple[Theta, list[float]]:
    """θ ← θ − η ∇C from θ = 0, and C before each step. No curvature exceeds L = ½ λ_max(XᵀX) + max λ (Böhning 1992), so
    η = 1/L is safe.
    """
    theta, costs, L = cost.start, [], np.linalg.eigvalsh(cost.X.T @ cost.X)[-1] / 2 + cost.penalty.max()
    for _ in range(steps):
        value, gradient = cost.at(theta)
        theta = theta - gradient / L
        costs.append(value)
    return theta, costs


class SoftmaxRegression(ClassifierMixin, BaseEstimator):
    """Softmax over linear scores, for two classes or more: argmin of −Σ log P(true class) + λ/2 ‖W‖².

    penalty: λ ≥ 0; intercepts are not penalised. tol: the largest slope at which to stop; one weight can then still
    gain about tol²/2 nats. fit sets classes_, coef_ (classes, m), intercept_ (classes,), losses_ (per step), n_iter_.
    """

    def __init__(self, penalty: float = 1.0, max_iter: int = 2000, tol: float = 1e-3) -> None:
        self.penalty = penalty
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike) -> SoftmaxRegression:
        """X: (n, m). y: (n,). Raises ValueError for a single class, and as scikit-learn does."""
        check_scalar(self.penalty, "penalty", RealNumber, min_val=0)
        must_be("penalty", self.penalty)
        must_be("max_iter", self.max_iter, least=1, whole=True)
        must_be("tol", self.tol)
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("softmax regression needs two classes or more, got 1 class")
        factors = powers_of_two(X)
        if self.penalty > 0:
            warn_of_scale(X, "the penalty counts for nothing, or for all")
        X = X / factors if (factors != 1).any() else X
        with np.errstate(over="ignore"):
            penalties = np.minimum(self.penalty / factors / factors, 1e300)
        cost = Cost.of(X, labels, penalties)
        theta, self.losses_, done = descend_in_rounds(cost, self.max_iter, self.tol)
        if not done:
            warnings.warn(f"no minimum after {self.max_iter} steps; raise max_iter", ConvergenceWarning, stacklevel=2)
        self.n_iter_ = len(self.losses_)
        self.coef_ = theta[1:].T
        self.intercept_ = theta[0] - self.coef_ @ X.mean(axis=0)
        self.coef_ = self.coef_ / factors
        return self

    def predict_log_proba(self, X: ArrayLike) -> Float[np.ndarray, "n classes"]:
        """log P(k | x). X: (n, m)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return log_softmax(X @ self.coef_.T + self.intercept_)

    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "n classes"]:
        """P(k | x). X: (n, m)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest class of each row, (n,)."""
        best = self.predict_log_proba(X).argmax(axis=1)  # which raises for a model that is not fitted
        return self.classes_[best]


def score_classes(method: Method, part: Table) -> None:
    """Accuracy, and log loss: −log of the probability that the true class was given, counted as LEAST if below."""
    method.score(part)
    given = method.model.predict_proba(part.features)[np.arange(len(part)), part.labels]
    method.score_items("log loss", -np.log(np.maximum(given, LEAST)), part, unit="nats")


def lesson(run: Run) -> None:
    digits, mnist = data.digits(seed=run.seed), data.mnist(run.scale)
    small = pixels(digits.train, white=16), pixels(digits.test, white=16)
    large = pixels(mnist.train, white=255), pixels(mnist.test, white=255)
    tol = run.pick(smoke=0.1, lecture=0.01)
    one_split = {"cv": StratifiedShuffleSplit(1, test_size=0.2, random_state=run.seed)}
    for size, (train, test), search, names in (
        ("8×8", small, {}, ("linear discriminant", "k nearest neighbours", "RBF-SVM")),
        ("28×28", large, one_split, ("linear discriminant", "k nearest neighbours")),
    ):
        ours = f"softmax, {size}"
        with run.method(ours, kind="from scratch") as method:
            method.fit(tuned(SoftmaxRegression(tol=tol), {"penalty": PENALTIES[size]}, run, **search), train)
            score_classes(method, test)
        rivals = classical_rivals(run, standardise=False, **search)
        for name in names:
            with run.method(f"{name}, {size}", kind="classical") as method:
                method.fit(rivals[name], train)
                score_classes(method, test)
            run.compare(ours, f"{name}, {size}", "accuracy")
            run.compare(ours, f"{name}, {size}", "log loss")
    small_fit, large_fit = (run.methods[f"softmax, {size}"].model.best_estimator_ for size in PENALTIES)
    with run.method("scikit-learn's softmax, 8×8", kind="reference") as method:
        method.fit(Reference(C=1 / small_fit.penalty, max_iter=5000), small[0])
        score_classes(method, small[1])
    run.floor("softmax, 8×8", "accuracy", at_least=95.8)
    run.floor("softmax, 28×28", "accuracy", at_least=90.9)
    run.fact("penalty λ chosen, 8×8", small_fit.penalty)
    run.fact("penalty λ chosen, 28×28", large_fit.penalty)

    steps, tumours = run.pick(smoke=15, lecture=1000), data.breast_cancer(seed=run.seed).train
    few = large[0].take(slice(run.pick(smoke=300, lecture=1000)))
    problems = {"Digits: pixels, one unit": few, "Tumours: thirty units": tumours}
    walked = {}
    for problem, part in problems.items():
        cost = Cost.of(part.features, part.labels, 1.0)
        walked[problem] = found = compare_coordinates(cost, steps, 1e-5)
        least = min(min(costs) for costs in found.values())
        for name, costs in found.items():
            run.fact(f"{problem}: steps to within 0.01 %, {name}", int(np.sum(np.array(costs) > 1.0001 * least)) + 1)
        found["gradient descent"] = slow = gradient_descent(cost, steps)[1]
        run.fact(f"{problem}: cost above the lowest, gradient descent", 100 * (slow[-1] / least - 1), "%")
    plane = principal_plane(small[0], [0, 1, 2])
    run.figure(
        "plane", draw_plane, plane, SoftmaxRegression().fit(plane.features, plane.labels), ["0", "1", "2"],
        caption="Training digits of three classes along their first two principal components, and softmax regression "
        "on these: colours are mixed in proportion to the probabilities. Two classes are equally probable where their "
        "scores are equal, which is a line, and the three lines meet in a point.",
    )  # fmt: skip
    run.figure(
        "weights", draw_weights, large_fit.coef_.reshape(-1, *mnist.train.images.shape[1:]),
        caption="The weights of each class as an image, on one scale: ink on a blue pixel raises the score of the "
        "digit, ink on a red pixel lowers it.",
    )  # fmt: skip
    P = large_fit.predict_proba(large[1].features)
    wrong = np.flatnonzero(P.argmax(axis=1) != mnist.test.labels)
    wrong = wrong[np.argsort(P[wrong].max(axis=1))]
    shown = np.r_[:3, wrong[[0, len(wrong) // 2, -2, -1]]]
    run.figure(
        "answers", draw_answers, mnist.test.take(shown), P[shown],
        caption="The first three test digits, then mistakes from the least to the most confident, with their ten "
        "probabilities below: green is the true class, red the prediction where it is wrong.",
    )  # fmt: skip
    run.figure(
        "steps", draw_walks, walked,
        caption="The cost above the lowest that was reached, as a share of it, against the step: of L-BFGS in the "
        "inputs' own coordinates, in coordinates made nearly round by Böhning's bound on the curvature, and in "
        "coordinates made nearly round by the measured curvature; and of gradient descent. Left: pixels, which share a "
        "unit. Right: measurements of tumours in their thirty units.",
    )  # fmt: skip
    run.note(
        f"{100 * len(wrong) / len(P):.0f} % of the large test digits are misclassified: in a linear score, what a "
        "pixel contributes cannot depend on its neighbours."
    )

"""A nerve cell fires or it does not. Could logic be made of such cells, and could they learn it?

Question   What can a unit compute that fires where a weighted sum reaches a threshold, and how are its weights learned?
Method     McCulloch and Pitts (1943): 1 where wᵀx ≥ θ, that is, wᵀx + b ≥ 0 with the bias b = −θ. Hebb (1949):
           Δw = y x, for what fires together. Rosenblatt (1958, 1962): the same, but only after a mistake, and at most
           (R/γ)² of these (Novikoff 1962).
Rival      Logistic regression and a linear support vector machine on the same tumours; scikit-learn's Perceptron is the
           reference. Also the average of all weights met (Freund and Schapire 1999).
Differs    Rosenblatt's machine had units with random connections in front, and motors set its weights. The gates are
           in threshold_logic/gates.py.
Costs      3 s on two cores.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike
from scipy.optimize import nnls
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron as Reference
from sklearn.svm import LinearSVC
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ch03_classification.bernoulli import malignant_as_1
from ch03_classification.drawings.neuron import draw_mistakes
from ch03_classification.estimators.two_classes import TwoClassClassifier
from ch03_classification.logistic import LogisticRegression
from ch03_classification.threshold_logic.gates import corners, count_computable, draw_gates, xor
from common import data, plots
from common.answers import check_labels
from common.claims import beats
from common.run import Run
from common.scales import must_be, powers_of_two, warn_of_scale
from common.tuning import scaled, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLOCK = 64  # points among which the next mistake is looked for at once
PENALTIES = np.logspace(-2, 2, 5).tolist()
TUNED = {"logistic regression": {"model__penalty": PENALTIES}, "linear SVM": {"model__C": PENALTIES}}

Signed = Float[np.ndarray, "n m"]  # a row z for each point; the unit is right where wᵀz > 0


def multiply_by_label(x: Float[np.ndarray, "n m"], labels: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "n m+1"]:
    """z = y (x, 1) for each point, with y = ±1 for labels 1 and 0. Raises ValueError for other labels."""
    labels = check_labels(labels, x.shape, 2, ("labels", "x"))
    return (2.0 * labels - 1)[:, None] * np.column_stack([x, np.ones(len(x))])


def one_pass(Z: Signed, w: Float[np.ndarray, "m"]) -> Iterator[int]:
    """Rosenblatt's rule, once through the points: where wᵀz ≤ 0, w ← w + z. Changes w; yields each mistake's place.

    Nothing changes between mistakes, so one product finds the next one in a block of points.
    """
    at = 0
    while at < len(Z):
        wrong = Z[at : at + BLOCK] @ w <= 0
        if not wrong.any():
            at += BLOCK
            continue
        at += int(wrong.argmax())
        w += Z[at]
        yield at
        at += 1


def mistake_bound(Z: Signed) -> float:
    """(R/γ)² with R = max ‖z‖ and γ = max over ‖w‖ = 1 of min wᵀz (Novikoff 1962); infinite where no w separates.

    γ is how far from 0 the hull of the z is. Its nearest point is Zᵀα with α ≥ 0 and Σα = 1, and if R = 1 the least
    ‖Zᵀα‖² + (1 − Σα)² over all α ≥ 0 is γ² / (1 + γ²).
    """
    unit = Z / np.linalg.norm(Z, axis=1).max()
    least = nnls(np.vstack([unit.T, np.ones(len(Z))]), np.r_[np.zeros(Z.shape[1]), 1.0])[1] ** 2
    return 1 / least - 1 if least > 1e-14 else np.inf


class _Neuron(TwoClassClassifier):
    """A unit for two classes: classes_[1] where wᵀx + b > 0. fit sets classes_, coef_ (1, m) and intercept_ (1,)."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> _Neuron:
        """X: (n, m). y: (n,), labels of two kinds. Raises ValueError for more or fewer, and as scikit-learn does."""
        X, labels = self._two_classes(X, y)
        Z, largest = multiply_by_label(X, labels), powers_of_two(X).max()
        if largest <= 1:
            warn_of_scale(X, "beside the constant 1 such inputs count for nothing")
        w = self._learn(Z / largest if largest > 1 else Z)  # only the sign of wᵀx counts, so no length does
        self.coef_, self.intercept_ = w[None, :-1], w[-1:]
        return self

    def decision_function(self, X: ArrayLike) -> Float[np.ndarray, "n"]:
        """wᵀx + b. X: (n, m)."""
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=False) @ self.coef_[0] + self.intercept_[0]

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The class of each row, (n,)."""
        fired = self.decision_function(X) > 0
        return self.classes_[fired.astype(int)]


class Hebb(_Neuron):
    """Hebb's rule, one pass: w = Σ y x. For classes of equal size w points from one's mean to the other's."""

    def _learn(self, Z: Signed) -> Float[np.ndarray, "m"]:
        return Z.sum(axis=0)


class Perceptron(_Neuron):
    """Rosenblatt's rule, pass after pass, until one has no mistake. average: keep the mean of w over all points seen.

    fit also sets mistakes_, one count per pass, and n_iter_, the passes. Warns where max_epochs passes were not enough.
    """

    def __init__(self, max_epochs: int = 1000, shuffle: bool = True, average: bool = False, random_state=None) -> None:
        self.max_epochs = max_epochs
        self.shuffle = shuffle
        self.average = average
        self.random_state = random_state

    def _learn(self, Z: Signed) -> Float[np.ndarray, "m"]:
        must_be("max_epochs", self.max_epochs, least=1, whole=True)
        rng = check_random_state(self.random_state)
        w, late, self.mistakes_ = np.zeros(Z.shape[1]), np.zeros(Z.shape[1]), []
        for epoch in range(self.max_epochs):
            points = rng.permutation(Z) if self.shuffle else Z
            wrong = list(one_pass(points, w))
            late += (epoch * len(Z) + np.array(wrong, dtype=float)) @ points[wrong]  # z is in w since then
            self.mistakes_.append(len(wrong))
            if not wrong:
                break
        else:
            warnings.warn(f"{self.max_epochs} passes, none without a mistake", ConvergenceWarning, stacklevel=3)
        self.n_iter_ = len(self.mistakes_)
        return w - late / (self.n_iter_ * len(Z)) if self.average else w


def nuisance(n: int, rng: np.random.Generator) -> tuple[Float[np.ndarray, "n 2"], Int[np.ndarray, "n"]]:
    """x₁ = class + x₂ + noise, with x₂ independent of the class, so that the class is visible only in x₁ − x₂."""
    labels, x_2 = np.arange(n) % 2, 2 * rng.normal(size=n)
    return np.column_stack([2.0 * labels - 1 + x_2 + 0.2 * rng.normal(size=n), x_2]), labels


def count_mistakes(gap: float, n: int, rng: np.random.Generator) -> tuple[float, list[int]]:
    """Novikoff's bound for n points of a square, none nearer than gap to a line; the mistakes made in ten orders."""
    x, line = rng.uniform(-1, 1, size=(20 * n, 2)), np.array([0.6, 0.8])
    x = x[np.abs(x @ line) > gap][:n]
    labels = (x @ line > 0).astype(int)
    counts = [sum(Perceptron(100_000, random_state=k).fit(x, labels).mistakes_) for k in range(10)]
    return mistake_bound(multiply_by_label(x, labels)), counts


def draw_turning(x: Float[np.ndarray, "n 2"], labels: Int[np.ndarray, "n"], lines: dict[str, np.ndarray]) -> Figure:
    """The same points under several lines wᵀ(x, 1) = 0, the side of class 1 shaded."""
    figure, axes = plots.panels(len(lines), width=2.3, height=2.8, sharey=True)
    ends = float(np.abs(x).max()) * 1.1
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-ends, ends, 121)]), axis=-1)
    for axis, (name, w) in zip(axes, lines.items(), strict=True):
        axis.contourf(grid[..., 0], grid[..., 1], grid @ w[:2] + w[2] > 0, levels=[0.5, 2], colors=[plots.PALE])
        for label, colour in ((0, plots.BLUE), (1, plots.ORANGE)):
            axis.plot(*x[labels == label].T, "o", color=colour, markersize=3)
        wrong = np.mean(multiply_by_label(x, labels) @ w <= 0)
        axis.set(title=f"{name}: {100 * wrong:.0f} % wrong", xlabel="$x_1$", xlim=(-ends, ends), ylim=(-ends, ends))
    axes[0].set_ylabel("$x_2$")
    return figure


def lesson(run: Run) -> None:
    for inputs, largest in ((2, 1), (3, 2), (4, 3)):
        computable = count_computable(inputs, largest)
        run.fact(f"functions of {inputs} inputs that one unit computes, of {2**2**inputs}", computable)
    run.figure(
        "gates",
        draw_gates,
        caption="Orange corners give 1, blue ones 0; a unit fires on one side of a line (shaded). No line has just the "
        "orange corners of XOR on one side: it takes two units, OR and NAND, and a third that fires where both do.",
    )

    tumours = data.breast_cancer(seed=run.seed)
    train, test = malignant_as_1(tumours.train), malignant_as_1(tumours.test)
    passes = run.pick(smoke=50, lecture=5000)
    methods = {
        "Hebb": ("from scratch", Hebb()),
        "perceptron": ("from scratch", Perceptron(passes, random_state=run.seed)),
        "averaged perceptron": ("from scratch", Perceptron(100, average=True, random_state=run.seed)),
        "scikit-learn's perceptron": ("reference", Reference(random_state=run.seed)),
        "logistic regression": ("from scratch", LogisticRegression()),
        "linear SVM": ("classical", LinearSVC(random_state=run.seed)),
    }
    for name, (kind, model) in methods.items():
        with run.method(name, kind=kind) as method, warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # to be averaged, a hundred passes are plenty
            method.fit(tuned(scaled(model), TUNED[name], run, "accuracy") if name in TUNED else scaled(model), train)
            method.score(test)
    for rival in ("Hebb", "perceptron", "logistic regression", "linear SVM"):
        run.compare("averaged perceptron", rival)
    run.floor("averaged perceptron", "accuracy", at_least=94.2)

    scale, ours = (run.methods["perceptron"].model[step] for step in ("scale", "model"))
    made = run.fact(f"mistakes on the training tumours, in at most {passes} passes", sum(ours.mistakes_))
    bound = mistake_bound(multiply_by_label(scale.transform(train.features), train.labels))
    run.fact("Novikoff's bound on them, (R/γ)²", bound)
    Z, w = multiply_by_label(corners(2).astype(float), xor(corners(2))), np.zeros(3)
    largest = [[np.abs(w).max() for _ in one_pass(run.rng.permutation(Z), w)] for _ in ours.mistakes_]
    run.fact("fewest mistakes in a pass over XOR", min(map(len, largest)))
    run.fact("largest weight in all the passes over XOR", float(max(map(max, largest))))

    x, labels = nuisance(80, run.rng)
    Z, w = multiply_by_label(x, labels), np.zeros(3)
    seen = [w.copy() for _ in range(20) for _ in one_pass(Z, w)]
    run.figure(
        "turning",
        draw_turning,
        x,
        labels,
        {"Hebb": Z.sum(axis=0)} | {f"mistake {k}": seen[k - 1] for k in np.linspace(1, len(seen), 3).astype(int)},
        caption="Two classes (blue and orange) of which x₁ − x₂ is the class plus noise. Shaded is where a unit "
        "fires: with Hebb's weights, which measure each input by itself, and with the perceptron's after some of its "
        "mistakes.",
    )
    if run.first:
        n, gaps = run.pick(smoke=50, lecture=1000), np.geomspace(0.003, 0.5, run.pick(smoke=3, lecture=12))
        bounds, counts = zip(*(count_mistakes(gap, n, run.rng) for gap in gaps), strict=True)
        run.figure(
            "mistakes",
            draw_mistakes,
            bounds,
            counts,
            {"tumours": ours.mistakes_, "XOR": [len(found) for found in largest]},
            caption="Left: mistakes until there are none, for points on two sides of a line in ten orders (dots), and "
            "Novikoff's bound (R/γ)², the grey line. Right: mistakes per pass over the training tumours and over the "
            "four corners of XOR, which no line separates: mean (line) and range (pale) of groups of passes.",
        )
    run.note(f"Mistakes on the training tumours: {made:.0f}. Novikoff's bound, for any order of them: {bound:,.0f}.")
    run.claim(
        "Averaging the perceptron's weights over all points seen makes it significantly better on test tumours.",
        beats("averaged perceptron", "perceptron"),
    )

"""Points that no line separates: bend the plane by hand with basis functions, or let hidden units learn how.

Question   Four clouds of XOR, and a disc in a ring: how can logistic regression separate what no straight line does?
Method     Basis functions as in chapter 1: a line in φ(x) is a curve in x. Or one hidden layer, φⱼ(x) = tanh(wⱼᵀx + bⱼ)
           with w and b fitted too: (2 + 1)·H + (H + 1) parameters for H units. Without backpropagation each partial
           derivative is a finite difference: P parameters take P + 1 evaluations of the loss for one gradient.
Rival      RBF-SVM, k nearest neighbours and a tree on the same points; logistic regression on x alone.
Differs    The lecture does not fit its network. Here L-BFGS (Liu and Nocedal 1989) fits it from several random starts:
           a descent that estimates the curvature from the last steps. Chapter 4's valleys.py compares it with others.
           Its penalty is chosen by cross-validation, as the rivals' settings are.
Costs      8 s on two cores, most of it to choose penalties.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Real
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ch03_classification.drawings.no_line import draw_models, draw_units
from ch03_classification.estimators.two_classes import TwoClassClassifier
from ch03_classification.logistic import LogisticRegression
from ch03_classification.sigmoid import log_sigmoid, sigmoid
from common.answers import as_floats
from common.claims import beats
from common.data import Table
from common.run import Run
from common.scales import must_be, warn_of_scale
from common.tuning import tuned

STEP = 1e-7  # of a finite difference: a smaller one drowns in rounding, a larger one is no derivative
SOLVED = 0.9  # of the training points right
PENALTIES = [0.1, 0.01, 1e-3, 1e-4]  # of networks; where they are equally good, the first is taken
LEAVES = [1, 3, 10]
FEW_STARTS = 3  # of each network that is fitted to choose its penalty
CAPTIONS = {
    "XOR": "The probability of class 1 (orange) as shades, a line where it is ½: by logistic regression on x; on x, "
    "its squares and its product, in which a line is a conic section in x; by two hidden units, each one's own line "
    "dashed. Right: the points by the values of the two units, and the output's ½ there, which is a line.",
    "rings": "The same for a disc in a ring. A line in the squares of x can be a circle. Two monotone functions of two "
    "directions add up to no peak, so the region of two hidden units is open; three units can close it.",
}
PLACES = np.stack(np.meshgrid([-2.0, 0.0, 2.0], [-2.0, 0.0, 2.0]), axis=-1).reshape(-1, 2)

Points = Float[np.ndarray, "n m"]
Thetas = Float[np.ndarray, "batch parameters"]


def xor_clouds(n: int, rng: np.random.Generator) -> Table:
    """Clouds around (±1, ±1), class 1 where the signs differ."""
    corner = np.arange(n) % 4
    signs = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])[corner]
    return Table(signs + 0.4 * rng.normal(size=(n, 2)), (corner >= 2).astype(np.int64), ("x1", "x2"))


def disc_in_ring(n: int, rng: np.random.Generator) -> Table:
    """Class 1 in a disc of radius 1.2, class 0 in a ring of radius 2 around it."""
    label, angle = np.arange(n) % 2, rng.uniform(0, 2 * np.pi, n)
    radius = np.where(label == 1, 1.2 * np.sqrt(rng.random(n)), 2 + 0.25 * rng.normal(size=n))
    return Table(radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), label, ("x1", "x2"))


def products(x: Real[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 5"]:
    """φ(x) = x₁, x₂, x₁x₂, x₁², x₂²: a line in these is a conic section in x."""
    x = as_floats(x)
    return np.column_stack([x, x[:, 0] * x[:, 1], x**2])


def bumps(x: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 9"]:
    """φⱼ(x) = exp(−‖x − cⱼ‖² / 2) for nine places c."""
    return np.exp(-((x[:, None] - PLACES) ** 2).sum(axis=2) / 2)


def count_parameters(inputs: int, hidden: int) -> int:
    """(M + 1) H weights and thresholds of the hidden units, H + 1 of the output."""
    return (inputs + 1) * hidden + hidden + 1


def hidden_units(thetas: Thetas, x: Points, hidden: int) -> Float[np.ndarray, "batch n hidden"]:
    """φⱼ(x) = tanh(wⱼᵀx + bⱼ), for a whole batch of networks at once. Row 0 of each network's weights holds the b."""
    weights = thetas[:, : (x.shape[1] + 1) * hidden].reshape(len(thetas), x.shape[1] + 1, hidden)
    return np.tanh(x @ weights[:, 1:] + weights[:, :1])


def log_odds(thetas: Thetas, x: Points, hidden: int) -> Float[np.ndarray, "batch n"]:
    """θ₀ + Σⱼ θⱼ φⱼ(x): logistic regression on the hidden units."""
    top = thetas[:, -hidden - 1 :]
    return (hidden_units(thetas, x, hidden) @ top[:, 1:, None])[..., 0] + top[:, :1]


def loss(
    thetas: Thetas, x: Points, signs: Float[np.ndarray, "n"], hidden: int, penalty: float
) -> Float[np.ndarray, "batch"]:
    """Mean log loss −log σ(±z) of each network, in nats, plus λ/2 ‖θ‖². signs: 1 for class 1, −1 for class 0."""
    misfit = -log_sigmoid(signs * log_odds(thetas, x, hidden)).mean(axis=1)
    return misfit + penalty / 2 * (thetas**2).sum(axis=1)


class HiddenUnits(TwoClassClassifier):
    """A network with one hidden layer of tanh units, for two classes; of several random starts the lowest loss wins.

    fit sets classes_, theta_ (parameters,), ends_ (starts, parameters), where each descent ended, their losses_,
    evaluations_ of the loss in all, and n_iter_.
    """

    def __init__(
        self, hidden: int = 3, penalty: float = 1e-4, starts: int = 5, max_iter: int = 300, random_state=None
    ) -> None:
        self.hidden = hidden
        self.penalty = penalty
        self.starts = starts
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> HiddenUnits:
        """X: (n, m), of size about 1. y: (n,), labels of two kinds. Raises ValueError for more or fewer."""
        for name in ("hidden", "starts", "max_iter"):
            must_be(name, getattr(self, name), least=1, whole=True)
        must_be("penalty", self.penalty)
        X, labels = self._two_classes(X, y)
        warn_of_scale(X, "units of tanh want inputs of size about 1")
        rng, size = check_random_state(self.random_state), count_parameters(X.shape[1], self.hidden)
        signs, nudges = 2.0 * labels - 1, np.vstack([np.zeros(size), STEP * np.eye(size)])

        def slope(theta: Float[np.ndarray, "p"]) -> tuple[float, Float[np.ndarray, "p"]]:
            here, *there = loss(theta + nudges, X, signs, self.hidden, self.penalty)
            return float(here), (np.array(there) - here) / STEP

        ends = [
            minimize(slope, rng.normal(size=size), jac=True, method="L-BFGS-B", options={"maxiter": self.max_iter})
            for _ in range(self.starts)
        ]
        self.ends_, self.losses_ = np.array([end.x for end in ends]), np.array([end.fun for end in ends])
        self.theta_ = self.ends_[self.losses_.argmin()]
        self.evaluations_ = sum(end.nfev for end in ends) * (size + 1)
        self.n_iter_ = max(end.nit for end in ends)
        return self

    def unit_values(self, X: Points) -> Float[np.ndarray, "n hidden"]:
        """The values of the hidden units."""
        return hidden_units(self.theta_[None], X, self.hidden)[0]

    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "n 2"]:
        """The probability of each class. X: (n, m)."""
        check_is_fitted(self)
        z = log_odds(self.theta_[None], validate_data(self, X, dtype=np.float64, reset=False), self.hidden)[0]
        return sigmoid(np.column_stack([-z, z]))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likelier class of each row, (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]


def choose_penalty(hidden: int, train: Table, run: Run) -> float:
    """The penalty with the highest accuracy in cross-validation within the training points."""
    starts = run.pick(smoke=1, lecture=FEW_STARTS)
    network = HiddenUnits(hidden, starts=starts, random_state=run.seed)
    search = tuned(network, {"penalty": PENALTIES}, run, "accuracy", refit=False)
    return search.fit(train.features, train.labels).best_params_["penalty"]


def share_solved(model: HiddenUnits, part: Table) -> float:
    """The share of the starts that ended with at least SOLVED of the points right."""
    right = (log_odds(model.ends_, part.features, model.hidden) > 0) == (part.labels == 1)
    return float(np.mean(right.mean(axis=1) >= SOLVED))


def network_name(hidden: int) -> str:
    """The name of a network."""
    return f"{hidden} hidden unit{'s' * (hidden > 1)}"


def starts_that_solve(problem: str, hidden: int) -> str:
    """The name of a fact."""
    return f"starts that solve {problem}, {network_name(hidden)}"


def lesson(run: Run) -> None:
    counts = run.pick(smoke=[2, 3], lecture=[1, 2, 3, 4, 5])
    starts, n = run.pick(smoke=2, lecture=20), run.pick(smoke=100, lecture=1000)
    problems = {"XOR": xor_clouds, "rings": disc_in_ring}
    for problem, make in problems.items():
        train, test = make(200, run.rng), make(n, run.rng)
        networks = {network_name(h): HiddenUnits(h, starts=starts, random_state=run.seed) for h in counts}
        ours = {
            "line": LogisticRegression(),
            "products": make_pipeline(FunctionTransformer(products), LogisticRegression()),
            "bumps": make_pipeline(FunctionTransformer(bumps), LogisticRegression()),
        } | networks
        tree = DecisionTreeClassifier(random_state=run.seed)
        rivals = {
            "RBF-SVM": tuned(SVC(), {"C": [1.0, 10.0, 100.0], "gamma": [0.1, 0.3, 1.0]}, run, "accuracy"),
            "k nearest neighbours": tuned(KNeighborsClassifier(), {"n_neighbors": [1, 3, 5, 9, 15]}, run, "accuracy"),
            "tree": tuned(tree, {"min_samples_leaf": LEAVES}, run, "accuracy"),
        }
        for name, model in (ours | rivals).items():
            with run.method(f"{name}, {problem}", kind="from scratch" if name in ours else "classical") as method:
                if name in networks:
                    model.penalty = method.time(choose_penalty, model.hidden, train, run)
                method.fit(model, train)
                method.score(test)
        for rival in ("line", "products", "RBF-SVM"):
            run.compare(f"3 hidden units, {problem}", f"{rival}, {problem}")
        run.floor(f"3 hidden units, {problem}", "accuracy", at_least={"XOR": 94.4, "rings": 96.0}[problem])
        run.floor(f"products, {problem}", "accuracy", at_least={"XOR": 97.5, "rings": 98.9}[problem])
        for h in counts:
            run.fact(starts_that_solve(problem, h), 100 * share_solved(networks[network_name(h)], train), "%")
            run.fact(f"penalty λ chosen, {problem}, {network_name(h)}", networks[network_name(h)].penalty)
        shown = {"line": ours["line"], "products": ours["products"], "2 hidden units": networks["2 hidden units"]}
        if problem == "rings":
            shown["3 hidden units"] = networks["3 hidden units"]
        run.figure(problem.lower(), draw_models, shown, train, caption=CAPTIONS[problem])

    size = run.fact("parameters, 3 hidden units", count_parameters(2, 3))
    spent = run.fact(
        "evaluations of the loss per start, rings, 3 hidden units", networks["3 hidden units"].evaluations_ / starts
    )
    run.figure_over_seeds(
        "units",
        draw_units,
        counts,
        {problem: [starts_that_solve(problem, h) for h in counts] for problem in problems},
        caption=f"Against the number of hidden units, left: the accuracy of the best of {starts} starts; right: the "
        f"share of starts that end with at least {100 * SOLVED:.0f} % of the training points right. Bars: 95 % "
        "intervals.",
    )
    run.note(
        f"To fit {size:.0f} parameters took {spent:.0f} evaluations of the loss per start, {size + 1:.0f} for each "
        "gradient. The next chapter computes a gradient by one forward and one backward pass."
    )
    run.claim(
        "On both problems three hidden units have a significantly higher accuracy than a line.",
        *(beats(f"3 hidden units, {problem}", f"line, {problem}") for problem in problems),
    )

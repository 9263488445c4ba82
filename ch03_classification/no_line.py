"""Points that no line separates: bend the plane by hand with basis functions, or let hidden units learn how.

Question   Four clouds of XOR, and a disc in a ring: how can logistic regression separate what no straight line does?
Method     Basis functions as in chapter 1: a line in φ(x) is a curve in x. Or one hidden layer, φⱼ(x) = tanh(wⱼᵀx + bⱼ)
           with w and b fitted too: (2 + 1)·H + (H + 1) parameters for H units. Without backpropagation each partial
           derivative is a finite difference: P parameters take P + 1 evaluations of the loss for one gradient.
Rival      RBF-SVM, k nearest neighbours and a tree on the same points; logistic regression on x alone.
Differs    The lecture does not fit its network. Here L-BFGS (Liu and Nocedal 1989) fits it from several random starts.
Costs      5 s on two cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Real
from sklearn.base import BaseEstimator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from ch03_classification.hidden import HiddenUnits, count_parameters, hidden_units, log_odds
from ch03_classification.logistic import LogisticRegression
from common import plots
from common.answers import as_floats
from common.claims import beats
from common.data import Table
from common.record import LessonRecord
from common.run import Run
from common.tuning import tuned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOLVED = 0.9  # of the training points right
CAPTIONS = {
    "XOR": "The probability of class 1 (orange) as shades, a line where it is ½: by logistic regression on x; on x, "
    "its squares and its product, in which a line is a conic section in x; by two hidden units, each one's own line "
    "dashed. Right: the points by the values of the two units, and the output's ½ there, which is a line.",
    "rings": "The same for a disc in a ring. A line in the squares of x can be a circle. Two monotone functions of two "
    "directions add up to no peak, so the region of two hidden units is open; three units can close it.",
}
PLACES = np.stack(np.meshgrid([-2.0, 0.0, 2.0], [-2.0, 0.0, 2.0]), axis=-1).reshape(-1, 2)


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


def share_solved(model: HiddenUnits, part: Table) -> float:
    """The share of the starts that ended with at least SOLVED of the points right."""
    right = (log_odds(model.ends_, part.features, model.hidden) > 0) == (part.labels == 1)
    return float(np.mean(right.mean(axis=1) >= SOLVED))


def draw_points(axis: Axes, x: Float[np.ndarray, "n 2"], part: Table) -> None:
    """Class 1 in orange, class 0 in blue."""
    for label, colour in ((0, plots.BLUE), (1, plots.ORANGE)):
        axis.plot(*x[part.labels == label].T, "o", color=colour, markersize=3)
    axis.set(xlabel="$x_1$", aspect="equal")
    axis.grid(visible=False)


def draw_places(axis: Axes, model: BaseEstimator, part: Table) -> None:
    """The probability of class 1 as shades, a line where it is ½, the hidden units' own lines dashed."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = 1.05 * float(np.abs(part.features).max())
    ticks = np.linspace(-ends, ends, 121)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    p = model.predict_proba(grid)[:, 1].reshape(121, 121)
    colours = LinearSegmentedColormap.from_list("classes", [plots.BLUE, "white", plots.ORANGE])
    axis.imshow(p, origin="lower", extent=(-ends, ends, -ends, ends), cmap=colours, vmin=-0.5, vmax=1.5)
    axis.contour(ticks, ticks, p, [0.5], colors=plots.INK, linewidths=1.6)
    if isinstance(model, HiddenUnits):
        for unit in hidden_units(model.theta_[None], grid, model.hidden)[0].T:
            axis.contour(ticks, ticks, unit.reshape(121, 121), [0], colors=plots.RED, linestyles="--", linewidths=1)
    draw_points(axis, part.features, part)


def draw_models(models: dict[str, BaseEstimator], part: Table) -> Figure:
    """One panel per model. If the last has two hidden units: a further panel, the points by these units' values."""
    last = list(models.values())[-1]
    inside = isinstance(last, HiddenUnits) and last.hidden == 2
    figure, axes = plots.panels(len(models) + inside, width=2.6, height=2.9)
    for axis, (name, model) in zip(axes, models.items(), strict=False):
        draw_places(axis, model, part)
        axis.set_title(name)
    axes[0].set_ylabel("$x_2$")
    if inside:
        theta_0, *theta = last.theta_[-3:]
        draw_points(axes[-1], hidden_units(last.theta_[None], part.features, 2)[0], part)
        axes[-1].axline(-theta_0 * np.array(theta) / np.dot(theta, theta), slope=-theta[0] / theta[1], color=plots.INK)
        axes[-1].set(title="Its units' values", xlabel="unit 1", ylabel="unit 2", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    return figure


def draw_units(record: LessonRecord, counts: list[int], problems: list[str]) -> Figure:
    """Against the number of hidden units: the accuracy of the best start, and the share of starts that solve it."""
    figure, axes = plots.panels(2, height=3)
    accuracy = {row.method: row.interval for row in record.scores() if row.metric == "accuracy"}
    for problem in problems:
        best = [accuracy[f"{h} hidden, {problem}"] for h in counts]
        solved = [record.findings()[starts_that_solve(problem, h)][0] for h in counts]
        for axis, intervals in zip(axes, (best, solved), strict=True):
            value, low, high = np.array([interval.ends for interval in intervals]).T
            axis.errorbar(counts, value, yerr=(value - low, high - value), fmt="o-", label=problem)
            axis.set(xlabel="hidden units", xticks=counts)
    axes[0].set(title="Accuracy of the best start", ylabel="% of test points", ylim=(45, 102))
    axes[1].set(title="Starts that solve it", ylabel="% of starts", ylim=(-5, 105))
    axes[0].legend(loc="lower right")
    return figure


def starts_that_solve(problem: str, hidden: int) -> str:
    """The name of the fact."""
    return f"starts that solve {problem}, {hidden} hidden"


def lesson(run: Run) -> None:
    counts = run.pick(smoke=[2, 3], lecture=[1, 2, 3, 4, 5])
    starts, n = run.pick(smoke=2, lecture=20), run.pick(smoke=100, lecture=1000)
    problems = {"XOR": xor_clouds, "rings": disc_in_ring}
    for problem, make in problems.items():
        train, test = make(200, run.rng), make(n, run.rng)
        networks = {f"{h} hidden": HiddenUnits(h, starts=starts, random_state=run.seed) for h in counts}
        ours = {
            "line": LogisticRegression(),
            "products": make_pipeline(FunctionTransformer(products), LogisticRegression()),
            "bumps": make_pipeline(FunctionTransformer(bumps), LogisticRegression()),
        } | networks
        rivals = {
            "RBF-SVM": tuned(SVC(), {"C": [1.0, 10.0, 100.0], "gamma": [0.1, 0.3, 1.0]}, run, "accuracy"),
            "k nearest neighbours": tuned(KNeighborsClassifier(), {"n_neighbors": [1, 3, 5, 9, 15]}, run, "accuracy"),
            "tree": tuned(DecisionTreeClassifier(random_state=run.seed), {"min_samples_leaf": [1, 3, 10]}, run),
        }
        for name, model in (ours | rivals).items():
            with run.method(f"{name}, {problem}", kind="from scratch" if name in ours else "classical") as method:
                method.fit(model, train)
                method.score(test)
        for rival in ("line", "products", "RBF-SVM"):
            run.compare(f"3 hidden, {problem}", f"{rival}, {problem}")
        run.floor(f"3 hidden, {problem}", "accuracy", at_least=94.4)
        run.floor(f"products, {problem}", "accuracy", at_least={"XOR": 97.5, "rings": 98.9}[problem])
        for h in counts:
            run.fact(starts_that_solve(problem, h), 100 * share_solved(networks[f"{h} hidden"], train), "%")
        shown = {"line": ours["line"], "products": ours["products"], "2 hidden": networks["2 hidden"]}
        if problem == "rings":
            shown["3 hidden"] = networks["3 hidden"]
        run.figure(problem.lower(), draw_models, shown, train, caption=CAPTIONS[problem])

    size = run.fact("parameters, 3 hidden", count_parameters(2, 3))
    spent = run.fact("evaluations of the loss per start, rings, 3 hidden", networks["3 hidden"].evaluations_ / starts)
    run.figure_over_seeds(
        "units",
        draw_units,
        counts,
        list(problems),
        caption=f"Against the number of hidden units, left: the accuracy of the best of {starts} starts; right: the "
        f"share of starts that end with at least {100 * SOLVED:.0f} % of the training points right. One unit draws "
        "one line, too, but as it saturates it can get three of the four clouds of XOR right. Bars: 95 % intervals.",
    )
    run.note(
        f"To fit {size:.0f} parameters took {spent:.0f} evaluations of the loss per start, {size + 1:.0f} for each "
        "gradient. The next chapter computes a gradient by one forward and one backward pass."
    )
    run.claim(
        "On both problems three hidden units have a significantly higher accuracy than a line.",
        *(beats(f"3 hidden, {problem}", f"line, {problem}") for problem in problems),
    )

"""Basis functions: a linear model fits a curve if x is first passed through functions.

Question   Can least squares fit a curve, and how many functions of x should it have: when do too few of them underfit,
           and when do too many overfit?
Method     f(x) = φ(x)ᵀθ (Bishop 2006, §3.1): a cubic, any degree; Gaussian bumps; hinges that make a piecewise line.
           It bends in x and stays linear in theta, so the normal equations of the lessons before solve it unchanged.
Rival      k nearest neighbours and a regression tree, which draw curves without any formula.
Differs    The lecture's cubic is in x itself. Here x is first scaled to [−1, 1], because its powers are
           ill-conditioned; inputs beyond the training range are clipped to it: a polynomial must not extrapolate.
Costs      2 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator
from sklearn.model_selection import cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from sklearn.tree import DecisionTreeRegressor

from ch01_regression.baselines.tuned_rivals import NEIGHBOURS
from ch01_regression.design_matrix import LinearRegression
from common import data, plots
from common.claims import beats
from common.data import Table
from common.run import Run
from common.scales import must_be
from common.tuning import choose, folds, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Basis = Callable[[Float[np.ndarray, "n"], int], Float[np.ndarray, "n functions"]]
WHISPER = 1e-12  # a λ so small that it decides only what the points leave undetermined
FEW = 40  # training cars: the fewer there are, the more a flexible curve follows single cars
DEGREES, BUMPS, KNOTS = range(1, 16), range(2, 11), range(11)
SHOWN = (1, 3, 12)  # degrees


def polynomial(x: Float[np.ndarray, "n"], degree: int) -> Float[np.ndarray, "n {degree}+1"]:
    """φ_j(x) = xʲ for j = 0 … degree. The cubic of the lecture is degree 3. Raises ValueError for a degree below 0."""
    if degree < 0:
        raise ValueError(f"degree must be 0 or more, got {degree}")
    return np.asarray(x, dtype=float)[:, None] ** np.arange(degree + 1)


def gaussian(x: Float[np.ndarray, "n"], bumps: int) -> Float[np.ndarray, "n {bumps}+1"]:
    """φ_0 = 1, φ_j(x) = exp(−(x − μ_j)² / 2s²), Eq. (3.4), Bishop 2006: bumps over [−1, 1], s their distance.

    Raises ValueError for a negative number of bumps, as piecewise does for knots.
    """
    must_be("bumps", bumps, whole=True)
    centres = np.linspace(-1, 1, bumps)
    width = 2 / max(1, bumps - 1)
    return np.column_stack([np.ones_like(x), np.exp(-((x[:, None] - centres) ** 2) / (2 * width**2))])


def piecewise(x: Float[np.ndarray, "n"], knots: int) -> Float[np.ndarray, "n {knots}+2"]:
    """φ = 1, x, and max(0, x − κ_j) at knots spread inside (−1, 1): a line that may bend at the knots, and only there.

    A ReLU network with one input and one hidden layer is the same, but it also learns where the knots are.
    """
    must_be("knots", knots, whole=True)
    at = np.linspace(-1, 1, knots + 2)[1:-1]
    return np.column_stack([np.ones_like(x), x, np.maximum(0, x[:, None] - at)])


def curve(basis: Basis, size: int) -> Pipeline:
    """Least squares on the basis functions of one input, which is scaled to [−1, 1] over the training data.

    The constant is the plane's theta_0. Where no point lies between two knots, the tiny penalty WHISPER decides.
    """
    functions = FunctionTransformer(lambda x: basis(x[:, 0], size)[:, 1:])
    scale, plane = MinMaxScaler((-1, 1), clip=True), LinearRegression(ridge=WHISPER)
    return Pipeline([("scale", scale), ("functions", functions), ("plane", plane)])


def errors_by_size(basis: Basis, sizes: range, train: Table, run: Run) -> Float[np.ndarray, "sizes 2"]:
    """RMSE on the points fitted and on the points left out, for each size of the basis, by cross-validation."""
    scoring = "neg_root_mean_squared_error"
    errors = []
    for size in sizes:
        model = curve(basis, size)
        cv = cross_validate(model, train.inputs, train.answers, cv=folds(run), scoring=scoring, return_train_score=True)
        errors.append([-cv["train_score"].mean(), -cv["test_score"].mean()])
    return np.array(errors)


def draw_curves(train: Table, models: dict[str, BaseEstimator]) -> Figure:
    """The training points and each model's curve, one panel per model."""
    figure, axes = plots.panels(len(models), width=3.6, height=3.2, sharex=True, sharey=True)
    x = np.linspace(train.features.min(), train.features.max(), 400)
    for axis, (name, model) in zip(axes, models.items(), strict=True):
        plots.dots(axis, train.features[:, 0], train.targets)
        axis.plot(x, model.predict(x[:, None]), color=plots.ORANGE, linewidth=2.4)
        axis.set(title=name, xlabel="horsepower", ylim=(5, 50))
    axes[0].set_ylabel("miles per gallon")
    return figure


def draw_errors(sizes: range, few: Float[np.ndarray, "sizes 2"], all_cars: Float[np.ndarray, "sizes 2"]) -> Figure:
    """RMSE against the degree: on the points fitted, and on points left out."""
    figure, axis = plots.panels(width=6.4, height=3.6)
    axis.plot(sizes, few[:, 0], "o-", markersize=4, color=plots.BLUE, label=f"{FEW} cars, those fitted")
    axis.plot(sizes, few[:, 1], "o-", markersize=4, color=plots.ORANGE, label=f"{FEW} cars, those left out")
    axis.plot(sizes, all_cars[:, 1], "o-", markersize=4, color=plots.GREEN, label="all training cars, those left out")
    axis.set(title="Polynomials of horsepower", xlabel="degree", ylabel="RMSE (mpg)", ylim=(2, 40), yscale="log")
    axis.set_yticks([2, 3, 5, 10, 20, 40], ["2", "3", "5", "10", "20", "40"])
    axis.minorticks_off()
    axis.legend(loc="upper left")
    return figure


def lesson(run: Run) -> None:
    cars = data.auto_mpg(seed=run.seed)
    every, test = cars.train.select("horsepower"), cars.test.select("horsepower")
    train = every.take(slice(FEW))
    for name, basis, size in [("line", polynomial, 1), ("cubic", polynomial, 3), ("20 knots", piecewise, 20)]:
        with run.method(name, kind="from scratch") as method:
            method.fit(curve(basis, size), train)
            method.score(test)
    # A size is chosen by cross-validation on the training cars; the test cars are used once, to score.
    bases = {"polynomial": (polynomial, DEGREES), "Gaussian bumps": (gaussian, BUMPS), "knots": (piecewise, KNOTS)}
    errors, degrees = {}, DEGREES[:: run.pick(smoke=4, lecture=1)]
    for name, (basis, every_size) in bases.items():
        sizes = every_size[:: run.pick(smoke=4, lecture=1)]
        with run.method(f"{name}, size chosen", kind="from scratch") as method:
            errors[name] = method.time(errors_by_size, basis, sizes, train, run)
            best = choose(sizes, errors[name][:, 1])
            method.fit(curve(basis, best), train)
            method.score(test)
        run.fact(f"size chosen by cross-validation, {name}", best)
    rivals = {
        "k nearest neighbours": tuned(
            KNeighborsRegressor(), {"n_neighbors": [k for k in NEIGHBOURS if k <= FEW // 3]}, run
        ),
        "tree": tuned(DecisionTreeRegressor(random_state=run.seed), {"min_samples_leaf": [2, 5, 10, 20]}, run),
    }
    for name, rival in rivals.items():
        with run.method(name, kind="classical") as method:
            method.fit(rival, train)
            method.score(test)
        run.compare("cubic", name)
    run.compare("cubic", "line")
    run.compare("cubic", "20 knots")
    run.floor("cubic", "RMSE", at_most=5.6)

    run.figure(
        "curves",
        draw_curves,
        train,
        {f"Degree {d}": curve(polynomial, d).fit(train.features, train.targets) for d in SHOWN},
        caption=f"Least squares on the same {FEW} cars (dots) with polynomials of three degrees: degree d has d + 1 "
        "functions of x. A line cannot bend; the more functions, the more often the curve can.",
    )
    run.figure(
        "errors",
        draw_errors,
        degrees,
        errors["polynomial"],
        errors_by_size(polynomial, degrees, every, run) if run.first else errors["polynomial"],
        caption="Cross-validated RMSE, on a logarithmic axis, against the degree. On the points fitted (blue) it can "
        "only fall as functions are added, so the points fitted cannot tell when to stop; that takes points left out "
        f"(orange: of {FEW} cars, green: of all training cars).",
    )
    run.claim("A line cannot bend enough: the cubic has a lower error on test cars.", beats("cubic", "line"))
    run.claim(f"20 knots overfit {FEW} cars: the cubic has a lower error on test cars.", beats("cubic", "20 knots"))

"""The condition number: three solvers give the same plane, unless columns nearly repeat each other.

Question   When does it matter how the normal equations are solved, and what does the careful way cost?
Method     Designs whose condition number is set by hand, from 1 to 10¹³, with weights that are known.
Rival      The solvers of the lesson before are compared with each other and with scikit-learn's.
Theory     Relative error of θ ≈ ε · cond(X) for QR and SVD where y = Xθ, as here, and ε · cond(X)² for Cholesky;
           a residual adds ε · cond(X)² to all of them (Higham 2002, ch. 20).
Costs      1.5 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy import linalg
from sklearn.linear_model import LinearRegression as Reference

from ch01_regression.design_matrix import EPSILON, SOLVE
from common import data, plots
from common.results import bootstrap_interval
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curves = dict[str, list[float]]  # one curve per solver
MARKERS = {"cholesky": "o", "qr": "s", "svd": "^", "scikit-learn": "x"}


def design_of_condition(
    condition: float, rng: np.random.Generator, n: int = 200, m: int = 8
) -> Float[np.ndarray, "n m"]:
    """A random centred design whose singular values fall evenly, on a log scale, from 1 to 1 / condition."""
    points = rng.normal(size=(n, m))
    U, _ = np.linalg.qr(points - points.mean(axis=0))
    V, _ = np.linalg.qr(rng.normal(size=(m, m)))
    return U * np.logspace(0, -np.log10(condition), m) @ V.T


def solve(name: str, X: Float[np.ndarray, "n m"], y: Float[np.ndarray, "n"]) -> Float[np.ndarray, "m"]:
    """The weights, by one of our solvers or by scikit-learn's with its tol lowered: at 1e-6 it cuts directions off."""
    return SOLVE[name](X, X.mean(axis=0), y, 0.0) if name in SOLVE else Reference(tol=EPSILON).fit(X, y).coef_


def errors_by_condition(conditions: Float[np.ndarray, "k"], rng: np.random.Generator) -> Curves:
    """‖θ̂ − θ‖ / ‖θ‖ where y = Xθ exactly, so that all error is the solver's. NaN where the solver refused."""
    errors: Curves = {name: [] for name in MARKERS}
    for condition in conditions:
        X, theta = design_of_condition(float(condition), rng), rng.normal(size=8)
        for name, curve in errors.items():
            try:
                curve.append(float(np.linalg.norm(solve(name, X, X @ theta) - theta) / np.linalg.norm(theta)))
            except linalg.LinAlgError:
                curve.append(np.nan)
    return errors


def seconds_by_width(n: int, widths: Sequence[int], rng: np.random.Generator) -> Curves:
    """Seconds to fit n points with each number of columns: the best of three, because noise can only add time."""
    seconds: Curves = {name: [] for name in MARKERS}
    for m in widths:
        X, y = rng.normal(size=(n, m)), rng.normal(size=n)
        for name, curve in seconds.items():
            taken = []
            for _ in range(3):
                start = time.perf_counter()
                solve(name, X, y)
                taken.append(time.perf_counter() - start)
            curve.append(min(taken))
    return seconds


def draw_solvers(
    conditions: Float[np.ndarray, "k"], errors: Curves, widths: Sequence[int], seconds: Curves, n: int
) -> Figure:
    """The error of each solver against the condition number, and its time against the number of columns."""
    figure, (lost, cost) = plots.panels(2)
    for name, marker in MARKERS.items():
        lost.loglog(conditions, errors[name], marker=marker, markersize=4, linewidth=1.4, label=name)
        cost.loglog(widths, np.array(seconds[name]) * 1000, marker=marker, markersize=4, linewidth=1.4, label=name)
    lost.loglog(conditions, EPSILON * conditions, color=plots.GREY, linewidth=1, linestyle=":")
    squared = EPSILON * conditions**2
    lost.loglog(conditions[squared < 1], squared[squared < 1], color=plots.GREY, linewidth=1, linestyle="--")
    lost.set(title="Error", xlabel="condition number of X", ylabel=r"relative error of $\theta$", ylim=(1e-17, 1e2))
    lost.legend(loc="upper left")
    cost.set(title=f"Time for {n:,} points", xlabel="columns of X", ylabel="milliseconds")
    cost.set_xticks(widths, [str(m) for m in widths])
    cost.minorticks_off()
    return figure


def lesson(run: Run) -> None:
    conditions = np.logspace(0, 13, run.pick(smoke=14, lecture=27))
    errors = errors_by_condition(conditions, run.rng)
    points, widths = run.pick(smoke=500, lecture=20_000), run.pick(smoke=(5, 20), lecture=(5, 10, 20, 40, 80))
    seconds = seconds_by_width(points, widths, run.rng)

    # Many designs of one condition: the number of right decimal digits of theta.
    designs = run.pick(smoke=5, lecture=50)
    digits = {name: -np.log10(e) for name, e in errors_by_condition(np.full(designs, 1e6), run.rng).items()}
    for name in MARKERS:
        with run.method(name, kind="from scratch" if name in SOLVE else "reference") as method:
            right = bootstrap_interval(np.mean, digits[name])
            method.measure("correct digits of θ at condition number 10⁶", right, n=designs, higher_is_better=True)
    for name in (name for name in MARKERS if name != "cholesky"):
        run.fact(f"time of {name} over Cholesky's, {widths[-1]} columns", seconds[name][-1] / seconds["cholesky"][-1])
    run.floor("qr", "correct digits of θ at condition number 10⁶", at_least=11.4)

    power = data.auto_mpg(seed=run.seed).train.select("horsepower").features[:, 0]
    scaled = (power - power.mean()) / np.ptp(power)
    conditions_of = {}
    for name, x in {"horsepower": power, "horsepower, scaled": scaled}.items():
        for degree in (2, 4):
            condition = conditions_of[name] = float(np.linalg.cond(x[:, None] ** np.arange(degree + 1)))
            run.fact(f"log₁₀ of the condition number, powers 0 to {degree} of {name}", np.log10(condition))
    run.figure(
        "solvers",
        draw_solvers,
        conditions,
        errors,
        widths,
        seconds,
        points,
        caption="Left: relative error of the weights against the condition number, on logarithmic axes. The theory is "
        "ε·cond for QR and SVD (dotted) and ε·cond² for Cholesky (dashed), which works with the square of the "
        "condition number; a curve ends where its solver refuses. Right: milliseconds to fit, against the number of "
        "columns.",
    )
    run.note(
        f"Powers 0 to {degree} of horsepower have the condition number {conditions_of['horsepower']:.0e}, those of "
        f"horsepower less its mean and divided by its range: {conditions_of['horsepower, scaled']:.0f}."
    )

"""Neighbours, trees and kernels against the plane, on the same cars: what do methods that assume less gain?

Question   In a plane an input adds its share independently of the others. Is that good enough for cars?
Method     The plane through seven inputs; then a plane through their squares and products too, held back by ridge.
Rival      k nearest neighbours (Fix and Hodges 1951), a tree (Breiman et al. 1984), a random forest (Breiman 2001) and
           kernel ridge (Saunders et al. 1998), each tuned by 5-fold cross-validation on the same training cars.
Differs    The rivals are scikit-learn's: the lesson measures them, it does not explain them.
Costs      3 s on two cores, nearly all of it to tune.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from ch01_regression.baselines.tuned_rivals import classical_rivals
from ch01_regression.design_matrix import LinearRegression
from common import data, plots
from common.claims import beats, level
from common.run import Run
from common.tuning import tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIDGES = np.logspace(-2, 3, 11).tolist()


def products_plane() -> Pipeline:
    """x₁ … x_m, their squares and their products, as inputs of a ridge plane. Standardised, so that one λ fits all."""
    products = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False))
    return Pipeline([("products", products), ("scale", StandardScaler()), ("plane", LinearRegression())])


def draw_predictions(
    targets: Float[np.ndarray, "n"], predictions: dict[str, Float[np.ndarray, "n"]], unit: str
) -> Figure:
    """Predicted against true values, one panel per method; on the diagonal a prediction is right."""
    figure, axes = plots.panels(len(predictions), width=3.6, height=3.6, sharex=True, sharey=True)
    ends = [targets.min() - 2, targets.max() + 2]
    for axis, (name, predicted) in zip(axes, predictions.items(), strict=True):
        axis.plot(ends, ends, color=plots.GREY, linewidth=1)
        axis.plot(targets, predicted, "o", color=plots.BLUE, alpha=0.6, markersize=4.5, markeredgewidth=0)
        axis.set(title=name, xlabel=f"true ({unit})", aspect="equal", xlim=ends, ylim=ends)
    axes[0].set_ylabel(f"predicted ({unit})")
    return figure


def lesson(run: Run) -> None:
    cars = data.auto_mpg(seed=run.seed)
    train, test = cars.train, cars.test
    with run.method("plane", kind="from scratch") as method:
        method.fit(LinearRegression(), train)
        method.score(test)
    with run.method("plane over products", kind="from scratch") as method:
        method.fit(tuned(products_plane(), {"plane__ridge": RIDGES}, run), train)
        method.score(test)
    for name, rival in classical_rivals(run).items():
        with run.method(name, kind="classical") as method:
            method.fit(rival, train)
            method.score(test)
        run.compare("plane over products", name)
    run.compare("plane over products", "plane")
    run.floor("plane over products", "RMSE", at_most=3.6)
    run.floor("random forest", "RMSE", at_most=3.6)

    run.figure(
        "predictions",
        draw_predictions,
        test.targets,
        {name: run.methods[name].predictions for name in ("plane", "plane over products", "random forest")},
        "mpg",
        caption="Test cars: predicted against true mileage, one panel per method. On the grey diagonal a prediction is "
        "right, below it too low.",
    )
    run.claim(
        "Squares and products of the inputs make the plane better, and it is still linear in theta.",
        beats("plane over products", "plane"),
    )
    run.claim(
        "With them it is not significantly different from the random forest, nor from kernel ridge.",
        beats("plane over products", "plane"),
        level("plane over products", "random forest"),
        level("plane over products", "kernel ridge"),
    )

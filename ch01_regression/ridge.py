"""A curve with many knots, and few cars to fit it to: must knots be removed, or can their weights be kept small?

Question   How strongly should the weights of a flexible curve be held back, and what decides it?
Method     Ridge: the cost plus λ‖θ‖² (Hoerl and Kennard 1970); λ by 5-fold cross-validation.
Rival      The lasso, with λ Σ|θ_j| (Tibshirani 1996), tuned likewise; no penalty but λ = 10⁻¹²; RidgeCV as reference.
Differs    The penalty spares theta_0. It compares weights, so all functions are standardised first; "basis" does not do
           so, and where the cars leave weights undetermined, the same tiny λ then chooses another curve.
Costs      1.5 s on two cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator
from sklearn.linear_model import LassoCV, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from ch01_regression.basis import FEW, WHISPER, draw_curves, piecewise
from ch01_regression.design_matrix import LinearRegression
from common import data, plots
from common.claims import beats
from common.data import Table
from common.run import Run
from common.tuning import choose, folds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KNOTS = 20
PENALTIES = np.logspace(-4, 4, 25)


def knots(model: BaseEstimator) -> Pipeline:
    """The model behind a piecewise line's functions of one input, standardised: a λ means the same for each of them."""
    functions = FunctionTransformer(lambda x: piecewise(x[:, 0], KNOTS)[:, 1:])
    return make_pipeline(MinMaxScaler((-1, 1), clip=True), functions, StandardScaler(), model)


def cross_validated_errors(train: Table, penalties: Float[np.ndarray, "k"], run: Run) -> Float[np.ndarray, "k folds"]:
    """RMSE on each fold left out, for each λ."""
    errors = np.empty((len(penalties), folds(run).get_n_splits()))
    for fold, (fitted, left) in enumerate(folds(run).split(train.inputs)):
        for i, penalty in enumerate(penalties):
            model = knots(LinearRegression(ridge=float(penalty))).fit(train.inputs[fitted], train.answers[fitted])
            residuals = model.predict(train.inputs[left]) - train.answers[left]
            errors[i, fold] = np.sqrt(np.mean(residuals**2))
    return errors


def draw_path(
    penalties: Float[np.ndarray, "k"],
    errors: Float[np.ndarray, "k folds"],
    weights: Float[np.ndarray, "k m"],
    chosen: float,
) -> Figure:
    """The error on points left out, and every weight, against λ."""
    figure, (error, path) = plots.panels(2)
    mean, half = errors.mean(axis=1), errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1])
    error.fill_between(penalties, mean - half, mean + half, color=plots.ORANGE, alpha=0.2, linewidth=0)
    error.plot(penalties, mean, color=plots.ORANGE)
    error.set(
        title="Error on points left out", xlabel=r"$\lambda$", ylabel="RMSE (mpg), ± standard error", xscale="log"
    )
    path.plot(penalties, weights, linewidth=1.3)
    path.set(
        title=f"The {weights.shape[1]} weights",
        xlabel=r"$\lambda$",
        ylabel=r"$\theta_j$",
        xscale="log",
        yscale="symlog",
    )
    for axis in (error, path):
        axis.axvline(chosen, color=plots.GREY, linewidth=1, linestyle=":")
    return figure


def lesson(run: Run) -> None:
    cars = data.auto_mpg(seed=run.seed)
    train, test = cars.train.select("horsepower").take(slice(FEW)), cars.test.select("horsepower")
    penalties = PENALTIES[:: run.pick(smoke=3, lecture=1)]
    unpenalised, ridge, lasso = (f"{KNOTS} knots, {what}" for what in ("λ = 10⁻¹²", "ridge", "lasso"))
    with run.method(unpenalised, kind="from scratch") as method:
        free = method.fit(knots(LinearRegression(ridge=WHISPER)), train)
        method.score(test)
    with run.method(ridge, kind="from scratch") as method:
        errors = method.time(cross_validated_errors, train, penalties, run)
        chosen = float(choose(penalties, errors.mean(axis=1)))
        held = method.fit(knots(LinearRegression(ridge=chosen)), train)
        method.score(test)
    with run.method(lasso, kind="classical") as method:
        method.fit(knots(LassoCV(cv=folds(run), alphas=30, eps=1e-2, max_iter=20_000)), train)
        method.score(test)
    with run.method(f"{KNOTS} knots, RidgeCV", kind="reference") as method:
        method.fit(knots(RidgeCV(penalties, scoring="neg_root_mean_squared_error", cv=folds(run))), train)
        method.score(test)
    run.compare(ridge, unpenalised)
    run.compare(ridge, lasso)
    run.floor(ridge, "RMSE", at_most=6.0)

    run.fact("lambda by cross-validation", chosen)
    run.fact("length of theta, λ = 10⁻¹²", float(np.linalg.norm(free[-1].coef_)))
    run.fact("length of theta, chosen λ", float(np.linalg.norm(held[-1].coef_)))
    run.claim(
        f"{KNOTS} knots need not be removed: with their weights kept small by ridge the error on test cars is lower.",
        beats(ridge, unpenalised),
    )
    if run.first:
        fits = [knots(LinearRegression(ridge=float(p))).fit(train.inputs, train.answers) for p in (*penalties, 1e4)]
        run.figure(
            "path",
            draw_path,
            penalties,
            errors,
            np.array([fit[-1].coef_ for fit in fits[:-1]]),
            chosen,
            caption="Against λ, left: RMSE on the cars left out, mean ± standard error over the folds; right: the "
            "weight of each standardised function. The dotted line is the λ that cross-validation chose, the lowest "
            "mean.",
        )
        run.figure(
            "curves",
            draw_curves,
            train,
            {"λ = 10⁻¹²": free, f"λ = {chosen:.2g}": held, "λ = 10,000": fits[-1]},
            caption=f"The same {KNOTS} knots on the same {FEW} cars (dots) with next to no penalty, with the λ that "
            "cross-validation chose, and with a λ so large that the curve is nearly the mean.",
        )

"""Who chooses the basis functions? A look ahead: a small neural network learns them from the same cars.

Question   We chose polynomials, bumps and knots by hand. Which functions does a network with one hidden layer learn?
Method     f(x) = θ₀ + Σ θ_j tanh(w_j x + b_j): basis functions again, but w and b are fitted along with theta, down the
           gradient of the squared error with a small ridge penalty. Chapter 4 derives that gradient.
Rival      The cubic of this chapter, and kernel ridge, on the same cars.
Differs    The network is scikit-learn's; from chapter 4 on, networks are built here.
Costs      1 s on two cores.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from ch01_regression.basis import curve, polynomial
from ch01_regression.rivals import classical_rivals
from common import data, plots
from common.claims import level
from common.data import Table
from common.run import Run
from common.tuning import scaled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HIDDEN = 8
STEPS = 500
STAGES = (5, 20, STEPS)


def small_network(steps: int, seed: int) -> TransformedTargetRegressor:
    """One input, HIDDEN tanh units, one output: after this many steps of L-BFGS (Liu and Nocedal 1989).

    L-BFGS follows the gradient downhill, and estimates the curvature from the last steps (chapter 4, valleys.py).
    Input and target are standardised. The seed draws the initial w, b and theta.
    """
    settings = {"activation": "tanh", "solver": "lbfgs", "alpha": 0.01, "random_state": seed}
    network = MLPRegressor(hidden_layer_sizes=(HIDDEN,), max_iter=steps, **settings)
    return TransformedTargetRegressor(scaled(network), transformer=StandardScaler())


def fit_network(train: Table, steps: int, seed: int) -> TransformedTargetRegressor:
    """The network after this many steps, converged or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return small_network(steps, seed).fit(train.features, train.targets)


def learned_functions(model: TransformedTargetRegressor, x: Float[np.ndarray, "n 1"]) -> Float[np.ndarray, "n hidden"]:
    """θ_j tanh(w_j x + b_j) for each hidden unit j, in the target's unit: added up, with a constant, they are f(x)."""
    pipeline = model.regressor_
    (w, theta), (b, _) = pipeline["model"].coefs_, pipeline["model"].intercepts_
    return np.tanh(pipeline["scale"].transform(x) @ w + b) * theta[:, 0] * model.transformer_.scale_


def draw_network(train: Table, stages: dict[int, TransformedTargetRegressor]) -> Figure:
    """The curve at several stages of training, and the functions that add up to the last one."""
    from matplotlib import colormaps

    figure, axes = plots.panels(len(stages) + 1, width=3.0, height=3.1, sharex=True)
    x = np.linspace(train.features.min(), train.features.max(), 300)[:, None]
    for axis, (steps, model) in zip(axes, stages.items(), strict=False):
        plots.dots(axis, train.features[:, 0], train.targets)
        axis.plot(x, model.predict(x), color=plots.ORANGE, linewidth=2.4)
        axis.set(title=f"{steps} steps", xlabel="horsepower", ylim=(5, 50))
    axes[0].set_ylabel("miles per gallon")
    for j, function in enumerate(learned_functions(model, x).T):
        axes[-1].plot(x, function, color=colormaps["viridis"](j / HIDDEN), linewidth=1.4)
    axes[-1].set(title="Its learned functions", xlabel="horsepower")
    return figure


def lesson(run: Run) -> None:
    cars = data.auto_mpg(seed=run.seed)
    train, test = cars.train.select("horsepower"), cars.test.select("horsepower")
    network = f"network, {HIDDEN} tanh units"
    with run.method("cubic", kind="from scratch") as method:
        method.fit(curve(polynomial, 3), train)
        method.score(test)
    with run.method("kernel ridge", kind="classical") as method:
        method.fit(classical_rivals(run)["kernel ridge"], train)
        method.score(test)
    with run.method(network, kind="network") as method:
        method.model = method.time(fit_network, train, STEPS, run.seed)
        method.score(test)
    run.compare(network, "cubic")
    run.compare(network, "kernel ridge")
    run.floor(network, "RMSE", at_most=5.3)
    if run.first:
        run.figure(
            "functions",
            draw_network,
            train,
            {steps: fit_network(train, steps, run.seed) for steps in STAGES},
            caption=f"The network's curve after {', '.join(map(str, STAGES))} steps; on the right, a colour each, the "
            f"{HIDDEN} learned functions θⱼ tanh(wⱼx + bⱼ) that, added to a constant, are the last curve. A curve of "
            "the other lessons is such a sum too, but of functions that were chosen by hand.",
        )
    run.claim(
        "On one input the learned functions are not significantly better than the cubic's.",
        level(network, "cubic"),
    )

"""Gradient descent and Newton's method on the log loss of two weights: many small steps, or few that use curvature.

Question   Which θ₀ and θ₁ make the observed labels most probable, and how is that pair found?
Method     The mean of −log Pr(y | x, θ) is convex in θ. Its gradient is Σ (p − y) (1, x) / n. Gradient descent follows
           it with a fixed learning rate; Newton's method divides it by the Hessian, Σ p (1 − p) (1, x) (1, x)ᵀ / n.
Rival      k nearest neighbours on the same input, k by cross-validation; scikit-learn's LogisticRegression without a
           penalty as reference.
Differs    The lecture multiplies probabilities; after the first picture we add their logarithms. The input is
           standardised, so that one learning rate suits both weights; a fact measures what happens without.
Costs      1 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Real, Shaped
from sklearn.linear_model import LogisticRegression as Reference

from ch03_classification.baselines.tuned_rivals import Neighbours
from ch03_classification.bernoulli import malignant_as_1, score_probability
from ch03_classification.sigmoid import INPUT, log_sigmoid, sigmoid
from common import data, plots
from common.answers import check_labels
from common.run import Run
from common.tuning import tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

START = np.array([2.0, 2.0])
CLOSE = 1e-6  # nats above the lowest mean log loss
NEIGHBOURS = [5, 10, 20, 40, 80]
FOUR = np.array([-2.0, -0.5, 0.5, 2.0]), np.array([0, 1, 0, 1])  # x and y of four points

Thetas = Float[np.ndarray, "*grid 2"]  # one theta, or a grid of them
Path = Float[np.ndarray, "_ 2"]
Design = Float[np.ndarray, "n 2"]
Labels = Shaped[np.ndarray, "..."]  # a 0 or a 1 for each row of the design; ValueError for others


def design(x: Real[np.ndarray, "n"]) -> Design:
    """(1, x) per row, so that θ₀ + θ₁x = Xθ."""
    return np.column_stack([np.ones(len(x)), x])


def mean_log_loss(theta: Thetas, X: Design, y: Labels) -> float | Float[np.ndarray, "*grid"]:
    """−1/n Σ log Pr(y | x, θ) = −1/n Σ log σ(±xᵀθ), with + for y = 1."""
    y = check_labels(y, X.shape, 2, ("y", "X"))
    return -log_sigmoid((2 * y - 1) * (theta @ X.T)).mean(axis=-1)


def gradient(theta: Thetas, X: Design, y: Labels) -> Thetas:
    """∂/∂θ = 1/n Σ (p − y) x: that of least squares, with p in place of xᵀθ. (∂/∂z −log σ(±z) = σ(z) − y.)"""
    y = check_labels(y, X.shape, 2, ("y", "X"))
    return (sigmoid(theta @ X.T) - y) @ X / len(y)


def hessian(theta: Thetas, X: Design) -> Float[np.ndarray, "*grid 2 2"]:
    """∂²/∂θ² = 1/n Σ p (1 − p) x xᵀ. Each term is at least 0 in every direction: the surface is convex."""
    p = sigmoid(theta @ X.T)
    return np.einsum("...n,ni,nj->...ij", p * (1 - p), X, X, optimize=True) / len(X)


def newton_step(theta: Thetas, X: Design, y: Labels) -> Thetas:
    """To the lowest point of the parabola that touches the surface here: θ − H⁻¹ ∂/∂θ."""
    return theta - np.linalg.solve(hessian(theta, X), gradient(theta, X, y)[..., None])[..., 0]


def safe_learning_rate(X: Design) -> float:
    """1 / L with L = λmax(XᵀX) / 4n, the most that the slope can change, as p (1 − p) ≤ ¼: no step climbs then.

    A standardised input makes XᵀX / n the identity, so the rate is 4.
    """
    return float(4 * len(X) / np.linalg.eigvalsh(X.T @ X)[-1])


def path(step: Callable, start: Float[np.ndarray, "2"], steps: int) -> Path:
    """The start, and theta after each step. step: theta -> the next theta."""
    thetas = [start]
    for _ in range(steps):
        thetas.append(step(thetas[-1]))
    return np.array(thetas)


def draw_four(x: Float[np.ndarray, "n"], y: Labels, thetas: list[np.ndarray]) -> Figure:
    """For each theta the sigmoid and, as a stem, the probability that it gives to each point's label."""
    figure, axes = plots.panels(len(thetas), width=3.4, height=2.8, sharey=True)
    grid = np.linspace(-3.5, 3.5, 200)
    for axis, theta in zip(axes, thetas, strict=True):
        p, floor = sigmoid(theta[0] + theta[1] * x), np.where(y == 1, 0.0, 1.0)
        axis.plot(grid, sigmoid(theta[0] + theta[1] * grid), color=plots.BLUE)
        axis.vlines(x, floor, p, color=plots.ORANGE)
        axis.plot(x, y, "o", color=plots.INK, markersize=6)
        axis.plot(x, p, "o", color=plots.ORANGE, markersize=4)
        given = np.where(y == 1, p, 1 - p)
        axis.set(title=f"Likelihood {given.prod():.3f}", xlabel=" × ".join(f"{value:.2f}" for value in given))
    axes[0].set_ylabel("probability of 1")
    return figure


def draw_surface(grid: Thetas, loss: np.ndarray, climbs: np.ndarray, paths: dict[str, Path]) -> Figure:
    """Contours of the mean log loss over a grid, grey where a Newton step climbs, and the paths."""
    figure, axis = plots.panels(width=6.4, height=4.2)
    theta_0, theta_1 = np.moveaxis(grid, -1, 0)
    axis.contourf(theta_0, theta_1, climbs, levels=[0.5, 1.5], colors=[plots.PALE], alpha=0.6)
    levels = [0.3, 0.35, 0.45, 0.6, 0.8, 1.2, 1.8, 2.6]
    axis.clabel(axis.contour(theta_0, theta_1, loss, levels=levels, colors=plots.SKY, linewidths=1), fontsize=7)
    for (name, thetas), colour in zip(paths.items(), (plots.ORANGE, plots.BLUE), strict=True):
        axis.plot(*thetas.T, "o-", color=colour, markersize=4, linewidth=1.3, label=name)
    axis.plot(*paths["Newton's method"][-1], "*", color=plots.RED, markersize=13)
    axis.set(title="Mean log loss (nats)", xlabel=r"$\theta_0$", ylabel=r"$\theta_1$")
    axis.legend(loc="lower left", frameon=True, framealpha=1, edgecolor="white")
    return figure


def draw_steps(x: Float[np.ndarray, "n"], y: Labels, thetas: Path, neighbours: Callable) -> Figure:
    """The sigmoid after each step; and the last one beside the neighbours' shares."""
    figure, (steps, rival) = plots.panels(2, height=3, sharey=True)
    grid = np.linspace(x.min(), x.max(), 300)
    curves = sigmoid(thetas @ design((grid - x.mean()) / x.std()).T)
    for i, curve in enumerate(curves):
        steps.plot(grid, curve, color=plots.BLUE, alpha=(i + 1) / len(curves), label=f"after {i} steps")
    rival.plot(grid, curves[-1], color=plots.BLUE, label="sigmoid")
    rival.plot(grid, neighbours(grid[:, None]), color=plots.ORANGE, linewidth=1.4, label="k nearest neighbours")
    for axis in (steps, rival):
        plots.dots(axis, x, y + np.linspace(-0.03, 0.03, len(y)))
        axis.set_xlabel(f"{INPUT} (pixels)")
        axis.legend(loc=(0.62, 0.3), fontsize=8)
    steps.set_title("Newton's method, step by step")
    rival.set_title("After the last step, and the rival")
    return figure


def lesson(run: Run) -> None:
    tumours = data.breast_cancer(seed=run.seed)
    train, test = (malignant_as_1(part).select(INPUT) for part in (tumours.train, tumours.test))
    x, y = train.features[:, 0], train.labels
    mean, size = x.mean(), x.std()
    X = design((x - mean) / size)
    rate = safe_learning_rate(X)
    ways = {
        "gradient descent": (lambda theta: theta - rate * gradient(theta, X, y), 200),
        "Newton's method": (lambda theta: newton_step(theta, X, y), 8),
    }
    paths = {}
    for name, (step, steps) in ways.items():
        with run.method(name, kind="from scratch") as method:
            paths[name] = method.time(path, step, START, steps)
            theta = method.model = paths[name][-1]
            score_probability(method, test, lambda X, theta=theta: sigmoid(design((X[:, 0] - mean) / size) @ theta))
    with run.method("scikit-learn, no penalty", kind="reference") as method:
        reference = method.fit(Reference(C=np.inf, solver="newton-cholesky", tol=1e-10), train)
        score_probability(method, test, lambda X: reference.predict_proba(X)[:, 1])
    with run.method("k nearest neighbours", kind="classical") as method:
        search = method.fit(tuned(Neighbours(), {"n_neighbors": NEIGHBOURS}, run), train)
        score_probability(method, test, lambda X: search.predict_proba(X)[:, 1])
    run.compare("Newton's method", "k nearest neighbours", "log loss")
    run.floor("Newton's method", "log loss", at_most=0.335)

    best = paths["Newton's method"][-1]
    lowest = run.fact("lowest mean log loss of the training tumours", float(mean_log_loss(best, X, y)), "nats")
    counts = {
        name: run.fact(
            f"steps of {name} to within {CLOSE:g} nats",
            int(np.argmax(mean_log_loss(thetas, X, y) < lowest + CLOSE)),
        )
        for name, thetas in paths.items()
    }
    in_pixels = np.array([best[0] - best[1] * mean / size, best[1] / size])
    gap = np.abs(in_pixels / [reference.intercept_[0], reference.coef_[0, 0]] - 1).max()
    run.fact("digits in which Newton's theta agrees with scikit-learn's", float(-np.log10(gap + np.finfo(float).eps)))
    raw, steps = design(x), run.pick(smoke=500, lecture=20_000)
    slow = safe_learning_rate(raw)
    lost = path(lambda theta: theta - slow * gradient(theta, raw, y), np.zeros(2), steps)[-1]
    above = float(mean_log_loss(lost, raw, y) - lowest)
    run.fact(f"excess log loss after {steps} gradient steps, input in pixels", above)

    sides = (np.linspace(low, high, run.pick(smoke=30, lecture=70)) for low, high in ((-5, 4), (-1, 7)))
    grid = np.stack(np.meshgrid(*sides), axis=-1)
    loss = mean_log_loss(grid, X, y)
    climbs = mean_log_loss(newton_step(grid, X, y), X, y) > loss
    share = run.fact("share of the surface where a Newton step climbs", 100 * float(climbs.mean()), "%")
    four = design(FOUR[0]), FOUR[1]
    likeliest = path(lambda theta: newton_step(theta, *four), np.zeros(2), 8)[-1]
    run.figure(
        "four",
        draw_four,
        *FOUR,
        [np.array([0.0, 0.0]), np.array([1.0, 4.0]), likeliest],
        caption="Four points with labels 0 and 1, and three sigmoids. An orange stem is the probability of that "
        "point's label; the product of the four is the sigmoid's likelihood. Right: the sigmoid of the largest "
        "likelihood.",
    )
    run.figure(
        "surface",
        draw_surface,
        grid,
        loss,
        climbs,
        paths,
        caption="The mean log loss over the plane of (θ₀, θ₁), with a point per step of gradient descent and of "
        "Newton's method from the same start; the star is the minimum. The surface is convex, so there is no other. "
        "Where it is grey, a Newton step ends higher than it began.",
    )
    run.figure(
        "steps",
        draw_steps,
        x,
        y,
        paths["Newton's method"][:6],
        lambda X: search.predict_proba(X)[:, 1],
        caption="Left: the sigmoid at the start and after each of five Newton steps. Right: the last of them, and the "
        f"probability from {search.best_params_['n_neighbors']} nearest neighbours, which assume no shape.",
    )
    few, many = counts["Newton's method"], counts["gradient descent"]
    run.note(
        f"To within {CLOSE:g} nats of the minimum: {few:.0f} Newton steps, or {many:.0f} of gradient descent. On "
        f"{share:.0f} % of the surface shown a Newton step climbs; the next lesson shortens such a step."
    )

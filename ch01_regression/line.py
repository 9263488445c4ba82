"""A straight line through cars: how much does the mileage fall with the weight?

Question   What does "best line" mean, and where in the plane of (θ₀, θ₁) does it lie?
Method     Least squares: the cost, or loss, C(θ₀, θ₁) = Σ (y⁽ⁱ⁾ − θ₀ − θ₁ x⁽ⁱ⁾)², minimised in closed form (Legendre
           1805; Gauss 1809).
Rival      The mean, which uses no input, and k nearest neighbours, which assume no line; k by cross-validation.
Differs    The lecture sums the squares; the scoreboard shows √(sum / N), the RMSE, because it has the unit of y.
Costs      3 s on two cores, mostly to import the libraries and to draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.dummy import DummyRegressor
from sklearn.neighbors import KNeighborsRegressor

from ch01_regression.drawings.line import draw_gradient
from common import data, plots
from common.answers import check_same_shape
from common.run import Run
from common.scales import powers_of_two
from common.tuning import tuned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POUNDS = 1000.0  # the weight's unit: with x near 1, theta_0 and theta_1 have similar sizes, so the surface can be drawn
LIGHT = 2.0  # of these units: where the picture of the gradient counts weights from, which makes its valley wider
NEIGHBOURS = [1, 2, 3, 5, 8, 12, 20, 30, 50]


def fit_line(x: Shaped[np.ndarray, "..."], y: Shaped[np.ndarray, "..."]) -> tuple[float, float]:
    """The (theta_0, theta_1) that minimise C. Setting both derivatives of C to zero:

    ∂C/∂θ₀ = 0  ⇒  θ₀ = ȳ − θ₁ x̄                          the line passes through the mean point
    ∂C/∂θ₁ = 0  ⇒  θ₁ = Σ (x − x̄)(y − ȳ) / Σ (x − x̄)²     the slope is covariance over variance

    Raises ValueError where no one line is best: fewer than two different x, or x and y of different lengths.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"x and y must have the same length, got shapes {x.shape} and {y.shape}")
    if x.size < 2 or np.ptp(x) == 0:
        raise ValueError("a line needs points at two different x")
    factor = powers_of_two(x)  # 1, unless squares would overflow or vanish
    x = x / factor
    dx = x - x.mean()
    theta_1 = dx @ (y - y.mean()) / (dx @ dx)
    return float(y.mean() - theta_1 * x.mean()), float(theta_1 / factor)


def cost(
    theta_0: Float[np.ndarray, "*grid"],
    theta_1: Float[np.ndarray, "*grid"],
    x: Shaped[np.ndarray, "..."],
    y: Shaped[np.ndarray, "..."],
) -> Float[np.ndarray, "*grid"]:
    """C(θ₀, θ₁) at every point of a grid of lines: the sum of the squared residuals.

    Raises ValueError unless x and y have the same shape.
    """
    check_same_shape(x=x, y=y)
    residuals = y - (theta_0[..., None] + theta_1[..., None] * x)  # (*grid) -> (*grid, n)
    return np.asarray(np.square(residuals).sum(axis=-1))


def gradient(
    theta_0: Float[np.ndarray, "*grid"],
    theta_1: Float[np.ndarray, "*grid"],
    x: Shaped[np.ndarray, "..."],
    y: Shaped[np.ndarray, "..."],
) -> Float[np.ndarray, "*grid 2"]:
    """∇C, the vector of the partial derivatives (∂C/∂θ₀, ∂C/∂θ₁) = −2 (Σ r, Σ x r), with the residuals r.

    It points in the direction of steepest ascent: along a unit vector u the slope of C is uᵀ∇C = ‖∇C‖ cos α, where α is
    the angle between u and ∇C. That is largest for α = 0. Raises ValueError unless x and y have the same shape.
    """
    check_same_shape(x=x, y=y)
    residuals = y - (theta_0[..., None] + theta_1[..., None] * x)
    return -2 * np.stack([residuals.sum(axis=-1), (x * residuals).sum(axis=-1)], axis=-1)


def directional_derivative(
    theta: tuple[float, float], angle: Float[np.ndarray, "k"], x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "k"]:
    """The slope of C at θ along u = (cos φ, sin φ) for each angle φ, measured: (C(θ + hu) − C(θ − hu)) / 2h.

    C is quadratic along any line, so this difference is exact for every h.
    """
    u = np.stack([np.cos(angle), np.sin(angle)])
    up, down = (cost(theta[0] + h * u[0], theta[1] + h * u[1], x, y) for h in (0.5, -0.5))
    return up - down


def draw_squares(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], lines: dict[str, tuple[float, float]]) -> Figure:
    """Each line with its residuals as squares whose areas add up to the cost."""
    figure, axes = plots.panels(len(lines), sharey=True)
    for axis, (name, theta) in zip(axes, lines.items(), strict=True):
        squares(axis, x, y, theta)
        total = float(cost(np.array(theta[0]), np.array(theta[1]), x, y))
        axis.set(title=f"{name}: C = {total:,.0f}", xlabel=f"weight ({POUNDS:g} lb)")
    axes[0].set_ylabel("miles per gallon")
    return figure


def squares(axis: Axes, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], theta: tuple[float, float]) -> None:
    """One panel of draw_squares. A square's side is its residual, so its width is measured in the units of y."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    predicted = theta[0] + theta[1] * x
    left, right, low, high, flat = x.min() - 0.5, x.max() + 0.5, 0.0, 50.0, 0.75
    axis.set(xlim=(left, right), ylim=(low, high), box_aspect=flat)
    side = np.abs(y - predicted)
    width = side * flat * (right - left) / (high - low)  # as long on the page as the residual is high
    boxes = [Rectangle((a, min(b, c)), w, s) for a, b, c, w, s in zip(x, y, predicted, width, side, strict=True)]
    axis.add_collection(PatchCollection(boxes, facecolor=plots.ORANGE, edgecolor=plots.ORANGE, alpha=0.28))
    ends = np.array([left, right])
    axis.plot(ends, theta[0] + theta[1] * ends, color=plots.BLUE)
    axis.plot(x, y, "o", color=plots.INK, markersize=4)


def draw_cost(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], theta: tuple[float, float]) -> Figure:
    """C over the plane of all lines, as contours and as a surface, its minimum marked."""
    theta_0, theta_1 = np.meshgrid(theta[0] + np.linspace(-30, 30, 81), theta[1] + np.linspace(-10, 10, 81))
    surface = cost(theta_0, theta_1, x, y) / x.size
    lowest = float(cost(np.array(theta[0]), np.array(theta[1]), x, y)) / x.size
    figure, axes = plots.panels(2)
    axes[1].remove()
    flat, solid = axes[0], figure.add_subplot(1, 2, 2, projection="3d")

    levels = lowest * np.array([1.05, 1.5, 3, 6, 12, 24, 48])
    flat.contourf(
        theta_0, theta_1, surface, levels=[lowest, *levels, surface.max()], cmap="Blues", norm="log", alpha=0.7
    )
    flat.contour(theta_0, theta_1, surface, levels=levels, colors=plots.INK, linewidths=0.6)
    flat.plot(*theta, "o", color=plots.RED, markersize=7)
    flat.annotate(
        f"({theta[0]:.1f}, {theta[1]:.1f})", theta, (8, 8), textcoords="offset points", color=plots.RED, weight="bold"
    )
    flat.set(
        title="C / N as contours", xlabel=r"$\theta_0$ (miles per gallon)", ylabel=rf"$\theta_1$ (per {POUNDS:g} lb)"
    )
    flat.grid(visible=False)

    solid.plot_surface(theta_0, theta_1, surface, cmap="Blues", norm="log", rcount=40, ccount=40, alpha=0.9)
    solid.plot([theta[0]], [theta[1]], [lowest], "o", color=plots.RED, markersize=7, zorder=10)
    solid.set(title="and as a surface", xlabel=r"$\theta_0$", ylabel=r"$\theta_1$")
    solid.view_init(elev=28, azim=-60)
    return figure


def lesson(run: Run) -> None:
    cars = data.auto_mpg(seed=run.seed)
    train, test = cars.train.select("weight"), cars.test.select("weight")
    x, y = train.features[:, 0] / POUNDS, train.targets

    with run.method("mean", kind="classical") as method:
        method.fit(DummyRegressor(), train)
        method.score(test)
    with run.method("line", kind="from scratch") as method:
        theta = method.model = method.time(fit_line, x, y)
        method.score(test, predict=lambda weight: theta[0] + theta[1] * weight[:, 0] / POUNDS)
    with run.method("k nearest neighbours", kind="classical") as method:
        method.fit(tuned(KNeighborsRegressor(), {"n_neighbors": NEIGHBOURS}, run), train)
        method.score(test)
    run.compare("line", "mean")
    run.compare("line", "k nearest neighbours")
    run.floor("line", "RMSE", at_most=5.2)

    run.fact("theta_0", theta[0], "mpg")
    run.fact("theta_1", theta[1], f"mpg per {POUNDS:g} lb")
    few = run.rng.choice(x.size, 24, replace=False)
    lines = {"A guess": (30.0, -3.0), "Least squares": fit_line(x[few], y[few])}
    run.figure(
        "squares",
        draw_squares,
        x[few],
        y[few],
        lines,
        caption="Two lines through the same 24 cars: a guess and least squares. The side of an orange square is a "
        "car's residual, and the cost C is the area of all squares together.",
    )
    run.figure(
        "cost",
        draw_cost,
        x,
        y,
        theta,
        caption="Every point of the plane is a line, the pair of its θ₀ and θ₁; the height is its cost per car, on a "
        "logarithmic scale, and the red dot is the least squares line. The valley is diagonal: a line that starts "
        "higher fits nearly as well if it falls faster.",
    )
    above = x - LIGHT
    best, start = fit_line(above, y), (24.0, 0.0)
    theta_0, theta_1 = np.meshgrid(np.linspace(18, 42, 97), np.linspace(-17, 3, 81))
    places = np.array([start, (34.0, -1.5), (38.5, -6.0), (21.0, -4.0), (24.0, -12.0), (36.0, -13.5)])
    angles = np.radians(np.arange(-180, 181, 15))
    run.figure(
        "gradient",
        draw_gradient,
        (theta_0, theta_1, cost(theta_0, theta_1, above, y) / x.size),
        best,
        (places, gradient(*places.T, above, y) / x.size),
        (angles, directional_derivative(start, angles, above, y) / x.size),
        caption=f"Left: contours of the cost per car, with weights counted from {LIGHT * POUNDS:,.0f} lb, and its "
        "gradient at six lines (arrows, their lengths in proportion). Each is perpendicular to the contour and points "
        "uphill, which is seldom straight away from the minimum (red). Right: the slope of the cost at the orange "
        "arrow's foot in every direction: measured (dots), and ‖∇C‖ cos α (curve). It is largest in the direction of "
        "the gradient, zero along the contour, and lowest in the opposite direction, in which gradient descent steps.",
    )
    run.note(f"mpg = {theta[0]:.1f} + ({theta[1]:.2f}) · weight, with the weight in units of {POUNDS:g} lb.")

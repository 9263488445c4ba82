"""Drawings of logistic regression: its boundary, its unit as a graph, and how fast its solvers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.pipeline import Pipeline

from ch03_classification.sigmoid import sigmoid
from common import plots
from common.data import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_boundary(part: Table, model: Pipeline) -> Figure:
    """Two standardised inputs, the probability as shades and contours, theta at right angles to the boundary."""
    figure, axis = plots.panels(width=6.4, height=4.4)
    z, theta, offset = model["scale"].transform(part.features), model["model"].coef_[0], model["model"].intercept_[0]
    x_0, x_1 = np.meshgrid(*(np.linspace(column.min() - 0.3, column.max() + 0.3, 150) for column in z.T))
    p = sigmoid(offset + theta[0] * x_0 + theta[1] * x_1)
    axis.contourf(x_0, x_1, p, levels=np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.4)
    axis.grid(visible=False)
    levels = np.arange(1, 10) / 10
    lines = axis.contour(x_0, x_1, p, levels, colors=plots.INK, linewidths=np.where(levels == 0.5, 2.5, 0.6))
    axis.clabel(lines, levels[::2], fontsize=8)
    for label, colour in ((0, plots.BLUE), (1, plots.RED)):
        axis.plot(*z[part.labels == label].T, "o", color=colour, markersize=3, markeredgewidth=0)
    foot = -offset * theta / (theta @ theta)  # of all points with xᵀθ = 0 the nearest to the middle
    tip = foot + 1.5 * theta / np.linalg.norm(theta)
    axis.annotate("", tip, foot, arrowprops={"arrowstyle": "-|>", "color": plots.INK, "linewidth": 2.5})
    axis.text(*tip, r"  $\theta$", fontsize=14, va="bottom")
    axis.set(title="Probability of malignant", aspect="equal", xlabel=f"{part.names[0]} (standardised)")
    axis.set_ylabel(f"{part.names[1]} (standardised)")
    return figure


def draw_convergence(curves: dict[str, list[float]]) -> Figure:
    """How far the loss is above the lowest, step by step."""
    figure, axis = plots.panels(width=6.4, height=3.2)
    lowest = min(min(curve) for curve in curves.values())
    for name, curve in curves.items():
        axis.loglog(np.arange(1, len(curve) + 1), np.maximum(np.array(curve) - lowest, 1e-14), label=name)
    axis.set(title="Loss above the lowest", xlabel="step", ylabel="nats", ylim=(1e-10, None))
    axis.legend(loc="upper right")
    return figure


def draw_unit(names: tuple[str, ...], x: Float[np.ndarray, "m"], theta: Float[np.ndarray, "m+1"]) -> Figure:
    """The model as a graph: inputs, weights on the edges, their sum, the sigmoid; with one point's numbers."""
    figure, axis = plots.panels(width=8.4, height=2.9)
    axis.set(xlim=(-2.6, 9.4), ylim=(-0.6, 2.75), aspect="equal")
    axis.set_axis_off()
    z = float(theta[0] + theta[1:] @ x)
    heights = np.linspace(2.2, 0, len(x) + 1)
    middle = float(heights.mean())
    for j, (height, value) in enumerate(zip(heights, (1.0, *x), strict=True)):
        text = f"${value:.2f}$" if j else "$1$"
        draw_node(axis, (0, height), text, plots.BLUE)
        axis.text(
            -0.5, height, f"{names[j - 1]}\n$x_{j}$" if j else "constant\n$x_0$", ha="right", va="center", fontsize=9
        )
        draw_edge(axis, (0, height), (3.4, middle), rf"$\theta_{j} = {theta[j]:.2f}$")
    draw_node(axis, (3.4, middle), r"$\Sigma$", plots.INK)
    draw_edge(axis, (3.4, middle), (6.0, middle), f"$z = {z:.2f}$")
    draw_node(axis, (6.0, middle), "", plots.ORANGE)
    curve = np.linspace(-1, 1, 60)
    axis.plot(6.0 + 0.26 * curve, middle + 0.4 * (sigmoid(6 * curve) - 0.5), color=plots.ORANGE, linewidth=2, zorder=4)
    draw_edge(axis, (6.0, middle), (8.2, middle), f"$p = {sigmoid(z):.2f}$")
    for place, words in ((3.4, "sum\n" + r"$z = x^T\theta$"), (6.0, "sigmoid\n" + r"$p = 1/(1 + e^{-z})$")):
        axis.text(place, middle - 0.5, words, ha="center", va="top", fontsize=9)
    axis.text(7.95, middle, "probability of\nmalignant", ha="left", va="center", fontsize=9)
    return figure


def draw_node(axis: Axes, place: tuple[float, float], text: str, colour: str) -> None:
    """A circle with a text in it."""
    from matplotlib.patches import Circle

    axis.add_patch(Circle(place, 0.38, facecolor="white", edgecolor=colour, linewidth=2, zorder=3))
    axis.text(*place, text, ha="center", va="center", fontsize=9, zorder=4)


def draw_edge(axis: Axes, start: tuple[float, float], end: tuple[float, float], text: str) -> None:
    """An arrow from one circle's rim to the other's, its text above the middle."""
    (a, b), (c, d) = start, end
    length = np.hypot(c - a, d - b)
    x, y = 0.38 * (c - a) / length, 0.38 * (d - b) / length
    look = {"arrowstyle": "-|>", "color": plots.INK, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", (c - x, d - y), (a + x, b + y), arrowprops=look)
    turn = float(np.degrees(np.arctan2(d - b, c - a)))
    middle = ((a + c) / 2 - 0.12 * (d - b) / length, (b + d) / 2 + 0.12 * (c - a) / length)
    axis.text(*middle, text, ha="center", va="bottom", fontsize=9, rotation=turn, rotation_mode="anchor")

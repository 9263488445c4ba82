"""Drawings of softmax: probabilities over a plane, weights, answers, and how fast the cost falls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator

from common import plots
from common.data import Images, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def shade_plane(axis: Axes, model: BaseEstimator, part: Table, places: int = 100) -> None:
    """The predicted probabilities over the plane as mixed colours of the classes, and lines where the top two tie.

    places: points per side at which the model predicts. With few, three lines that meet in a point form a triangle.
    """
    from matplotlib.colors import to_rgb

    x, y = (np.linspace(column.min() - 0.2, column.max() + 0.2, places) for column in part.features.T)
    P = model.predict_proba(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)).reshape(len(y), len(x), -1)
    colours = np.array([to_rgb(colour) for colour in plots.CYCLE[: P.shape[2]]])
    axis.imshow(1 - 0.55 * (1 - P @ colours), origin="lower", extent=(x[0], x[-1], y[0], y[-1]), aspect="auto")
    for k in range(P.shape[2]):
        others = np.delete(P, k, axis=2).max(axis=2)
        axis.contour(x, y, P[:, :, k] - others, [0], colors=plots.INK, linewidths=0.8)
        axis.plot(*part.features[part.labels == k].T, "o", color=plots.CYCLE[k], markersize=2.5, label=str(k))
    axis.grid(visible=False)


def draw_plane(part: Table, model: BaseEstimator, names: list[str]) -> Figure:
    """The regions of softmax regression on two numbers per digit."""
    figure, axis = plots.panels(width=5.6, height=4.4)
    shade_plane(axis, model, part, places=400)
    axis.set(title=f"{len(names)} digits in two numbers", xlabel=part.names[0], ylabel=part.names[1])
    axis.legend(names, loc="upper right", frameon=True)
    return figure


def draw_weights(weights: Float[np.ndarray, "classes side side"]) -> Figure:
    """Each class's weights as an image: blue pixels raise its score, red ones lower it."""
    figure, axes = plots.panels(5, len(weights) // 5, width=1.5, height=1.65)
    most = float(np.abs(weights).max())
    for k, axis in enumerate(axes.flat):
        axis.imshow(weights[k], cmap="RdBu", vmin=-most, vmax=most)
        axis.set(title=str(k), xticks=[], yticks=[])
    return figure


def draw_answers(part: Images, P: Float[np.ndarray, "n classes"]) -> Figure:
    """Each digit above, its ten probabilities below: green is the true class, red a wrong prediction."""
    figure, axes = plots.panels(len(part), 2, width=1.4, height=1.4)
    for (image, bars), digit, label, p in zip(axes.T, part.images, part.labels, P, strict=True):
        image.imshow(digit, cmap="gray_r")
        image.set(xticks=[], yticks=[])
        colours = [plots.GREEN if k == label else plots.RED if k == p.argmax() else plots.GREY for k in range(len(p))]
        bars.bar(range(len(p)), p, color=colours)
        bars.set(ylim=(0, 1), yticks=[0, 1], xticks=range(len(p)))
        bars.tick_params(labelsize=6)
        bars.grid(visible=False)
    return figure


def draw_walks(problems: dict[str, dict[str, list[float]]]) -> Figure:
    """One panel per problem: how far each descent still is above the lowest cost that any of them reached."""
    figure, axes = plots.panels(len(problems), sharey=True)
    for axis, (problem, found) in zip(axes, problems.items(), strict=True):
        least = min(min(costs) for costs in found.values())
        for name, costs in found.items():
            axis.loglog(np.arange(1, len(costs) + 1), np.array(costs) / least - 1 + 1e-9, label=name)
        axis.set(title=problem, xlabel="step", ylim=(1e-6, None))
    axes[0].set_ylabel("cost above the lowest (share of it)")
    axes[0].legend(loc="lower left")
    return figure

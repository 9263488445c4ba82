"""Drawings of points that no line separates: the regions of each model, and how many hidden units it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator

from common import plots
from common.data import Table
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@runtime_checkable
class ShowsUnits(Protocol):
    """A network whose hidden units can be drawn."""

    def unit_values(self, X: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n hidden"]:
        """The values of the hidden units."""


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
    if isinstance(model, ShowsUnits):
        for unit in model.unit_values(grid).T:
            axis.contour(ticks, ticks, unit.reshape(121, 121), [0], colors=plots.RED, linestyles="--", linewidths=1)
    draw_points(axis, part.features, part)


def draw_models(models: dict[str, BaseEstimator], part: Table) -> Figure:
    """One panel per model. If the last has two hidden units: a further panel, the points by these units' values."""
    last = list(models.values())[-1]
    inside = isinstance(last, ShowsUnits) and last.hidden == 2
    figure, axes = plots.panels(len(models) + inside, width=2.6, height=2.9)
    for axis, (name, model) in zip(axes, models.items(), strict=False):
        draw_places(axis, model, part)
        axis.set_title(name)
    axes[0].set_ylabel("$x_2$")
    if inside:
        theta_0, *theta = last.theta_[-3:]
        draw_points(axes[-1], last.unit_values(part.features), part)
        axes[-1].axline(-theta_0 * np.array(theta) / np.dot(theta, theta), slope=-theta[0] / theta[1], color=plots.INK)
        axes[-1].set(title="Values of its units", xlabel="unit 1", ylabel="unit 2", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    return figure


def draw_units(record: LessonRecord, counts: list[int], solved_facts: dict[str, list[str]]) -> Figure:
    """Against the number of hidden units: the accuracy of the best start, and the share of starts that solve it.

    solved_facts: for each problem the names of the facts that hold this share, one for each number of units.
    """
    figure, axes = plots.panels(2, height=3)
    accuracy = {row.method: row.interval for row in record.scores() if row.metric == "accuracy"}
    for problem, facts in solved_facts.items():
        best = [accuracy[f"{h} hidden unit{'s' * (h > 1)}, {problem}"] for h in counts]
        solved = [record.findings()[name][0] for name in facts]
        for axis, intervals in zip(axes, (best, solved), strict=True):
            value, low, high = np.array([interval.ends for interval in intervals]).T
            axis.errorbar(counts, value, yerr=(value - low, high - value), fmt="o-", label=problem)
            axis.set(xlabel="hidden units", xticks=counts)
    axes[0].set(title="Accuracy of the best start", ylabel="% of test points", ylim=(45, 102))
    axes[1].set(title="Starts that solve it", ylabel="% of starts", ylim=(-5, 105))
    axes[0].legend(loc="lower right")
    return figure

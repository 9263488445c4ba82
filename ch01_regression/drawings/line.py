"""Drawing of the cost of a line: its gradient as arrows, and its slope in every direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Grid = Float[np.ndarray, "rows columns"]
LONGEST = 5.0  # of the arrows, in units of theta


def draw_gradient(
    surface: tuple[Grid, Grid, Grid],
    best: tuple[float, float],
    arrows: tuple[Float[np.ndarray, "k 2"], Float[np.ndarray, "k 2"]],
    slopes: tuple[Float[np.ndarray, "angles"], Float[np.ndarray, "angles"]],
) -> Figure:
    """Contours with the gradient at some places; at the first of them, the slope against the direction.

    surface: theta_0, theta_1 and the cost there. arrows: places and gradients. slopes: directions in radians, and the
    slope in each at the first place.
    """
    figure, (plane, turn) = plots.panels(2, width=4.9, height=4.1)
    (theta_0, theta_1, height), (places, gradients), (angles, measured) = surface, arrows, slopes
    lowest = height.min()
    levels = lowest * np.array([1.1, 1.5, 2.2, 3.5, 5.5, 8, 12, 17, 23])
    plane.contour(theta_0, theta_1, height, levels=levels, colors=plots.BLUE, linewidths=0.8, alpha=0.7)
    plane.plot(*best, "o", color=plots.RED, markersize=7)
    lengths = np.linalg.norm(gradients, axis=1)
    for i, (place, slope) in enumerate(zip(places, gradients / lengths.max() * LONGEST, strict=True)):
        look = {"arrowstyle": "-|>", "color": plots.ORANGE if i == 0 else plots.INK, "linewidth": 1.8}
        plane.annotate("", place + slope, place, arrowprops=look | {"shrinkA": 0, "shrinkB": 0})
        plane.plot(*place, "o", color=look["color"], markersize=4)
    plane.set(title=r"Cost per car, and $\nabla C$", aspect="equal", ylabel=r"$\theta_1$ (mpg per 1000 lb)")
    plane.set_xlabel(r"$\theta_0$ (mpg)")
    plane.grid(visible=False)

    steepest = np.arctan2(gradients[0, 1], gradients[0, 0])
    fine = np.linspace(angles[0], angles[-1], 361)
    turn.axhline(0, color=plots.GREY, linewidth=0.8)
    turn.plot(np.degrees(fine), lengths[0] * np.cos(fine - steepest), color=plots.ORANGE)
    turn.plot(np.degrees(angles), measured, "o", color=plots.BLUE, markersize=4)
    directions = {0: "steepest\nascent", 90: "along the\ncontour", 180: "steepest\ndescent", -90: "along the\ncontour"}
    for turned, label in directions.items():
        direction = (np.degrees(steepest) + turned + 180) % 360 - 180
        turn.axvline(direction, color=plots.GREY, linewidth=1, linestyle=":")
        turn.annotate(label, (direction, 1.1 * lengths[0]), ha="center", fontsize=8, backgroundcolor="white")
    turn.set(title="Slope in every direction", xlabel="direction (degrees)", ylim=1.35 * lengths[0] * np.array([-1, 1]))
    turn.grid(visible=False)
    turn.set(xticks=range(-180, 181, 90), ylabel=r"slope of $C/N$")
    return figure

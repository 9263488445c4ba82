"""Drawings of least squares as maximum likelihood: two surfaces, and the bias of the variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ch02_probabilistic.likelihood import gaussian_log_density
from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_surfaces(
    x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], best: tuple[float, float], variance: float
) -> Figure:
    """The cost and the log-likelihood of every line, side by side: one is the other upside down.

    best: theta_0 and theta_1 of the least-squares line. variance: of the noise around it.
    """
    from matplotlib.colors import BoundaryNorm

    theta_0, theta_1 = np.meshgrid(best[0] + np.linspace(-12, 12, 61), best[1] + np.linspace(-4, 4, 61))
    residuals = y - theta_0[..., None] - theta_1[..., None] * x
    cost = (residuals**2).sum(axis=-1)
    logs = gaussian_log_density(residuals, 0.0, variance).sum(axis=-1)
    heights = cost.min() * np.array([1, 1.05, 1.2, 1.5, 2, 3, 5, 9])  # the same lines in both panels
    log_heights = -0.5 * (len(x) * np.log(2 * np.pi * variance) + heights / variance)
    figure, axes = plots.panels(2, sharey=True)
    for axis, surface, levels, colours, title in (
        (axes[0], cost, heights, "Blues", r"Cost $C(\theta)$: a valley"),
        (axes[1], logs, log_heights[::-1], "Oranges", "Log-likelihood: a hill"),
    ):
        norm = BoundaryNorm(levels, 256, extend="both")  # as many shades between any two levels
        axis.contourf(theta_0, theta_1, surface, levels=levels, cmap=colours, norm=norm, extend="both", alpha=0.6)
        lines = axis.contour(
            theta_0, theta_1, surface, levels=levels[1:-1], colors=plots.INK, linewidths=0.6, linestyles="-"
        )
        around = np.array(levels[2:-1] if surface is cost else levels[1:-2])  # the innermost has no room for its number
        axis.clabel(lines, around, fontsize=7, fmt="%.0f")
        axis.plot(*best, "o", color=plots.RED, markersize=8, markeredgecolor="white")
        axis.set(title=title, xlabel=r"$\theta_0$ (mpg)")
        axis.grid(visible=False)
    axes[0].set_ylabel(r"$\theta_1$ (mpg per 1000 lb)")
    return figure


def draw_bias(sizes: list[int], ratios: list[tuple[float, float]]) -> Figure:
    """The estimated variance as a share of the true one, against the number of points."""
    figure, axis = plots.panels(width=5.6, height=3.2)
    biased, unbiased = zip(*ratios, strict=True)
    axis.axhline(1, color=plots.GREY, linewidth=1)
    axis.plot(
        sizes, (np.array(sizes) - 2) / np.array(sizes), color=plots.PALE, linewidth=5, label="theory, (N − 2) / N"
    )
    axis.plot(sizes, biased, "o", color=plots.BLUE, markersize=5, label="maximum likelihood, ÷ N")
    axis.plot(sizes, unbiased, "s", color=plots.ORANGE, markersize=4, label="unbiased, ÷ (N − 2)")
    axis.set(title="Mean estimate of the variance", xlabel="N, points on the line", ylabel="share of the true one")
    axis.set(xscale="log", xticks=sizes, xticklabels=[str(n) for n in sizes])
    axis.minorticks_off()
    axis.legend(loc="lower right")
    return figure

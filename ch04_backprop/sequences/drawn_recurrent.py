"""Drawings of recurrent.py: a network unrolled in time, gradients by distance, truncation, a wall in the cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = {
    "small inputs": {"color": plots.BLUE},
    "large inputs": {"color": plots.ORANGE},
    "bound": {"color": plots.GREY, "linestyle": "--", "linewidth": 1.4},
}


def draw_unrolled(h: Float[np.ndarray, "steps"], delta: Float[np.ndarray, "steps"], gradient: float) -> Figure:
    """Inputs below, states in a row, arrows forward in blue and back in orange, with their numbers."""
    figure, axis = plots.panels(width=7.6, height=2.9)
    arrow = {"arrowstyle": "-|>", "mutation_scale": 13, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
    states = [0.0, *h]
    for t, state in enumerate(states):
        axis.text(
            2 * t,
            1,
            f"$h_{t}$\n{state:.3f}",
            ha="center",
            va="center",
            bbox={"boxstyle": "round,pad=0.45", "fc": "white"},
        )
        if t == 0:
            continue
        axis.annotate("", (2 * t - 0.48, 1.12), (2 * t - 1.52, 1.12), arrowprops=arrow | {"color": plots.BLUE})
        axis.text(2 * t - 1, 1.2, "· w", ha="center", va="bottom", color=plots.BLUE)
        axis.annotate("", (2 * t, 0.55), (2 * t, 0.02), arrowprops=arrow | {"color": plots.BLUE})
        axis.text(2 * t, -0.04, f"$x_{t}$ = {1 if t == 1 else 0}", ha="center", va="top", color=plots.BLUE)
        if t > 1:
            axis.annotate("", (2 * t - 1.52, 0.86), (2 * t - 0.48, 0.86), arrowprops=arrow | {"color": plots.ORANGE})
        axis.text(
            2 * t, 1.56, f"$δ_{t}$ = {delta[t - 1]:.3f}".replace("-", "−"), ha="center", va="bottom", color=plots.ORANGE
        )
        share = f"{states[t - 1]:.3f} · ({delta[t - 1]:.3f})".replace("-", "−")
        axis.text(
            2 * t - 1, 0.7, f"$h_{t - 1} δ_{t}$ =\n{share}", ha="center", va="top", color=plots.ORANGE, fontsize=8.5
        )
    end = 2 * len(h) + 1.5
    axis.text(end, 1, f"C\n{0.5 * (h[-1] - 1) ** 2:.3f}", ha="center", va="center")
    axis.annotate("", (end - 0.25, 1.12), (end - 1.02, 1.12), arrowprops=arrow | {"color": plots.BLUE})
    axis.annotate("", (end - 1.02, 0.86), (end - 0.25, 0.86), arrowprops=arrow | {"color": plots.ORANGE})
    total = f"∂C/∂w = $h_0 δ_1 + h_1 δ_2 + h_2 δ_3$ = {gradient:.3f}".replace("-", "−")
    axis.text(len(h), -0.42, total, ha="center", va="top", color=plots.ORANGE)
    axis.set(xlim=(-0.7, end + 0.4), ylim=(-0.75, 1.85))
    axis.set_axis_off()
    return figure


def draw_norms(norms: dict[float, dict[str, Float[np.ndarray, "steps"]]]) -> Figure:
    """A panel for each spectral radius: ‖∂h_T/∂h_t‖ over T − t, on a logarithmic axis."""
    figure, axes = plots.panels(len(norms), width=3.2, height=3.2, sharey=True)
    for axis, (radius, lines) in zip(axes, norms.items(), strict=True):
        for name, norm in lines.items():
            axis.semilogy(np.arange(len(norm))[::-1], norm, label=name, **STYLES[name])
        axis.set(title=f"spectral radius {radius:g}", xlabel="T − t (steps)", ylim=(1e-14, 1e14))
    axes[0].set_ylabel(r"$\|\partial h_T / \partial h_t\|$")
    axes[0].legend(fontsize=8)
    return figure


def draw_truncation(blocks: list[int], errors: dict[str, list[float]]) -> Figure:
    """A line for each recurrent matrix: the gradient's error over the length of the blocks."""
    figure, axis = plots.panels(width=5.0, height=3.1)
    for (name, error), colour in zip(errors.items(), (plots.BLUE, plots.GREEN, plots.RED), strict=False):
        axis.plot(blocks, error, "o-", color=colour, markersize=4, label=name)
    axis.set(title="Truncated backpropagation", xlabel="steps per block", ylabel="error of ∂C/∂W (%)", ylim=(0, None))
    axis.legend()
    return figure


def draw_wall(cost: Callable[[float, float], float], paths: dict[str, Float[np.ndarray, "points 4"]]) -> Figure:
    """Contours of the cost over w and b, and the paths of gradient descent."""
    figure, axis = plots.panels(width=5.6, height=3.9)
    w, b = np.linspace(0, 3, 91), np.linspace(-1.0, 0.5, 91)
    heights = np.array([[cost(x, y) for x in w] for y in b])
    drawn = axis.contourf(w, b, heights, levels=12, cmap="Greys")
    figure.colorbar(drawn, label="C")
    for (name, path), colour in zip(paths.items(), (plots.ORANGE, plots.BLUE), strict=True):
        axis.plot(*path[:, :2].T, "o-", color=colour, markersize=3, linewidth=1.4, label=f"gradient {name}")
    axis.plot(*paths["clipped"][0, :2], "*", color=plots.RED, markersize=13, label="start", linestyle="none")
    axis.set(title="A wall", xlabel="w", ylabel="b", xlim=(w[0], w[-1]), ylim=(b[0], b[-1]))
    axis.legend(loc="lower left", facecolor="white", frameon=True)
    return figure

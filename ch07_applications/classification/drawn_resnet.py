"""Pictures of the lesson on residual networks: training by depth, responses, the loss around the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {"plain": "Plain networks", "ResNet": "Residual networks"}
COLOURS = {"20": plots.SKY, "44": plots.RED}
STEPS = 60  # of a running mean


def draw_study(losses: Mapping[str, Sequence[float]], responses: Mapping[str, Sequence[float]]) -> Figure:
    """Two panels of training losses, by kind of network, and one of the responses of layers, in their order."""
    figure, axes = plots.panels(3, width=3.6, height=3.3)
    axes[1].sharey(axes[0])
    for axis, (kind, title) in zip(axes, KINDS.items(), strict=False):
        for depth, colour in COLOURS.items():
            values = np.asarray(losses[f"{kind}-{depth}"])
            steps = min(STEPS, len(values))
            mean = np.convolve(values, np.full(steps, 1 / steps), mode="valid")
            axis.plot(np.arange(len(mean)) + steps, mean, color=colour, label=f"{depth} layers")
        axis.set(title=title, xlabel="step")
        axis.legend()
    axes[0].set_ylabel("training loss (nats)")
    for kind, line in (("plain", ":"), ("ResNet", "-")):
        for depth, colour in COLOURS.items():
            name = f"{kind}-{depth}"
            axes[2].plot(np.linspace(0, 1, len(responses[name])), responses[name], line, color=colour, label=name)
    axes[2].set(title="Responses", xlabel="place in the network (0: first block)", ylabel="standard deviation", ylim=0)
    axes[2].legend(fontsize=8)
    return figure


def draw_surfaces(planes: Mapping[str, Float[np.ndarray, "points points"]], reach: float = 1.0) -> Figure:
    """One panel per network: the loss on a plane through its weights, in colours and contours on one scale."""
    from matplotlib.colors import LogNorm

    figure, axes = plots.panels(len(planes), width=4.0, height=3.7, sharey=True, squeeze=False)
    low = min(float(plane.min()) for plane in planes.values())
    high = min(max(float(plane.max()) for plane in planes.values()), 1000 * low)
    levels = np.geomspace(low, high, 13)
    for axis, (name, plane) in zip(axes[0], planes.items(), strict=True):
        at = np.linspace(-reach, reach, len(plane))
        shown = np.clip(plane, low, high)
        drawn = axis.contourf(at, at, shown, levels, norm=LogNorm(low, high), cmap="viridis")
        axis.contour(at, at, shown, levels, colors="white", linewidths=0.5)
        axis.plot(0, 0, "o", color="white", markeredgecolor=plots.INK, markersize=6)
        axis.set(title=name, xlabel="first direction", aspect="equal")
        axis.grid(visible=False)
    axes[0, 0].set_ylabel("second direction")
    marks = [mark for mark in (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if low <= mark <= high]
    bar = figure.colorbar(drawn, ax=axes[0].tolist(), label="training loss (nats)", ticks=marks, shrink=0.9)
    bar.ax.set_yticklabels([f"{mark:g}" for mark in marks])
    bar.ax.minorticks_off()
    return figure

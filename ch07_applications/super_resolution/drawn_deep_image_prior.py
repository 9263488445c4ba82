"""Drawings of deep image priors: speed of fits, restored pictures, and quality by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64, UInt8

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Picture = UInt8[np.ndarray, "_ _ 3"]
Curve = Float[np.ndarray, "_"]
Steps = Int64[np.ndarray, "_"]
CAPTIONS = {
    "fits": "Error that remains while a network is fitted to a photograph, to the same pixels in another order, or to "
    "noise: thin for each test photograph, thick for their mean. On the right, the first of each. Picture:",
    "restored": "The first two test photographs as they were seen and as they were restored, with PSNR: reduced by a "
    "factor of four, noisy, with holes. Pictures:",
    "progress": "PSNR of the answer by steps, a mean over test photographs. Ring: the best of the steps that were "
    "run. Dotted: the step that was fixed beforehand. On the right, answers for the first photograph with noise. "
    "Picture:",
}


def show(axis: Axes, picture: Picture, title: str = "", below: str = "") -> None:
    """Show a picture without a frame; pixels are drawn as squares."""
    axis.imshow(picture, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_title(title, fontsize=8)
    axis.set_xlabel(below, fontsize=8, labelpad=2)


def draw_fits(
    targets: Mapping[str, UInt8[np.ndarray, "pictures side side 3"]],
    errors: Mapping[str, Float[np.ndarray, "pictures steps"]],
) -> Figure:
    """Examples of fitted pictures, and the remaining error against steps: thin lines per picture, thick the mean."""
    figure, axes = plots.panels(1 + len(targets), width=2.6, height=2.7, width_ratios=[2.2, *[1] * len(targets)])
    for (name, curves), colour in zip(errors.items(), plots.CYCLE, strict=False):
        steps = np.arange(1, curves.shape[1] + 1)
        axes[0].plot(steps, curves.T, color=colour, linewidth=0.6, alpha=0.45)
        axes[0].plot(steps, curves.mean(0), color=colour, label=name)
    axes[0].set(xlabel="step", ylabel="error / variance", yscale="log", ylim=(None, 3))
    axes[0].legend(loc="lower left", fontsize=7.5)
    for axis, (name, pictures) in zip(axes[1:], targets.items(), strict=True):
        show(axis, pictures[0], name.removeprefix("fit to "))
    return figure


def draw_restored(rows: Sequence[Sequence[tuple[str, Picture, float | None]]]) -> Figure:
    """A row per task and picture: title, picture and its PSNR in dB, if it has one."""
    figure, axes = plots.panels(len(rows[0]), len(rows), width=1.25, height=1.55, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for axis, (title, picture, value) in zip(line, row, strict=True):
            show(axis, picture, title, "" if value is None else f"{value:.1f} dB")
    return figure


def draw_progress(curves: Mapping[str, tuple[Steps, Curve, int]], looks: Mapping[str, Picture]) -> Figure:
    """PSNR against steps, with the best step as a ring and the fixed step as a line; and some results.

    curves: steps, PSNR, and the fixed step, by name. looks: results by title.
    """
    figure, axes = plots.panels(1 + len(looks), width=1.55, height=2.7, width_ratios=[2.8, *[1] * len(looks)])
    for (name, (steps, values, fixed)), colour in zip(curves.items(), plots.CYCLE, strict=False):
        axes[0].plot(steps, values, color=colour, label=name)
        best = int(np.argmax(values))
        axes[0].plot(steps[best], values[best], "o", color=colour, markersize=7, markerfacecolor="white")
        axes[0].axvline(fixed, color=colour, linewidth=1, linestyle=":")
    axes[0].set(xlabel="step", ylabel="PSNR, dB")
    axes[0].legend(loc="lower right", fontsize=7.5, frameon=True, framealpha=1, edgecolor="white")
    for axis, (title, picture) in zip(axes[1:], looks.items(), strict=True):
        show(axis, picture, title)
    return figure

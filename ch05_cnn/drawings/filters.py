"""The pictures of `filters`: a photo filtered by hand, the flip of a kernel, kernels during training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Real

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Grey = Real[np.ndarray, "height width"]


def draw_by_hand(results: dict[str, Grey]) -> Figure:
    """The photo and its filtered versions: light where the output is large, mid-grey where it is 0."""
    figure, axes = plots.panels(6, 2, width=1.45, height=1.6)
    for axis, (name, image) in zip(axes.flat, results.items(), strict=True):
        signed = image.min() < -0.02 and name != "sharpened"
        low, high = (-image.std() * 2.5, image.std() * 2.5) if signed else (0, min(1, 4 * image.std() + image.mean()))
        shades = np.round(15 * np.clip((image - low) / (high - low), 0, 1))  # few, for a small file
        axis.imshow(shades, vmin=0, vmax=15, interpolation="nearest")
        axis.set_title(name, fontsize=8.5)
        axis.axis("off")
    return figure


def draw_flip(letter: Real[np.ndarray, "kh kw"], image: Grey, outputs: dict[str, Grey]) -> Figure:
    """A kernel in the shape of a letter, an image of single points, and the result of each operation."""
    figure, axes = plots.panels(4, width=1.9, height=2.0)
    shown = {"kernel": np.pad(letter, ((3, 3), (4, 4))), "image": image, **outputs}
    for axis, (name, values) in zip(axes, shown.items(), strict=True):
        axis.imshow(1 - values, vmin=0, vmax=1)
        axis.set_title(name, fontsize=9.5)
        axis.set(xticks=[], yticks=[])
    return figure


def draw_learned(path: list[Float[np.ndarray, "4 3 3"]], known: dict[str, Real[np.ndarray, "3 3"]]) -> Figure:
    """The four kernels during training, and below them those that made the examples."""
    figure, axes = plots.panels(4, 4, width=1.5, height=1.45)
    middle = len(path) // 8
    rows = {"start": path[0], f"{middle} steps": path[middle], f"{len(path) - 1} steps": path[-1]}
    rows["by hand"] = np.array(list(known.values()))
    for line, (when, kernels) in zip(axes, rows.items(), strict=True):
        for axis, kernel, name in zip(line, kernels, known, strict=True):
            limit = np.abs(known[name]).max()
            axis.imshow(kernel, cmap="coolwarm", vmin=-limit, vmax=limit)
            for (i, j), value in np.ndenumerate(kernel):
                number = f"{value:.2f}".replace("-", "" if abs(value) < 0.005 else "−")
                colour = "white" if abs(value) > 0.7 * limit else plots.INK
                axis.text(j, i, number, ha="center", va="center", fontsize=7, color=colour)
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
        line[0].set_ylabel(when)
    for axis, name in zip(axes[0], known, strict=True):
        axis.set_title(name, fontsize=9)
    return figure

"""Pictures of coloured digits and their translations, and the recogniser's readings of these."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64, UInt8

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTIONS = {
    "rows": "The first coloured test images; their translations to grey by the rival and by CycleGAN with three "
    "weights of the cycle loss; the hidden partners; and, with the largest weight, the way back to colour from the "
    "translation and from the hidden partner.",
    "confusions": "What the recogniser takes translations of validation images for: rows are the true digits, columns "
    "what is read, dark is often (first seed).",
    "bars": "The share of translated test images that are recognised and their PSNR to the hidden partners: means over "
    "seeds as bars, every seed as a point; higher is better.",
}


def draw_rows(rows: Mapping[str, UInt8[np.ndarray, "_ _ _ 3"] | UInt8[np.ndarray, "_ _ _"]]) -> Figure:
    """Images side by side, a row per name; grey ones white on black, as in the networks' inputs."""
    most = max(len(images) for images in rows.values())
    figure, axes = plots.panels(1, len(rows), width=0.62 * most + 1.5, height=0.66, squeeze=False)
    for axis, (name, images) in zip(axes[:, 0], rows.items(), strict=True):
        coloured = images if images.ndim == 4 else images[..., None].repeat(3, axis=3)
        framed = np.pad(coloured, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
        axis.imshow(np.concatenate(list(framed), axis=1), interpolation="nearest")
        axis.set_axis_off()
        title = "\n".join(wrap(name, 18))
        axis.text(-0.01, 0.5, title, transform=axis.transAxes, ha="right", va="center", fontsize=9)
    return figure


def draw_confusions(confusions: Mapping[str, Int64[np.ndarray, "10 10"]]) -> Figure:
    """A matrix per name, each row as shares of its digit."""
    figure, axes = plots.panels(len(confusions), width=3.1, height=3.7, squeeze=False)
    for axis, (name, counts) in zip(axes[0], confusions.items(), strict=True):
        axis.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="gray_r", vmin=0, vmax=1)
        axis.set(title=name, xticks=range(10), yticks=range(10), xlabel="read as")
        axis.grid(visible=False)
    axes[0, 0].set_ylabel("digit")
    return figure

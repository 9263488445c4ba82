"""Drawings of enlarged pictures: crops by method, and the levels of a pyramid with their residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from ch07_applications.super_resolution.shown_crops import Crop
from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def show(axis: Axes, picture: np.ndarray, title: str = "", **how: object) -> None:
    """A picture without a frame, its pixels as they are."""
    axis.imshow(picture, interpolation="nearest", **how)
    axis.axis("off")
    axis.set_title(title, fontsize=8.5)


def draw_crops(crops: Sequence[Crop]) -> Figure:
    """A row per crop, a column per method, all at one scale."""
    columns = len(crops[0].pictures)
    width = min(1.9, 9.2 / columns)
    figure, axes = plots.panels(columns, len(crops), width=width, height=width + 0.12, squeeze=False)
    for line, crop in zip(axes, crops, strict=True):
        for axis, (name, picture) in zip(line, crop.pictures.items(), strict=True):
            show(axis, picture, name if crop is crops[0] else "")
    return figure


def draw_pyramid(
    pictures: Mapping[str, Float[np.ndarray, "_ _"]], residuals: Mapping[str, Float[np.ndarray, "_ _"]]
) -> Figure:
    """Above, the levels of the pyramid; below, what each level adds: dark is less, bright is more."""
    figure, axes = plots.panels(len(pictures), 2, width=2.6, height=2.1, squeeze=False)
    for axis, (name, picture) in zip(axes[0], pictures.items(), strict=True):
        show(axis, picture, name, cmap="gray", vmin=16, vmax=235)
    axes[1, 0].axis("off")
    for axis, (name, residual) in zip(axes[1, 1:], residuals.items(), strict=True):
        show(axis, residual, name, cmap="RdBu_r", vmin=-40, vmax=40)
    return figure


def draw_own(
    small: UInt8[np.ndarray, "height width 3"], crops: Mapping[str, UInt8[np.ndarray, "side side 3"]]
) -> Figure:
    """The reader's photograph, and a part of it enlarged by each method."""
    figure, axes = plots.panels(1 + len(crops), width=2.9, height=3.1)
    show(axes[0], small, "your photograph")
    for axis, (name, picture) in zip(axes[1:], crops.items(), strict=True):
        show(axis, picture, name)
    return figure

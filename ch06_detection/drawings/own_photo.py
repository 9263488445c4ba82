"""Drawings of own_photo.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch06_detection.drawings.ssd import draw_image, draw_named
from common import plots
from common.data.boxed import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_found(
    views: list[UInt8[np.ndarray, "_ _ 3"]], found: dict[str, list[Target]], classes: tuple[str, ...]
) -> Figure:
    """A row per size of the photograph, a column per detector, with its detections in it."""
    width = 2.6  # of a column, inches
    height = width * max(view.shape[0] / view.shape[1] for view in views) + 0.5
    figure, axes = plots.panels(len(found), len(views), width=width, height=height, squeeze=False)
    for row, view in enumerate(views):
        for axis, (name, detections) in zip(axes[row], found.items(), strict=True):
            draw_image(axis, view, f"{name}\n{view.shape[1]} × {view.shape[0]} pixels")
            draw_named(axis, detections[row], classes, plots.BLUE)
    return figure

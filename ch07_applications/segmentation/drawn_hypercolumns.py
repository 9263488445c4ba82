"""A picture of hypercolumns: a score as a sum over layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_sums(
    image: UInt8[np.ndarray, "height width 3"],
    name: str,
    added: Mapping[str, Float[np.ndarray, "height width"]],
) -> Figure:
    """The image, a map per layer, and their sum, on one scale around 0. Each map's own median is subtracted."""
    centred = {layer: values - np.median(values) for layer, values in added.items()}
    centred["sum"] = sum(centred.values())
    reach = np.percentile(np.abs(centred["sum"]), 99)
    figure, axes = plots.panels(len(centred) + 1, width=1.55, height=1.75)
    axes[0].imshow(image)
    axes[0].set_title(name, loc="center")
    for axis, (layer, values) in zip(axes[1:], centred.items(), strict=True):
        axis.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
        axis.set_title(layer, loc="center")
    for axis in axes:
        axis.axis("off")
    return figure

"""Drawings of inpainting: one crop with a hole of each band, PSNR by band, and the mask layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTIONS = {
    "restored": "One crop with a hole of each band, rows from 1–10 % to 50–60 %: the one whose harmonic fill has the "
    "median PSNR, over all bands, of every third judged crop. Hidden pixels are magenta. All are at one scale. "
    "Picture: ",
    "bands": "PSNR in holes by the share that is hidden, means over the same crops for all (first seed); "
    "higher is better.",
    "masks": "What each layer of the network knows of the widest of these holes: white is known, black is hidden, and "
    "every mask is drawn at the size of the crop, up to the first one without a hole. A place is known where its "
    "window had any known entry.",
}


def show(axis: Axes, picture: UInt8[np.ndarray, "_ _ 3"] | Float[np.ndarray, "_ _"], title: str = "") -> None:
    """Show a picture without a frame; grey values lie in 0 … 1."""
    axis.imshow(picture, vmin=0, vmax=1, interpolation="nearest")
    axis.axis("off")
    axis.set_title("\n".join(wrap(title, 15)), fontsize=8)


def draw_restored(rows: Sequence[str], columns: Mapping[str, Sequence[UInt8[np.ndarray, "_ _ 3"]]]) -> Figure:
    """A row per band, a column per method."""
    width = min(1.3, 9.2 / len(columns))
    figure, axes = plots.panels(len(columns), len(rows), width=width, height=width + 0.03, squeeze=False)
    for k, line in enumerate(axes):
        for axis, (name, pictures) in zip(line, columns.items(), strict=True):
            show(axis, pictures[k], name if not k else "")
        line[0].text(-0.08, 0.5, rows[k], rotation=90, ha="right", va="center", transform=line[0].transAxes, fontsize=8)
    return figure


def draw_bands(curves: Mapping[str, Sequence[float]], bands: Sequence[str]) -> Figure:
    """PSNR by band, a curve per method."""
    figure, axis = plots.panels(1, width=6.4, height=3.8)
    for name, values in curves.items():
        axis.plot(values, "o-", markersize=4, linewidth=1.3, label=name)
    axis.set_xticks(range(len(bands)), bands)
    axis.set(xlabel="share of the crop that is hidden", ylabel="PSNR in holes, dB")
    axis.legend()
    return figure


def draw_masks(masks: Mapping[str, Float[np.ndarray, "_ _"]]) -> Figure:
    """The masks in the order of the layers, up to the first that is all 1."""
    shown = 1 + next((k for k, mask in enumerate(masks.values()) if mask.all()), len(masks) - 1)
    figure, axes = plots.panels(shown, width=1.9, height=2.1, squeeze=False)
    for axis, (name, mask) in zip(axes.flat, masks.items(), strict=False):
        show(axis, mask, name)
        axis.axis("on")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(True)
    return figure


def draw_own(found: Mapping[str, UInt8[np.ndarray, "_ _ 3"]]) -> Figure:
    """The reader's photograph with its hole, and filled."""
    height = plots.panel_height(next(iter(found.values())), 3.2) + 0.4
    figure, axes = plots.panels(len(found), width=3.2, height=height)
    for axis, (name, picture) in zip(axes, found.items(), strict=True):
        show(axis, picture, name)
    return figure

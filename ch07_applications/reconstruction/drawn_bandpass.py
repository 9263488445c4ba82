"""Drawings of reconstructed slices: bands of k-space, slices with their errors, errors by frequency, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Complex, Float

from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ERRORS = 5  # factor of brightness
LOOKS = {  # captions
    "bands": "Left, the modulus of a test slice's k-space, its logarithm, and the first three of the patches that are "
    "framed in colour; white ticks above are the lines that are measured. Then the band images of these patches from "
    "all lines, after they were shifted to frequency 0: moduli, each divided by its largest. Right, the root mean "
    "square of every patch that was measured, over that of the patch in the middle.",
    "slices": "Of the test slices of the same head, those that the band-passed network reconstructs best, at the "
    "median and worst by PSNR: moduli, and below them errors of the modulus, five times as bright. All have one scale.",
    "frequencies": "The error of k-space over its size by the distance to frequency 0, root mean squares over the test "
    "slices of the same head. At 1 the error is as large as what there is.",
    "memory": "What is kept of one item for the backward pass of a training step, by the side of the item: the same "
    "network on whole images, and on bands, whose size does not depend on the image's.",
}


def show(axis: Axes, picture: Float[np.ndarray, "_ _"], title: str = "", top: float = 1.0) -> None:
    """Show a grey picture without a frame."""
    axis.imshow(picture, cmap="gray", vmin=0, vmax=top, interpolation="nearest")
    axis.axis("off")
    axis.set_title(title, fontsize=8.5)


def draw_bands(
    k_space: Complex[np.ndarray, "height width"],
    mask: Bool[np.ndarray, "width"],
    bands: Mapping[tuple[int, int], Complex[np.ndarray, "side side"]],
    powers: Float[np.ndarray, "_ _"],
) -> Figure:
    """bands: band images by the corner of their patch. powers: of every patch, arranged by place."""
    figure, axes = plots.panels(len(bands) + 2, width=1.95, height=2.15)
    logarithm = np.log10(np.abs(k_space) + 1e-4)
    axes[0].imshow(logarithm, cmap="gray", interpolation="nearest")
    axes[0].plot(np.flatnonzero(mask), np.full(mask.sum(), -3), "|", color=plots.INK, markersize=3, clip_on=False)
    axes[0].axis("off")
    axes[0].set_title("k-space", fontsize=8.5)
    for (corner, band), colour, axis in zip(bands.items(), plots.CYCLE, axes[1:], strict=False):
        side = len(band)
        box = {"fill": False, "edgecolor": colour, "linewidth": 1.6, "clip_on": False}
        mark_square(axes[0], corner, side, box)
        size = np.abs(band)
        show(
            axis,
            size / size.max(),
            f"band at {tuple(int(c + side // 2 - n // 2) for c, n in zip(corner, k_space.shape, strict=True))}",
        )
        mark_square(axis, (0, 0), side - 1, box)
    table = axes[-1]
    table.imshow(np.log10(powers), cmap="Blues", vmin=-2.2, vmax=0.6)
    for (row, column), value in np.ndenumerate(powers):
        colour = "white" if value > 0.3 else plots.INK
        table.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize=8, color=colour)
    table.axis("off")
    table.set_title("power of patches", fontsize=8.5)
    return figure


def mark_square(axis: Axes, corner: tuple[int, int], side: int, how: dict) -> None:
    """Draw a square around pixels, given its corner as row and column."""
    from matplotlib.patches import Rectangle

    axis.add_patch(Rectangle((corner[1] - 0.5, corner[0] - 0.5), side, side, **how))


def draw_slices(truths: Float[np.ndarray, "rows _ _"], shown: Mapping[str, Float[np.ndarray, "rows _ _"]]) -> Figure:
    """Two rows per slice: the truth and each method's modulus; below, the errors."""
    rows, columns = len(truths), len(shown) + 1
    figure, axes = plots.panels(columns, 2 * rows, width=0.96, height=1.02, squeeze=False)
    for row, truth in enumerate(truths):
        above, below = axes[2 * row], axes[2 * row + 1]
        show(above[0], truth, "truth" if row == 0 else "")
        show(below[0], np.zeros_like(truth))
        below[0].text(
            0.5, 0.5, f"errors × {ERRORS}", transform=below[0].transAxes, ha="center", color="white", fontsize=7
        )
        for axis, error, (name, pictures) in zip(above[1:], below[1:], shown.items(), strict=True):
            show(axis, pictures[row], name if row == 0 else "")
            show(error, ERRORS * np.abs(pictures[row] - truth))
    return figure


def draw_frequencies(errors: Mapping[str, Float[np.ndarray, "distances"]], size: int) -> Figure:
    """Relative error by distance to frequency 0, in cycles per field of view."""
    figure, axis = plots.panels(1, width=5.0, height=3.2)
    colours = (plots.GREY, *plots.CYCLE[1:3], plots.CYCLE[0])
    for (name, values), colour in zip(errors.items(), colours, strict=False):
        axis.plot(np.arange(len(values)) * size / 2 / len(values), values, label=name, color=colour)
    axis.set(xlabel="distance to frequency 0 (cycles per field of view)", ylabel="error over size of k-space")
    axis.set_ylim(0, 1.1)
    axis.legend(fontsize=8)
    return figure


def draw_memory(sides: Sequence[int], images: Sequence[float], bands: float) -> Figure:
    """The MiB of one item against its side; bands are a horizontal line."""
    figure, axis = plots.panels(1, width=4.4, height=3.0)
    axis.plot(sides, images, "o-", color=plots.CYCLE[1], label="whole image")
    axis.axhline(bands, color=plots.CYCLE[0], label="band of 64 × 64")
    axis.set(xlabel="side of the image (pixels)", ylabel="MiB for one item", xticks=sides)
    axis.set_ylim(0, None)
    axis.legend(fontsize=8)
    return figure

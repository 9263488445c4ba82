"""The pictures of `occlusion`: a photo under a grey square, and digits under a black one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, UInt8

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_photo(
    photo: UInt8[np.ndarray, "side side 3"],
    tops: Float[np.ndarray, "rows columns"],
    best: Int[np.ndarray, "rows columns"],
    probability: Float[np.ndarray, "rows columns"],
    *,
    names: tuple[str, ...],
    answer: str,
    square: tuple[int, int],
    grey: UInt8[np.ndarray, "3"],
) -> Figure:
    """The square where the answer is least probable; the answer's probability by place; a square that changes it.

    best, tops: the most probable class under each square, and its probability. square: its side, and the step from one
    place to the next, in pixels. grey: its colour.
    """
    from matplotlib.patches import Rectangle

    figure, (lowest, heat, changed) = plots.panels(3, width=3.3, height=3.8)
    side, (length, step) = len(photo), square
    covered = {"facecolor": tuple(grey / 255), "edgecolor": "white", "linewidth": 1}
    other = np.array([[names[k] != answer for k in row] for row in best])
    place = {lowest: np.unravel_index(probability.argmin(), probability.shape)}
    if other.any():
        place[changed] = np.unravel_index(np.where(other, tops, 0).argmax(), tops.shape)
    for axis, title in ((lowest, f"lowest P({answer})"), (changed, "another class")):
        axis.imshow(photo[::2, ::2], extent=(0, side, side, 0))
        axis.set(title="no square changes the class")
        if axis in place:
            row, column = place[axis]
            axis.add_patch(Rectangle((column * step, row * step), length, length, **covered))
            axis.set(title=f"{title}:\n{names[best[row, column]]} {tops[row, column]:.0%}")

    ends = length / 2 - step / 2, length / 2 - step / 2 + step * len(probability)
    heat.imshow(photo[::4, ::4].mean(axis=2), extent=(0, side, side, 0), alpha=0.4)
    picture = heat.imshow(probability, extent=(*ends, *ends[::-1]), vmin=0, vmax=1, cmap="viridis", alpha=0.8)
    for row, column in np.argwhere(other):
        corner = column * step + ends[0], row * step + ends[0]
        heat.add_patch(Rectangle(corner, step, step, fill=False, edgecolor="white", linewidth=2.2))
    heat.set(title=f"P({answer})\nby the square's centre")
    figure.colorbar(picture, ax=heat, shrink=0.75)
    for axis in (lowest, heat, changed):
        axis.set(xlim=(0, side), ylim=(side, 0), xticks=[], yticks=[])
        axis.grid(False)
    return figure


def draw_digit_maps(
    images: UInt8[np.ndarray, "n side side"], drops: dict[str, Float[np.ndarray, "n rows columns"]]
) -> Figure:
    """Digits, and below each the fall of its margin for a square around each place, by classifier."""
    figure, axes = plots.panels(len(images), 1 + len(drops), width=1.3, height=1.4)
    side = images.shape[1]
    for i, image in enumerate(images):
        axes[0, i].imshow(255 - image, vmin=0, vmax=255)
        for axis, maps in zip(axes[1:, i], drops.values(), strict=True):
            edge, limit = (side - len(maps[i])) / 2 - 0.5, np.abs(maps[i]).max()
            extent = edge, side - 1 - edge, side - 1 - edge, edge
            axis.imshow(maps[i], extent=extent, cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.contour(image, levels=[128], colors=plots.INK, linewidths=0.8)
            axis.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5), aspect="equal")
    for axis, name in zip(axes[:, 0], ("digit", *drops), strict=True):
        axis.set_ylabel(name, fontsize=8.5)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    return figure

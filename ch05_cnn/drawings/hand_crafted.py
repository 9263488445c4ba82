"""The pictures of `hand_crafted`: visual words, the information in their histograms, words typical of a digit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Patches = Float[np.ndarray, "words 12 12"]


def draw_words(patches: Patches, counts: Int[np.ndarray, "words"], columns: int = 10, rows: int = 3) -> Figure:
    """The most frequent words."""
    figure, axes = plots.panels(columns, rows, width=0.62, height=0.72)
    for axis, word in zip(axes.flat, np.argsort(counts)[::-1], strict=False):
        axis.imshow(1 - patches[word], vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.set_xlabel(f"{counts[word]}", fontsize=7, labelpad=1)
    return figure


def draw_lost(
    columns: dict[str, Sequence[Float[np.ndarray, "side side"]] | Float[np.ndarray, "rows side side"]],
) -> Figure:
    """A row for each digit; columns: by title, a picture of each digit. Where "quarters" are named, they are drawn."""
    figure, axes = plots.panels(len(columns), len(next(iter(columns.values()))), width=0.97, height=1.02)
    for column, (title, pictures) in zip(axes.T, columns.items(), strict=True):
        column[0].set_title(title, fontsize=9, fontweight="normal")
        for axis, picture in zip(column, pictures, strict=True):
            axis.imshow(-picture, vmin=-1, vmax=0)
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            axis.spines[:].set_visible(True)
            if "quarters" in title:
                axis.axhline(len(picture) / 2 - 0.5, color=plots.BLUE, linewidth=0.8)
                axis.axvline(len(picture) / 2 - 0.5, color=plots.BLUE, linewidth=0.8)
    return figure


def draw_telling(
    features: Int[np.ndarray, "count"],
    means: Float[np.ndarray, "2 features"],
    patches: Patches,
    pair: tuple[int, int],
    cells: Sequence[str],
) -> Figure:
    """Each distinctive word with its cell, and its mean count per digit of each class."""
    figure, axes = plots.panels(len(features), 1, width=1.05, height=1.75)
    for axis, feature in zip(axes, features, strict=True):
        cell, word = divmod(int(feature), len(patches))
        axis.imshow(1 - patches[word], vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.set_title(cells[cell], fontsize=8.5)
        axis.set_xlabel(
            "\n".join(f"in a {digit}: {m:.2f}" for digit, m in zip(pair, means[:, feature], strict=True)), fontsize=8
        )
    return figure

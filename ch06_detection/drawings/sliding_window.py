"""Drawings of sliding_window.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ch06_detection.boxes import clip
from ch06_detection.drawings.boxes import outline
from common import plots
from common.data.boxed import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ch06_detection.sliding_window import Level, Round


def draw_strokes(axis: Axes, weights: Float[np.ndarray, "rows columns bins"]) -> None:
    """Draw a stroke per cell along every edge with a weight; darker is more. Gradients run across edges."""
    from matplotlib.collections import LineCollection

    rows, columns, bins = weights.shape
    wanted = weights.clip(min=0) / weights.max()
    edge = np.pi * (np.arange(bins) + 0.5) / bins + np.pi / 2
    way = 0.45 * np.stack([np.cos(edge), np.sin(edge)], axis=-1)
    y, x = np.mgrid[:rows, :columns] + 0.5
    middle = np.stack([x, y], axis=-1)[:, :, None]
    lines = np.stack([middle - way, middle + way], axis=3).reshape(-1, 2, 2)
    axis.add_collection(LineCollection(lines, colors=plots.INK, alpha=wanted.ravel(), linewidths=1.5))
    axis.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal", xticks=[], yticks=[])
    axis.grid(visible=False)


def draw_templates(weights: dict[str, Float[np.ndarray, "_ _ _"]]) -> Figure:
    """Each class's positive weights, and its negative ones. weights: of the template's cells, by class name."""
    figure, axes = plots.panels(len(weights), 2, width=1.7, height=2.1)
    for column, (name, own) in zip(axes.T, weights.items(), strict=True):
        draw_strokes(column[0], own)
        draw_strokes(column[1], -own)
        column[0].set_title(name)
    axes[0, 0].set_ylabel("for")
    axes[1, 0].set_ylabel("against")
    return figure


def draw_rounds(rounds: list[Round]) -> Figure:
    """For each round, histograms of the scores of its new negatives, before and after training with them."""
    figure, axes = plots.panels(len(rounds), width=3.0, height=2.6, sharex=True, sharey=True, squeeze=False)
    scores = np.concatenate([part for turn in rounds for part in (*(turn.before or ()), *turn.after)])
    bins = np.linspace(*np.quantile(scores, [0.005, 0.995]), 40)
    for number, (axis, turn) in enumerate(zip(axes[0], rounds, strict=True)):
        for some, colour, label in ((turn.before, plots.GREY, "before"), (turn.after, plots.BLUE, "after")):
            if some:
                axis.hist(np.concatenate(some), bins, density=True, color=colour, alpha=0.6, label=label)
        axis.axvline(-1, color=plots.INK, linestyle="--", linewidth=1)
        count = sum(len(part) for part in turn.added)
        axis.set(title=f"{'hard' if number else 'random'} negatives: {count}", xlabel="score", yticks=[])
    axes[0, -1].legend()
    return figure


def draw_pyramid(levels: list[Level], name: str) -> Figure:
    """Some levels, each with its highest-scoring window; below, the scores of the windows."""
    figure, axes = plots.panels(len(levels), 2, width=2.1, height=2.2, squeeze=False)
    most = max(1.0, *(level.scores.max() for level in levels))
    largest = max(level.image.shape[1] for level in levels)
    for column, level in zip(axes.T, levels, strict=True):
        height, width = level.image.shape[:2]
        column[0].imshow(level.image, extent=(0, width, height, 0))
        best = level.boxes.reshape(-1, 4)[level.scores.argmax(), None] * [*level.scale[::-1], *level.scale[::-1]]
        outline(column[0], clip(torch.from_numpy(best), height, width), "white")
        column[0].set(xlim=(0, largest), ylim=(largest, 0), title=f"{width} × {height}")
        drawn = column[1].imshow(level.scores, cmap="RdBu_r", vmin=-most, vmax=most)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.grid(visible=False)
    axes[0, 0].set_ylabel("level")
    axes[1, 0].set_ylabel(f"scores, {name}")
    figure.colorbar(drawn, ax=axes[1].tolist(), shrink=0.8)
    return figure


def draw_suppressed(
    image: UInt8[np.ndarray, "height width 3"], target: Target, before: Target, after: Target, names: tuple[str, ...]
) -> Figure:
    """The objects; the windows above the threshold before suppression, and after it."""
    figure, axes = plots.panels(3, width=3.0, height=3.2)
    for axis, boxes, title in zip(axes, (target, before, after), ("objects", "windows", "kept"), strict=True):
        axis.imshow(image)
        outline(axis, boxes["boxes"], plots.GREEN if boxes is target else "white", 0.6 if boxes is before else 1.6)
        axis.set(title=f"{title}: {len(boxes['boxes'])}", xlim=(0, image.shape[1]), ylim=(image.shape[0], 0))
        axis.axis("off")
        if boxes is not before:
            for (x, y, *_), label in zip(boxes["boxes"].tolist(), boxes["labels"].tolist(), strict=True):
                axis.text(x + 1, y + 1, names[label - 1], color="white", fontsize=7, va="top", clip_on=True)
    return figure

"""Drawings of scenes.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ch06_detection.composition.edges import CLOTHES, PHOTO, RIVALS, SHAPE
from common import plots
from common.data.boxed import BoxedImages
from common.data.scene_places import SIZE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ch06_detection.scenes import Way


STEPS = np.linspace(0, 2, 41)


def draw_boxes(axis: Axes, part: BoxedImages, item: int) -> None:
    """A scene with its boxes and names; white lines are the outlines of its masks."""
    axis.imshow(part.images[item], extent=(0, SIZE, SIZE, 0))
    target = part.targets[item]
    for k, (box, label) in enumerate(zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True)):
        x1, y1, x2, y2 = box
        colour = plots.CYCLE[k % len(plots.CYCLE)]
        axis.contour(part.masks[item][k], [0.5], colors="white", linewidths=0.7, extent=(0, SIZE, 0, SIZE))
        axis.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=colour, lw=1.3)
        place = {"y": y1 - 2, "va": "bottom"} if y1 > 14 else {"y": y1 + 2, "va": "top"}
        paint = {"size": 6.5, "color": "white", "bbox": {"fc": colour, "ec": "none", "pad": 0.8}}
        axis.text(x1 + 1, s=part.classes[label - 1], clip_on=True, **place, **paint)
    axis.set(xlim=(0, SIZE), ylim=(SIZE, 0))
    axis.axis("off")


def draw_composition(pictures: list[UInt8[np.ndarray, "height width 3"]], titles: list[str]) -> Figure:
    """Draw the pictures side by side."""
    return plots.gallery(pictures, titles, columns=len(pictures), size=1.8)


def draw_examples(part: BoxedImages, items: list[int], columns: int = 4) -> Figure:
    """Some scenes with their objects."""
    figure, axes = plots.panels(columns, -(-len(items) // columns), width=2.3, height=2.3)
    for axis, item in zip(axes.flat, items, strict=True):
        draw_boxes(axis, part, item)
    return figure


def draw_counts(part: BoxedImages) -> Figure:
    """The numbers, sizes and classes of the objects of scenes."""
    figure, axes = plots.panels(3, width=3.1, height=2.9)
    boxes = np.concatenate([target["boxes"].numpy() for target in part.targets])
    labels = np.concatenate([target["labels"].numpy() for target in part.targets])
    counts = np.bincount([len(target["labels"]) for target in part.targets])
    axes[0].bar(np.arange(len(counts)), counts, color=plots.BLUE)
    axes[0].set(title="objects in a scene", ylabel="scenes", xticks=np.arange(len(counts)))
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    axes[1].plot(width, height, ".", color=plots.INK, markersize=2, alpha=0.25)
    axes[1].set(title="their boxes", xlabel="width, pixels", ylabel="height", xlim=(0, 100), ylim=(0, 100))
    axes[2].barh(
        np.arange(len(part.classes)), np.bincount(labels, minlength=len(part.classes) + 1)[1:], color=plots.BLUE
    )
    axes[2].set(title="their classes", yticks=np.arange(len(part.classes)))
    axes[2].set_yticklabels(part.classes)
    axes[2].invert_yaxis()
    return figure


def draw_cues(ways: dict[str, Way]) -> Figure:
    """The rim of items, the steepness of edges, and how well edges of clothes can be distinguished from others."""
    figure, axes = plots.panels(3, width=3.4, height=3.1)
    for (name, way), colour in zip(ways.items(), (plots.ORANGE, plots.BLUE), strict=True):
        depth = 1 + np.arange(way.depths.shape[1])
        axes[0].plot(depth, 100 * np.nanmedian(way.depths, axis=0), "o-", color=colour, label=name)
        axes[1].hist(way.test.of(CLOTHES).steepness, STEPS, histtype="step", density=True, lw=1.8, color=colour)
        for row, other in enumerate(RIVALS):
            value, low, high = way.aucs[other].ends
            place = row + (0.12 if colour == plots.BLUE else -0.12)
            axes[2].errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=3)
    for kind, colour in ((SHAPE, plots.GREEN), (PHOTO, plots.GREY)):
        label = {SHAPE: "shapes, composed", PHOTO: "photographs"}[kind]
        line = {"histtype": "step", "density": True, "lw": 1.4, "color": colour, "label": label}
        axes[1].hist(way.test.of(kind).steepness, STEPS, **line)
    axes[0].axhline(100, color=plots.GREY, lw=1)
    axes[0].set(title="brightness of items", xlabel="pixels from the rim", ylabel="% of that inside", ylim=(60, 120))
    axes[1].set(title="how steep edges are", xlabel="share of the rise within ±1 pixel", yticks=[])
    axes[2].axvline(0.5, color=plots.GREY, lw=1)
    axes[2].set(title="clothes against", xlabel="AUC; 0.5 is guessing", xlim=(0.45, 1), ylim=(1.6, -0.6))
    axes[2].set_yticks(range(len(RIVALS)), RIVALS.values())
    axes[0].legend(loc="lower right")
    axes[1].legend(fontsize=8)
    return figure

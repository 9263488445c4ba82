"""Drawings of instances: coloured masks beside each other, and where RoI Align and RoI pooling sample a map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8
from matplotlib.patches import Rectangle
from torch.nn import functional

from ch07_applications.segmentation.label_colours import best_median_worst
from ch07_applications.segmentation.shown_items import agreement, best_of, coloured, in_order_of, rounded
from common import plots
from common.data.boxed import BoxedImages, Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_best_median_worst(
    images: UInt8[np.ndarray, "n height width 3"], answers: Mapping[str, Sequence[Target]], classes: Sequence[str]
) -> Figure:
    """draw_instances of three scenes, chosen by how well the second answer agrees with the first, the truth."""
    truths, found = list(answers.values())[:2]
    scores = agreement(found, truths)
    places = best_median_worst(scores)
    rows = [f"{name}: {100 * scores[k]:.0f} %" for name, k in zip(("best", "median", "worst"), places, strict=True)]
    few = {name: [every[place] for place in places] for name, every in answers.items()}
    return draw_instances(images[places], few, classes, rows)


def draw_instances(
    images: UInt8[np.ndarray, "n height width 3"],
    answers: Mapping[str, Sequence[Target]],
    classes: Sequence[str],
    rows: Sequence[str],
) -> Figure:
    """A row per scene: the picture, and the instances of each answer, with the names of their classes.

    Instances of the first answer, the truth, lend their colours to those that overlap them most.
    """
    figure, axes = plots.panels(1 + len(answers), len(images), width=1.8, height=1.9, squeeze=False)
    truths = next(iter(answers.values()))
    for k, image in enumerate(images):
        axes[k, 0].imshow(image)
        axes[k, 0].set_title(rows[k], fontsize="small")
        for axis, (name, found) in zip(axes[k, 1:], answers.items(), strict=True):
            own = best_of(found[k], len(truths[k]["labels"]))
            axis.imshow(coloured(image, in_order_of(own, truths[k])))
            axis.set_title("\n".join(wrap(name, 16)) if k == 0 else "")
            for box, label in zip(own["boxes"].tolist(), own["labels"].tolist(), strict=True):
                axis.text(
                    (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, classes[label - 1], fontsize=6.5, color="white",
                    ha="center", va="center", bbox={"fc": plots.INK, "ec": "none", "pad": 0.7, "alpha": 0.75},
                )  # fmt: skip
    for axis in axes.flat:
        axis.axis("off")
    return figure


def draw_sampling(scenes: BoxedImages, methods: Mapping[str, Callable], stride: int, side: int) -> Figure:
    """The scenes' first object: cells of RoI pooling and sample places of RoI Align on a map, and what they give.

    methods: "RoI pooling" and "RoI Align", as functions of a map, boxes, cells and the stride. The map is the picture
    itself, reduced by the stride.
    """
    item = next(k for k, target in enumerate(scenes.targets) if len(target["labels"]))
    image, box = scenes.images[item], scenes.targets[item]["boxes"][0]
    map_ = functional.avg_pool2d(torch.tensor(image).permute(2, 0, 1)[None].float(), stride)
    reduced = map_[0].permute(1, 2, 0)
    sampled = {
        name: method(map_, box[None, None], side, stride)[0, 0].permute(1, 2, 0).numpy()
        for name, method in methods.items()
    }
    figure, axes = plots.panels(4, width=2.9, height=3.2)
    x1, y1, x2, y2 = box.tolist()
    for axis, name in ((axes[0], "RoI pooling"), (axes[2], "RoI Align")):
        axis.imshow(reduced.numpy() / 255, extent=(0, image.shape[1], image.shape[0], 0), alpha=0.75)
        axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, color=plots.GREEN, linewidth=2))
        axis.set(title=name, xlim=(x1 - 2 * stride, x2 + 2 * stride), ylim=(y2 + 2 * stride, y1 - 2 * stride))
    for ends, lines in (
        (rounded(x1, x2, stride, side), axes[0].vlines),
        (rounded(y1, y2, stride, side), axes[0].hlines),
    ):
        others = rounded(y1, y2, stride, side) if lines == axes[0].vlines else rounded(x1, x2, stride, side)
        lines(ends, others.min(), others.max(), color=plots.RED, linewidth=0.8)
    share = (np.arange(side) + 0.5) / side
    across, down = np.meshgrid(x1 + share * (x2 - x1), y1 + share * (y2 - y1))
    axes[2].plot(across.ravel(), down.ravel(), ".", color=plots.RED, markersize=3)
    for axis, name in ((axes[1], "RoI pooling"), (axes[3], "RoI Align")):
        axis.imshow(sampled[name].clip(0, 255) / 255)
        axis.set_title(f"gives {side} × {side} cells")
    for axis in axes.flat:
        axis.set_aspect("equal" if axis in (axes[0], axes[2]) else (y2 - y1) / (x2 - x1))
        axis.axis("off")
    return figure

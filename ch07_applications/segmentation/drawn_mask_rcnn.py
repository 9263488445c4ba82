"""Drawings of instances: coloured masks beside each other, and where RoI Align and RoI pooling sample a map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from torch.nn import functional

from ch07_applications.segmentation.label_colours import best_median_worst
from common import plots
from common.data.boxed import BoxedImages, Target
from common.metrics.masks import mask_iou

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (*plots.CYCLE, "#e3c800", "#00a3a3")
Picture = UInt8[np.ndarray, "height width 3"]


def best_of(found: Target, n: int) -> Target:
    """The n detections with the highest scores: as many as there are objects."""
    return {key: values[:n] for key, values in found.items()}


def agreement(found: Sequence[Target], truths: Sequence[Target]) -> Float[np.ndarray, "scenes"]:
    """Of each scene the mean over its objects of the IoU with the best mask of their class, of as many detections."""
    means = np.full(len(truths), np.nan)
    for k, truth in enumerate(truths):
        if n := len(truth["labels"]):
            own = best_of(found[k], n)
            overlap = mask_iou(truth["masks"].numpy(), own["masks"].numpy())
            overlap = np.where(truth["labels"].numpy()[:, None] == own["labels"].numpy(), overlap, 0)
            means[k] = overlap.max(axis=1, initial=0).mean()
    return means


def coloured(image: Picture, found: Target) -> Float[np.ndarray, "height width 3"]:
    """The picture in grey, each instance in a colour of its own, the highest score on top."""
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2) / 255 * 0.6 + 0.4
    for k in range(len(found["labels"]) - 1, -1, -1):
        mask = found["masks"][k].numpy()
        grey[mask] = 0.35 * image[mask] / 255 + 0.65 * np.array(to_rgb(COLOURS[k % len(COLOURS)]))
    return grey


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
    figure, axes = plots.panels(1 + len(answers), len(images), width=2.3, height=2.4, squeeze=False)
    truths = next(iter(answers.values()))
    for k, image in enumerate(images):
        axes[k, 0].imshow(image)
        axes[k, 0].set_title(rows[k])
        for axis, (name, found) in zip(axes[k, 1:], answers.items(), strict=True):
            own = best_of(found[k], len(truths[k]["labels"]))
            axis.imshow(coloured(image, in_order_of(own, truths[k])))
            axis.set_title(name if k == 0 else "")
            for box, label in zip(own["boxes"].tolist(), own["labels"].tolist(), strict=True):
                axis.text(
                    (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, classes[label - 1], fontsize=6.5, color="white",
                    ha="center", va="center", bbox={"fc": plots.INK, "ec": "none", "pad": 0.7, "alpha": 0.75},
                )  # fmt: skip
    for axis in axes.flat:
        axis.axis("off")
    return figure


def in_order_of(found: Target, truth: Target) -> Target:
    """The instances, each in the place, and so the colour, of the true one that it overlaps most, if that is free."""
    n = len(found["labels"])
    overlap = mask_iou(found["masks"].numpy(), truth["masks"].numpy())
    places, free = np.full(n, -1), set(range(max(n, overlap.shape[1])))
    for k in np.argsort(-overlap.max(axis=1, initial=0), kind="stable"):
        wanted = [j for j in np.argsort(-overlap[k], kind="stable") if j in free and overlap[k, j] > 0]
        places[k] = wanted[0] if wanted else max(free)
        free.discard(int(places[k]))
    height, width = found["masks"].shape[1:]
    masks = torch.zeros(int(places.max(initial=-1)) + 1, height, width, dtype=torch.bool)
    masks[places] = found["masks"]
    return {"masks": masks, "labels": torch.zeros(len(masks), dtype=torch.int64)}


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


def rounded(low: float, high: float, stride: int, bins: int) -> Float[np.ndarray, "ends"]:
    """Where cells of RoI pooling begin and end, in pixels: the box's ends and theirs are whole cells of the map."""
    first, last = np.floor(low / stride + 0.5), np.floor(high / stride + 0.5)
    size = max(last - first + 1, 1) / bins
    return (first + np.floor(np.arange(bins + 1) * size)) * stride

"""Drawings of rcnn.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ch06_detection.boxes import Boxes, area, iou
from ch06_detection.drawings.boxes import SURE, outline
from ch06_detection.scoring.overlaps import spread_out
from ch06_detection.trunk.crops import cut
from common import plots
from common.data.boxed import Target
from common.metrics.detection import COCO_THRESHOLDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EACH = 3  # proposals of each kind that are drawn
COLOURS = {"object": plots.GREEN, "part": plots.ORANGE, "background": plots.BLUE}
CLOSE = 14  # pixels between the corners of two detections, below which their numbers would cover each other


def draw_stages(
    image: UInt8[np.ndarray, "height width 3"],
    proposals: Boxes,
    target: Target,
    found: Target,
    classes: tuple[str, ...],
) -> Figure:
    """Proposals, three each on an object, on a part of one and on background, warped; detections of at least SURE.

    Under each crop stand the class of the object that its proposal overlaps most, and their IoU. The detections are
    numbered in the order of their scores, with class and score beside the picture.
    """
    figure, axes = plots.panels(3, width=3.1, height=3.1, gridspec_kw={"width_ratios": [1, 1, 1.45]})
    for axis, title in zip(axes, (f"{len(proposals)} proposals", "some, warped", "detections"), strict=True):
        axis.set_title(title)
        axis.axis("off")
    axes[0].imshow(image)
    outline(axes[0], proposals, "white", 0.4, 0.5)
    _draw_examples(axes, image, proposals, target, classes)
    _number_detections(axes[2], image, found, classes)
    return figure


def _draw_examples(
    axes: Sequence[Axes], image: UInt8[np.ndarray, "height width 3"], proposals: Boxes, target: Target,
    classes: tuple[str, ...],
) -> None:  # fmt: skip
    """EACH proposals of each kind, if there are that many, far apart where possible: in the picture, and warped.

    One on a part covers less than 0.4 of its object and little else; for background, those with the lowest IoU.
    """
    overlaps = iou(proposals, target["boxes"])
    best, nearest = overlaps.max(dim=1)
    own, whole = area(proposals), area(target["boxes"])[nearest]
    common = best * (own + whole) / (1 + best)  # pixels, from IoU = common / (own + whole − common)
    kinds = {
        "object": (best >= 0.6).nonzero()[:, 0],
        "part": ((best > 0.15) & (best < 0.4) & (common > 0.8 * own)).nonzero()[:, 0],
        "background": best.argsort(stable=True)[: max(2 * EACH, int((best == 0).sum()))],
    }
    inside = torch.tensor(image.copy()).permute(2, 0, 1).float()[None]
    for row, (name, which) in enumerate(kinds.items()):
        apart = spread_out(proposals[which], EACH)
        others = proposals[which][~(iou(proposals[which], apart) == 1).any(dim=1)]
        chosen = torch.cat([apart, others[: EACH - len(apart)]])
        top, colour = row * 40.0, COLOURS[name]
        outline(axes[0], chosen, colour, 1.8)
        axes[1].text(-3, top + 16, name, rotation=90, ha="right", va="center", color=colour, fontsize=8)
        covered, closest = iou(chosen, target["boxes"]).max(dim=1)
        crops = cut(inside, [chosen], (32, 32)).permute(0, 2, 3, 1).numpy().astype(np.uint8)
        shown = zip(crops, covered.tolist(), target["labels"][closest].tolist(), strict=True)
        for column, (crop, overlap, label) in enumerate(shown):
            left = column * 38.0
            axes[1].imshow(crop, extent=(left, left + 32, top + 32, top))
            outline(axes[1], torch.tensor([[left, top, left + 32, top + 32]]), colour, 1.8)
            text = "no object" if overlap == 0 else f"{classes[label - 1]}, IoU {overlap:.2f}"
            axes[1].text(left + 16, top + 33, text, ha="center", va="top", fontsize=5.5)
    axes[1].set(xlim=(-10, 112), ylim=(120, -2))


def _number_detections(
    axis: Axes, image: UInt8[np.ndarray, "height width 3"], found: Target, classes: tuple[str, ...]
) -> None:
    """The detections of at least SURE, or the highest-scoring one, with a number each; beside them, what they are."""
    height, width = image.shape[:2]
    many = max(1, int((found["scores"] >= SURE).sum()))
    axis.imshow(image)
    corners: list[tuple[float, float]] = []
    rows = zip(*(found[key][:many].tolist() for key in ("boxes", "labels", "scores")), strict=True)
    for k, ((x1, y1, x2, y2), label, score) in enumerate(rows):
        colour = plots.CYCLE[k % len(plots.CYCLE)]
        outline(axis, torch.tensor([[x1, y1, x2, y2]]), colour, 1.6)
        x, y = x1 + 1, max(y1, 0) + 1
        while any(abs(x - a) < CLOSE and abs(y - b) < CLOSE for a, b in corners):
            y += CLOSE
        corners.append((x, y))
        patch = {"fc": colour, "ec": "none", "pad": 1}
        axis.text(x + 1, min(y + 2, height - 10), f"{k + 1}", size=6.5, color="white", va="top", ha="left", bbox=patch)
        line = f"{k + 1}  {classes[label - 1]} {score:.2f}"
        axis.text(width + 4, 4 + 9.5 * k, line, size=7.5, color=colour, va="center")
    axis.set(xlim=(0, 1.45 * width), ylim=(height, 0))


def draw_regression(
    before: Float[np.ndarray, "proposed"], after: Float[np.ndarray, "moved"], ap: dict[str, list[float]]
) -> Figure:
    """IoU of proposals with their object, before and after regression; mAP by threshold of each variant."""
    figure, axes = plots.panels(2, width=4.6, height=3.4)
    bins = np.linspace(0.3, 1, 36)
    for overlaps, name, colour in ((before, "as proposed", plots.GREY), (after, "moved", plots.BLUE)):
        axes[0].hist(overlaps, bins, histtype="step", color=colour, lw=2, label=f"{name}: mean {overlaps.mean():.2f}")
    axes[0].set(title="detections that lie on an object", xlabel="IoU with it", ylabel="detections")
    axes[0].legend(loc="upper left")
    for (name, values), colour, line in zip(ap.items(), plots.CYCLE, ("-", "--", "-", "--"), strict=False):
        axes[1].plot(COCO_THRESHOLDS, values, line, color=colour, label=name)
    axes[1].set(title="how exact a box has to be", xlabel="IoU that counts as found", ylabel="mAP, %", ylim=(0, None))
    axes[1].legend(fontsize=7.5)
    return figure

"""Drawings of rcnn.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ch06_detection.boxes import Boxes, iou
from ch06_detection.drawings.boxes import outline
from ch06_detection.scoring.overlaps import spread_out
from ch06_detection.trunk.crops import cut
from common import plots
from common.data.boxed import Target
from common.metrics.detection import COCO_THRESHOLDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SURE = 0.5  # the score from which on a detection is drawn


def draw_stages(
    image: UInt8[np.ndarray, "height width 3"],
    proposals: Boxes,
    target: Target,
    found: Target,
    classes: tuple[str, ...],
) -> Figure:
    """Proposals, three each on an object, on a part of one and on background, warped; detections of at least SURE.

    Under each crop stands the IoU of its proposal with the nearest object.
    """
    found = {name: values[: max(1, int((found["scores"] >= SURE).sum()))] for name, values in found.items()}
    overlap = iou(proposals, target["boxes"]).max(dim=1).values
    rows = {"object": overlap >= 0.6, "part": (overlap > 0.15) & (overlap < 0.4), "background": overlap == 0}
    figure, axes = plots.panels(3, width=2.9, height=3.0)
    for axis, title in zip(axes, (f"{len(proposals)} proposals", "some, warped", "detections"), strict=True):
        axis.set_title(title)
        axis.axis("off")
    axes[0].imshow(image)
    outline(axes[0], proposals, "white", 0.5, 0.7)
    inside = torch.tensor(image.copy()).permute(2, 0, 1).float()[None]
    for row, ((name, which), colour) in enumerate(
        zip(rows.items(), (plots.GREEN, plots.ORANGE, plots.BLUE), strict=True)
    ):
        chosen = spread_out(proposals[which], 3)
        outline(axes[0], chosen, colour, 1.6)
        axes[1].text(-3, row * 40 + 16, name, rotation=90, ha="right", va="center", color=colour, fontsize=8)
        crops = cut(inside, [chosen], (32, 32)).permute(0, 2, 3, 1).numpy().astype(np.uint8)
        near = iou(chosen, target["boxes"]).max(dim=1).values.tolist() if len(chosen) else []
        for column, (crop, best) in enumerate(zip(crops, near, strict=True)):
            left, top = column * 36.0, row * 40.0
            axes[1].imshow(crop, extent=(left, left + 32, top + 32, top))
            outline(axes[1], torch.tensor([[left, top, left + 32, top + 32]]), colour, 1.6)
            axes[1].text(left + 16, top + 33, f"IoU {best:.2f}", ha="center", va="top", fontsize=6)
    axes[1].set(xlim=(-8, 106), ylim=(120, -2))
    axes[2].imshow(image)
    outline(axes[2], found["boxes"], plots.ORANGE)
    for (x, y, *_), label, score in zip(
        found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True
    ):
        paint = {"size": 6, "color": "white", "bbox": {"fc": plots.ORANGE, "ec": "none", "pad": 0.8}}
        axes[2].text(x + 1, max(y, 7), f"{classes[label - 1]} {score:.2f}", va="bottom", clip_on=True, **paint)
    return figure


def draw_regression(
    before: Float[np.ndarray, "n"], after: Float[np.ndarray, "n"], ap: dict[str, list[float]]
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

"""Drawings of rcnn.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ch06_detection.boxes import Boxes, iou
from ch06_detection.drawings.boxes import outline
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
    found: Target,
    classes: tuple[str, ...],
) -> Figure:
    """Proposals, nine of them cut out that overlap one another little, and the detections of at least SURE.

    found: the highest score first; the first one is drawn in any case.
    """
    chosen = proposals[:1]
    for box in proposals:
        if len(chosen) < 9 and float(iou(box[None], chosen).max()) < 0.3:
            chosen = torch.cat([chosen, box[None]])
    found = {name: values[: max(1, int((found["scores"] >= SURE).sum()))] for name, values in found.items()}
    figure, axes = plots.panels(3, width=2.7, height=2.9)
    for axis, title in zip(axes, (f"{len(proposals)} proposals", "some, warped", "detections"), strict=True):
        axis.set_title(title)
        axis.axis("off")
    axes[0].imshow(image)
    outline(axes[0], proposals, "white", 0.5, 0.7)
    for k in range(len(chosen)):
        outline(axes[0], chosen[k : k + 1], plots.CYCLE[k % 6], 1.6)
    inside = torch.tensor(image.copy()).permute(2, 0, 1).float()[None]
    crops = cut(inside, [chosen], (32, 32)).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    for k, crop in enumerate(crops):
        row, column = divmod(k, 3)
        axes[1].imshow(crop, extent=(column * 36, column * 36 + 32, row * 36 + 32, row * 36))
        edges = torch.tensor([[column * 36.0, row * 36.0, column * 36.0 + 32, row * 36.0 + 32]])
        outline(axes[1], edges, plots.CYCLE[k % 6], 1.6)
    axes[1].set(xlim=(-2, 106), ylim=(106, -2))
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

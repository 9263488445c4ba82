"""Drawings of fast_rcnn.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from ch06_detection.drawings.boxes import SURE, outline
from common import plots
from common.data.boxed import BoxedImages, Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_loss(smooth_l1: Callable, losses: Float[np.ndarray, "steps"]) -> Figure:
    """Smooth L1 beside L1 and L2, with their slopes; and the multi-task loss in training."""
    figure, axes = plots.panels(3, width=3.3, height=3.0)
    x = torch.linspace(-3, 3, 241, requires_grad=True)
    for loss, name, colour in (
        (smooth_l1(x), "smooth L1", plots.BLUE),
        (x**2 / 2, "½ L2", plots.ORANGE),
        (x.abs(), "L1", plots.GREY),
    ):
        (slope,) = torch.autograd.grad(loss.sum(), x)
        for axis, values in zip(axes, (loss, slope), strict=False):
            axis.plot(x.detach().numpy(), values.detach().numpy(), color=colour, label=name)
    axes[0].set(title="loss of an offset", xlabel="error of the offset", ylim=(0, 3))
    axes[1].set(title="its slope", xlabel="error of the offset", ylim=(-2, 2))
    axes[0].legend(loc="upper center")
    width = max(1, len(losses) // 60)
    smoothed = losses[: len(losses) // width * width].reshape(-1, width).mean(axis=1)
    axes[2].plot(width * np.arange(len(smoothed)), smoothed, color=plots.BLUE)
    axes[2].set(title="multi-task loss", xlabel="step", ylim=(0, None))
    return figure


def draw_detections(part: BoxedImages, found: dict[str, list[Target]], items: list[int]) -> Figure:
    """Some scenes with each detector's high-scoring detections: objects in green, detections in red."""
    figure, axes = plots.panels(len(items), len(found), width=2.0, height=2.2, squeeze=False)
    for row, (name, detections) in zip(axes, found.items(), strict=True):
        for axis, item in zip(row, items, strict=True):
            axis.imshow(part.images[item])
            outline(axis, part.targets[item]["boxes"], plots.GREEN, 1.2)
            outline(axis, detections[item]["boxes"][detections[item]["scores"] >= SURE], plots.RED, 1.8)
            axis.set(xlim=(0, part.images.shape[2]), ylim=(part.images.shape[1], 0), xticks=[], yticks=[])
            axis.grid(visible=False)
        row[0].set_ylabel(name, fontweight="bold")
    return figure

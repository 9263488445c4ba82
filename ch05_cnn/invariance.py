"""How far a picture's features go when the picture moves.

Method     Zeiler & Fergus 2014, "Feature Invariance": the distance between the features of an image and those of the
           same image moved or turned, layer by layer.
Differs    The unit is the mean distance between two different images, so that layers of other sizes can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHIFTS = (0, 1, 2, 3, 4, 6, 8)  # pixels
ANGLES = (0, 10, 20, 30, 45, 60, 90)  # degrees

Stack = Float[Tensor, "n channels side side"]
Features = Callable[[Tensor], Tensor]


def moved(images: Stack, down: float = 0.0, degrees: float = 0.0) -> Stack:
    """Square images shifted down by so many pixels, turned clockwise by so many degrees; the border is repeated."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    shift = -2 * down / images.shape[2]  # the new image asks the old one: what stands further up? [-1, 1] is the image
    matrix = torch.tensor([[cos, sin, 0.0], [-sin, cos, shift]]).expand(len(images), 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def distances(features: Features, images: Stack, copies: Sequence[Stack]) -> list[float]:
    """The mean distance of the features of images and each of its moved copies, over that of different images."""
    base = features(images).flatten(1)
    others = (base - base.roll(1, dims=0)).norm(dim=1).mean()
    return [float((features(copy).flatten(1) - base).norm(dim=1).mean() / others) for copy in copies]


def measured(features: dict[str, Features], images: Stack) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """The distances of every kind of features, by SHIFTS and by ANGLES."""
    shifted = [moved(images, down=pixels) for pixels in SHIFTS]
    turned = [moved(images, degrees=angle) for angle in ANGLES]
    with torch.inference_mode():
        by_shift, by_angle = (
            {name: distances(of, images, copies) for name, of in features.items()} for copies in (shifted, turned)
        )
    return by_shift, by_angle


def draw_invariance(by_shift: dict[str, list[float]], by_angle: dict[str, list[float]]) -> Figure:
    """Distance by shift, and by angle; dashed what no network has learned."""
    figure, axes = plots.panels(2, width=4.4, height=3.3, sharey=True)
    learned = iter((plots.SKY, plots.BLUE, plots.PURPLE, plots.RED))
    colours = {name: {"pixels": plots.GREY, "HOG": plots.ORANGE}.get(name) or next(learned) for name in by_shift}
    for axis, found, x in zip(axes, (by_shift, by_angle), (SHIFTS, ANGLES), strict=True):
        for name, values in found.items():
            style = "--" if name in ("pixels", "HOG") else "-"
            axis.plot(x, values, f"o{style}", color=colours[name], markersize=3.5, label=name)
        axis.axhline(1, color=plots.INK, linewidth=0.8)
    axes[0].set(title="Moved down", xlabel="pixels", ylabel="distance (1 = another image)", ylim=(0, None))
    axes[1].set(title="Turned", xlabel="degrees", xticks=ANGLES)
    axes[1].legend(loc="lower right", ncols=2)
    return figure

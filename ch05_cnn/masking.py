"""Cover the pixels that matter to a unit, and its activation falls: which method finds them?

Method     The tenth of the pixels in a unit's field that a method ranks as most important is covered with the training
           set's mean, and the activation of the same unit at the same place is computed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ch05_cnn.projection import derived, guided, project, receptive_field, rectified, strongest
from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COVERED = 0.1  # of the pixels that a unit sees
MEAN = 0.0  # of standardised pixels

Stack = Float[Tensor, "n channels side side"]
Units = Int[Tensor, "n"]


@torch.inference_mode()
def most_excited(layers: nn.Module, images: Stack) -> Units:
    """Each image's unit that stands out most: its largest activation over that unit's mean of all images."""
    peaks = layers(images).amax(dim=(2, 3))
    return (peaks / peaks.mean(dim=0).clamp(min=1e-6)).argmax(dim=1)


def seen_by(layers: nn.Module, places: Int[Tensor, "n 2"], side: int) -> Bool[Tensor, "n 1 side side"]:
    """The pixels in the field of the unit at each row and column of the layer's map."""
    size, step, start = receptive_field(layers)
    first = (start + step * places)[..., None]
    rows, columns = ((torch.arange(side) >= first) & (torch.arange(side) < first + size)).unbind(dim=1)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def importances(layers: nn.Module, images: Stack, units: Units, generator: torch.Generator) -> dict[str, Stack]:
    """How important each pixel is to its image's unit, by each method."""
    gradient = project(layers, images, units, derived)[0]
    return {
        "deconvnet": project(layers, images, units, rectified)[0].abs(),
        "gradient": gradient.abs(),
        "guided backpropagation": project(layers, images, units, guided)[0].abs(),
        "gradient × input": gradient * images,  # to first order what is lost where a pixel is set to 0
        "contrast": images.abs(),
        "chance": torch.rand(images.shape, generator=generator),
    }


@torch.inference_mode()
def activation_left(
    layers: nn.Module, images: Stack, units: Units, importance: Stack, fill: float = MEAN
) -> Float[Tensor, "n"]:
    """What is left of each unit's activation when the most important pixels of its field are set to fill, in %.

    importance: of every pixel; its colours count together.
    """
    values, places = strongest(layers(images), units)
    seen = seen_by(layers, places, images.shape[2])
    ranked = torch.where(seen, importance.sum(dim=1, keepdim=True), -torch.inf).flatten(1)
    rank = ranked.argsort(dim=1, descending=True).argsort(dim=1)
    cover = rank < (COVERED * seen.flatten(1).sum(dim=1, keepdim=True)).round().clamp(min=1)
    again = layers(images.masked_fill(cover.view(seen.shape), fill))
    return 100 * again[torch.arange(len(images)), units, places[:, 0], places[:, 1]] / values.clamp(min=1e-9)


def draw_masking(left: dict[str, list[float]]) -> Figure:
    """What is left of an activation, by layer, for each way to choose the pixels."""
    figure, axis = plots.panels(width=6.4, height=3.4)
    colours = dict(zip(left, (plots.BLUE, plots.GREEN, plots.PURPLE, plots.RED, plots.ORANGE, plots.GREY), strict=True))
    for name, values in left.items():
        style = "--" if name in ("contrast", "chance") else "-"
        axis.plot(range(1, len(values) + 1), values, f"o{style}", color=colours[name], markersize=4, label=name)
    axis.set(title=f"{COVERED:.0%} of a unit's pixels covered", xlabel="layer", ylabel="activation left (%)")
    axis.set(ylim=(0, 100), xticks=range(1, len(next(iter(left.values()))) + 1))
    figure.legend(loc="outside right center")
    return figure

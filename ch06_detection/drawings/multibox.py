"""Drawings of multibox.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from torch import Tensor

from ch06_detection.boxes import Boxes
from ch06_detection.drawings.boxes import outline
from common import plots
from common.data.boxed import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HARDEST = 10  # drawn negatives


def draw_matching(
    image: UInt8[np.ndarray, "size size 3"],
    target: Target,
    defaults: Boxes,
    matched: tuple[Int[Tensor, "n"], Int[Tensor, "n"]],
    mined: tuple[Bool[Tensor, "n"], Float[Tensor, "n"]],
) -> Figure:
    """A scene's objects, the default boxes matched to each, and the HARDEST of the mined negatives, by their loss.

    matched: each default box's label (0 for background) and object index, from match_boxes.
    mined: whether each is a mined negative, and its loss as background.
    """
    size, (labels, which), (negatives, losses) = len(image), matched, mined
    figure, axes = plots.panels(3, width=3.1, height=3.4)
    titles = (
        "objects",
        f"{int((labels > 0).sum())} positives",
        f"{HARDEST} of {int(negatives.sum())} negatives",
    )
    for axis, title in zip(axes, titles, strict=True):
        axis.imshow(image, extent=(0, size, size, 0), alpha=1.0 if axis is axes[0] else 0.5)
        axis.set(title=title, xlim=(-14, size + 14), ylim=(size + 14, -14))
        axis.axis("off")
    for number, (box, colour) in enumerate(zip(target["boxes"], plots.CYCLE, strict=False)):
        outline(axes[0], box[None], colour, 2.5)
        outline(axes[1], defaults[(labels > 0) & (which == number)], colour, 1.5)
        outline(axes[2], box[None], colour, 2.5)
    order = (losses * negatives).argsort(descending=True)[:HARDEST].flip(0)  # the hardest is drawn last
    colours = colormaps["YlOrRd"](0.3 + 0.7 * (losses[order] / losses[order].max()).numpy())
    for k, colour in zip(order.tolist(), colours, strict=True):
        outline(axes[2], defaults[k : k + 1], to_hex(colour), 1.6)
    bar = ScalarMappable(Normalize(0, float(losses[order].max())), "YlOrRd")
    figure.colorbar(bar, ax=axes[2], label="loss", shrink=0.7)
    return figure


def draw_positives(sides: Float[np.ndarray, "objects"], numbers: dict[float, Int[np.ndarray, "objects"]]) -> Figure:
    """The number of positives per object against its size, and against the threshold."""
    figure, (left, right) = plots.panels(2, width=4.4, height=3.3)
    edges = np.quantile(sides, np.linspace(0, 1, 11))
    which = np.digitize(sides, edges[1:-1])
    middle = [sides[which == k].mean() for k in range(10)]
    for threshold, colour in zip((0.4, 0.5, 0.6), (plots.SKY, plots.BLUE, plots.PURPLE), strict=True):
        means = [numbers[threshold][which == k].mean() for k in range(10)]
        left.plot(middle, means, "o-", markersize=3.5, color=colour, label=f"IoU ≥ {threshold}")
    left.set(title="Positives per object", xlabel="√area of an object, pixels", ylim=(0, None))
    left.legend()
    right.plot(list(numbers), [number.mean() for number in numbers.values()], "o-", color=plots.BLUE)
    right.set(
        title="Fewer, the higher the threshold", xlabel="IoU from which a box is matched", ylabel="positives per object"
    )
    right.set_ylim(0, None)
    return figure

"""The pictures of `pretrained`: photos with their most probable classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Photo = UInt8[np.ndarray, "height width 3"]


def draw_answers(
    photos: list[Photo], shares: Float[np.ndarray, "photos classes"], names: Shaped[np.ndarray, "classes"]
) -> Figure:
    """Every photo above the three most probable classes."""
    columns = len(photos) // 2
    figure, axes = plots.panels(columns, 4, width=1.6, height=1.15, gridspec_kw={"height_ratios": [2, 0.75] * 2})
    for number, (photo, share) in enumerate(zip(photos, shares, strict=True)):
        above, below = axes[2 * (number // columns) : 2 * (number // columns) + 2, number % columns]
        above.imshow(photo[::2, ::2], interpolation="bilinear")
        above.axis("off")
        for row, entry in enumerate(np.argsort(share)[::-1][:3]):
            below.barh(row, share[entry], color=plots.SKY if row == 0 else plots.PALE)
            below.text(0.02, row, f"{names[entry]}  {share[entry]:.0%}", va="center", fontsize=7)
        below.set(xlim=(0, 1), xticks=[], yticks=[])
        below.invert_yaxis()
        below.spines[["left", "bottom"]].set_visible(False)
    return figure


def draw_changes(photos: list[Photo], probabilities: dict[str, float]) -> Figure:
    """The cat after each change, and the probability of a cat by the change."""
    titles = [f"{name}\n{share:.0%}" for name, share in probabilities.items()]
    return plots.gallery([photo[::2, ::2] for photo in photos], titles, columns=4, size=1.4)


def draw_yours(
    photo: Photo, share: Float[np.ndarray, "classes"], names: Shaped[np.ndarray, "classes"], best: int = 5
) -> Figure:
    """A photo as the network receives it, beside the classes of the highest probability."""
    figure, (left, right) = plots.panels(2, width=3.6, height=2.9, gridspec_kw={"width_ratios": [1, 1.3]})
    left.imshow(photo)
    left.axis("off")
    for row, entry in enumerate(np.argsort(share)[::-1][:best]):
        right.barh(row, share[entry], color=plots.SKY if row == 0 else plots.PALE)
        right.text(0.02, row, f"{names[entry]}  {share[entry]:.0%}", va="center", fontsize=9)
    right.set(xlim=(0, 1), xlabel="probability", yticks=[])
    right.invert_yaxis()
    return figure

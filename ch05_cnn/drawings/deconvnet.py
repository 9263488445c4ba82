"""The pictures of `deconvnet`: filters, units with their images, covered pixels, invariance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from ch05_cnn.seeing.exciting import Tiles, in_grid
from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_filters(sets: dict[str, Float[Tensor, "filters channels side side"]]) -> Figure:
    """Sets of filters in four rows, each filter from its most negative to its most positive weight, grey being 0."""
    figure, axes = plots.panels(len(sets), width=3.6, height=2.2, squeeze=False)
    for axis, (title, filters) in zip(axes[0], sets.items(), strict=True):
        scaled = 0.5 + 0.5 * filters / filters.abs().amax(dim=(1, 2, 3), keepdim=True)
        picture = scaled.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
        axis.imshow(in_grid(picture.reshape(4, -1, *picture.shape[1:])), interpolation="nearest")
        axis.set(title=title)
        axis.set_axis_off()
    return figure


def draw_units(shown: dict[str, dict[str, Tiles]], width: float = 1.9) -> Figure:
    """A column for each layer: on top the projections of its units, rule by rule, below their receptive fields.

    width: of a layer, in inches.
    """
    ways = list(next(iter(shown.values())))
    units, tops = next(iter(shown.values()))["seen"].shape[:2]
    size = {"width": width, "height": 0.25 + (width - 0.1) * units / tops}
    figure, axes = plots.panels(len(shown), len(ways), **size, squeeze=False)
    for column, (name, kinds) in zip(axes.T, shown.items(), strict=True):
        for axis, (way, found) in zip(column, kinds.items(), strict=True):
            side = found.shape[2]
            axis.imshow(in_grid(found), interpolation="nearest" if side < 40 else "antialiased")
            axis.set_title(f"seen: {side}×{side}" if way == "seen" else f"{name}: {way}", fontsize=8.5)
            axis.set_axis_off()
    return figure


def draw_masking(left: dict[str, list[float]], share: float) -> Figure:
    """The remaining activation by layer, for each method of choosing pixels."""
    figure, axis = plots.panels(width=6.4, height=3.4)
    colours = dict(zip(left, (plots.BLUE, plots.GREEN, plots.PURPLE, plots.RED, plots.ORANGE, plots.GREY), strict=True))
    for name, values in left.items():
        style = "--" if name in ("contrast", "chance") else "-"
        axis.plot(range(1, len(values) + 1), values, f"o{style}", color=colours[name], markersize=4, label=name)
    axis.set(title=f"{share:.0%} of a unit's pixels covered", xlabel="layer", ylabel="activation left (%)")
    axis.set(ylim=(0, 100), xticks=range(1, len(next(iter(left.values()))) + 1))
    figure.legend(loc="outside right center")
    return figure


def draw_invariance(
    by_shift: dict[str, list[float]], by_angle: dict[str, list[float]], shifts: Sequence[int], angles: Sequence[int]
) -> Figure:
    """Distance by shift, and by angle; dashed: features that no network has learned."""
    figure, axes = plots.panels(2, width=4.4, height=3.3, sharey=True)
    learned = iter((plots.SKY, plots.BLUE, plots.PURPLE, plots.RED))
    colours = {name: {"pixels": plots.GREY, "HOG": plots.ORANGE}.get(name) or next(learned) for name in by_shift}
    for axis, found, x in zip(axes, (by_shift, by_angle), (shifts, angles), strict=True):
        for name, values in found.items():
            style = "--" if name in ("pixels", "HOG") else "-"
            axis.plot(x, values, f"o{style}", color=colours[name], markersize=3.5, label=name)
        axis.axhline(1, color=plots.INK, linewidth=0.8)
    axes[0].set(title="Shifted down", xlabel="pixels", ylabel="distance (1 = another image)", ylim=(0, None))
    axes[1].set(title="Rotated", xlabel="degrees", xticks=angles)
    axes[1].legend(loc="lower right", ncols=2)
    return figure

"""The pictures of `characters`: shifted and permuted digits, and the effect on accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_digit_rows(kinds: dict[str, UInt8[np.ndarray, "n side side"]]) -> Figure:
    """A row of the same digits for each kind."""
    columns = len(next(iter(kinds.values())))
    figure, axes = plots.panels(columns, len(kinds), width=0.85, height=0.9)
    for row, (name, images) in zip(axes, kinds.items(), strict=True):
        row[0].set_ylabel(name)
        for axis, image in zip(row, images, strict=True):
            axis.imshow(255 - image, vmin=0, vmax=255)
            axis.grid(visible=False)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(visible=True, color=plots.PALE)
    return figure


def draw_structure(
    shifts: Sequence[int], by_shift: dict[str, list[float]], errors: dict[str, tuple[float, float]]
) -> Figure:
    """Left: accuracy by shift of the test digits. Right: test error with pixels in place, and out of place."""
    figure, (curve, bars) = plots.panels(2, width=4.8, height=3.4)
    colours = dict(zip(by_shift, (plots.ORANGE, plots.BLUE, plots.GREY), strict=True))
    for name, values in by_shift.items():
        curve.plot(shifts, values, "o-", color=colours[name], markersize=4, label=name)
    curve.set(title="Test digits shifted", xlabel="shift (pixels)", ylabel="test accuracy (%)")
    curve.set_xticks(shifts)
    curve.legend(loc="lower left")
    for row, (name, pair) in enumerate(errors.items()):
        for offset, error, alpha in zip((-0.2, 0.2), pair, (1.0, 0.45), strict=True):
            bars.bar(row + offset, error, 0.37, color=colours[name], alpha=alpha)
            bars.text(row + offset, error, f"{error:.1f}", ha="center", va="bottom", fontsize=9)
    bars.set_xticks(range(len(errors)), [name.replace(" ", "\n", 1) for name in errors])
    bars.set(title="Pixels in place (dark) and permuted (light)", ylabel="test error (%)")
    bars.grid(visible=False, axis="x")
    return figure

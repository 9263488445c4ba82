"""Drawings of enlarged pictures: crops by method, and the levels of a pyramid with their residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from ch07_applications.super_resolution.perceptual_judge import ROUNDING, radial_power
from ch07_applications.super_resolution.shown_crops import Crop
from common import plots
from common.record import LessonRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = {  # captions
    "crops": "Of the first crop of three test photographs, the 96 × 96 pixels where bicubic interpolation is furthest "
    "off. All are at one scale. ",
    "plane": "Perceptual distance against PSNR, by method: means over crops and seeds with 95 % intervals. Low "
    "distances lie on the left; the line joins SRResNet, SRGAN with the chosen share, and SRGAN with a share of 1.",
    "spectra": "Power by spatial frequency, averaged over directions and crops. The low resolution holds what lies to "
    "the left of the line.",
}


def show(axis: Axes, picture: np.ndarray, title: str = "", **how: object) -> None:
    """Show a picture without a frame and without interpolation."""
    axis.imshow(picture, interpolation="nearest", **how)
    axis.axis("off")
    axis.set_title(title, fontsize=8.5)


def draw_crops(crops: Sequence[Crop]) -> Figure:
    """A row per crop, a column per method, all at one scale."""
    columns = len(crops[0].pictures)
    width = min(1.9, 9.2 / columns)
    figure, axes = plots.panels(columns, len(crops), width=width, height=width + 0.12, squeeze=False)
    for line, crop in zip(axes, crops, strict=True):
        for axis, (name, picture) in zip(line, crop.pictures.items(), strict=True):
            show(axis, picture, name if crop is crops[0] else "")
    return figure


def draw_pyramid(
    pictures: Mapping[str, Float[np.ndarray, "_ _"]], residuals: Mapping[str, Float[np.ndarray, "_ _"]]
) -> Figure:
    """Above, the levels of the pyramid; below, what each level adds: blue is darker, red is brighter."""
    figure, axes = plots.panels(len(pictures), 2, width=2.6, height=2.1, squeeze=False)
    for axis, (name, picture) in zip(axes[0], pictures.items(), strict=True):
        show(axis, picture, name, cmap="gray", vmin=16, vmax=235)
    axes[1, 0].axis("off")
    for axis, (name, residual) in zip(axes[1, 1:], residuals.items(), strict=True):
        show(axis, residual, name, cmap="RdBu_r", vmin=-25, vmax=25)
    return figure


def draw_plane(record: LessonRecord, ours: Sequence[str], metrics: tuple[str, str]) -> Figure:
    """A point per method with both metrics; ours are joined in their order."""
    rows = {(row.method, row.metric): row for row in record.scores()}
    names = list(dict.fromkeys(method for method, metric in rows if metric == metrics[0]))
    figure, axis = plots.panels(1, width=5.4, height=3.8)
    path = [[rows[name, metric].value for metric in metrics] for name in ours]
    axis.plot(*zip(*path, strict=True), color=plots.CYCLE[0], linewidth=1, alpha=0.6)
    placed: list[float] = []
    for name in sorted(names, key=lambda name: -rows[name, metrics[0]].value):
        x, y = (rows[name, metric] for metric in metrics)
        colour = plots.CYCLE[0] if name in ours else plots.GREY
        across, up = ([[row.value - row.low], [row.high - row.value]] for row in (x, y))
        axis.errorbar(x.value, y.value, up, across, fmt="o", color=colour, capsize=2, elinewidth=0.6)
        near = sum(abs(x.value - other) < 0.03 for other in placed)
        place = [(6, 5), (4, 8), (-40, 8), (-60, -14)][min(near, 3)]
        axis.annotate(name, (x.value, y.value), xytext=place, textcoords="offset points", fontsize=8.5)
        placed.append(x.value)
    axis.margins(x=0.25, y=0.12)
    axis.set(xlabel=f"{metrics[0]} (lower is better)", ylabel=f"{metrics[1]} in dB (higher is better)")
    return figure


def draw_spectra(
    truths: Sequence[Float[np.ndarray, "_ _"]], shown: Mapping[str, Sequence[Float[np.ndarray, "_ _"]]]
) -> Figure:
    """The mean radial power in dB of methods and truth; a line marks the highest frequency of the low resolution."""
    figure, axis = plots.panels(1, width=5.4, height=3.6)
    lines = {"truth": truths, **shown}
    for number, (name, lumas) in enumerate(lines.items()):
        power = 10 * np.log10(np.mean([radial_power(np.asarray(each, float)) for each in lumas], axis=0) + ROUNDING)
        places = (np.arange(len(power)) + 0.5) / (2 * len(power))
        how = {"color": plots.INK, "linewidth": 2} if name == "truth" else {"color": plots.CYCLE[number - 1]}
        axis.plot(places, power, label=name, **how)
    axis.axvline(1 / 8, color=plots.GREY, linewidth=0.8, linestyle=":")
    axis.set(xlabel="cycles per pixel", ylabel="power in dB", xlim=(0, 0.5))
    axis.legend(fontsize=8)
    return figure


def draw_own(
    small: UInt8[np.ndarray, "height width 3"], crops: Mapping[str, UInt8[np.ndarray, "side side 3"]]
) -> Figure:
    """The reader's photograph, and a part of it enlarged by each method."""
    figure, axes = plots.panels(1 + len(crops), width=2.9, height=3.1)
    show(axes[0], small, "your photograph")
    for axis, (name, picture) in zip(axes[1:], crops.items(), strict=True):
        show(axis, picture, name)
    return figure

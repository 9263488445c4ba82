"""Drawings of the lesson on pose: people with their joints, heat maps, and the share of found joints by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, UInt8

from ch07_applications.video.bodies import JOINTS
from ch07_applications.video.posed_people import SHARE, PosedPeople, pck_curve, ranked
from common import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from common.record import LessonRecord

RIGHT = ((0, 1), (1, 2), (6, 7), (7, 8))  # a person's right limbs, drawn below the others
LEFT = ((5, 4), (4, 3), (11, 10), (10, 9))
RANKS = {"best": 0.0, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "worst": 1.0}  # the drawn people
SHARES = tuple(np.linspace(0, 0.5, 26).tolist())  # tolerances as shares of the torso
MIDDLE = ((13, 12), (8, 9), (2, 3), (8, 2), (9, 3))


def draw_skeleton(axis: Axes, joints: Float32[np.ndarray, "14 2"]) -> None:
    """Lines between joints, given in pixels: the person's right orange, their left blue."""
    for limbs, colour in ((MIDDLE, "white"), (LEFT, plots.SKY), (RIGHT, plots.ORANGE)):
        for pair in limbs:
            x, y = joints[list(pair)].T - 0.5  # matplotlib puts a pixel's centre at a whole number
            axis.plot(x, y, color=plots.INK, linewidth=2.6, solid_capstyle="round")
            axis.plot(x, y, color=colour, linewidth=1.5, solid_capstyle="round")


def bare(axis: Axes, side: int) -> None:
    """Show the whole picture without axes."""
    axis.set(xticks=[], yticks=[], xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))
    axis.spines[:].set_visible(False)
    axis.grid(False)


def draw_poses(people: PosedPeople, found: Mapping[str, Float32[np.ndarray, "items 14 2"]]) -> Figure:
    """The truth, then a row per method; a column for each of RANKS of the first method's errors."""
    order = ranked(next(iter(found.values())), people)
    shown = order[[round(share * (len(order) - 1)) for share in RANKS.values()]]
    rows = {"truth": people.joints} | dict(found)
    figure, axes = plots.panels(len(shown), len(rows), width=1.35, height=1.35, squeeze=False)
    for axis, title in zip(axes[0], RANKS, strict=True):
        axis.set_title(title, fontsize=9)
    for row, (name, joints) in zip(axes, rows.items(), strict=True):
        for axis, item in zip(row, shown, strict=True):
            axis.imshow(people.images[item], interpolation="nearest")
            draw_skeleton(axis, joints[item])
            bare(axis, people.side)
        row[0].set_ylabel(name.replace(", ", ",\n"), fontsize=8)
    return figure


def draw_photo(photo: UInt8[np.ndarray, "side side 3"], found: Mapping[str, Float32[np.ndarray, "14 2"]]) -> Figure:
    """A photograph with the joints of each method."""
    figure, axes = plots.panels(len(found), width=3.2, height=3.4, squeeze=False)
    for axis, (name, joints) in zip(axes[0], found.items(), strict=True):
        axis.imshow(photo)
        draw_skeleton(axis, joints)
        bare(axis, len(photo))
        axis.set_title(name, fontsize=9)
    return figure


def draw_maps(
    crop: Float32[np.ndarray, "side side 3"],
    maps: Float[np.ndarray, "stacks joints rows columns"],
    joints: Sequence[int],
) -> Figure:
    """A person, and the heat maps of some joints, a row for each stack: from dark, 0, to bright, 1."""
    stacks = len(maps)
    figure, axes = plots.panels(1 + len(joints), stacks, width=1.35, height=1.5, squeeze=False)
    for stack, row in enumerate(axes):
        row[0].imshow(crop, interpolation="nearest")
        row[0].set_ylabel(f"stack {stack + 1}", fontsize=9)
        for axis, joint in zip(row[1:], joints, strict=True):
            axis.imshow(maps[stack, joint], cmap="magma", vmin=0, vmax=1, interpolation="nearest")
            if stack == 0:
                axis.set_title(JOINTS[joint], fontsize=8)
        for axis in row:
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
    return figure


def draw_curves(people: PosedPeople, found: Mapping[str, Float32[np.ndarray, "items 14 2"]]) -> Figure:
    """The percentage of joints found within each share of the torso; a line marks the metric's share."""
    figure, axis = plots.panels(width=7.2, height=3.4)
    for colour, (name, joints) in zip(plots.CYCLE, found.items(), strict=False):
        axis.plot(SHARES, pck_curve(joints, people, SHARES), color=colour, label=name)
    axis.axvline(SHARE, color=plots.GREY, linewidth=1)
    axis.set(xlabel="distance allowed, as a share of the torso", ylabel="joints found, %", ylim=(0, 100))
    axis.set_xlim(0, SHARES[-1])
    figure.legend(loc="outside right center")
    return figure


def draw_kinds(record: LessonRecord, methods: Sequence[str], kinds: Sequence[str], metric: str) -> Figure:
    """Each method's score for each kind of joint: means over seeds, with 95 % intervals."""
    rows = {(row.method, row.metric): row for row in record.scores()}
    figure, axis = plots.panels(width=7.2, height=3.6)
    width = 0.8 / len(methods)
    for place, name in enumerate(methods):
        found = [rows[name, f"{metric}, {kind}"] for kind in kinds]
        x = np.arange(len(kinds)) + (place - (len(methods) - 1) / 2) * width
        axis.bar(x, [row.value for row in found], width * 0.92, color=plots.CYCLE[place], label=name)
        for left, row in zip(x, found, strict=True):
            axis.plot([left, left], [row.low, row.high], color=plots.INK, linewidth=1)
    axis.set_xticks(range(len(kinds)), [kind.replace(" and ", "\nand ") for kind in kinds])
    axis.set(ylabel=f"{metric}, %", ylim=(0, 100))
    figure.legend(loc="outside upper center", ncols=3)
    return figure

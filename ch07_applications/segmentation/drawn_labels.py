"""Label maps as pictures: a colour per class, strips of images beside their label maps, the legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8

from common import plots
from common.data.segmented import IGNORE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BACKGROUND, UNCOUNTED = (238, 240, 244), (255, 255, 255)
# The colours in which publications show CamVid, after its authors.
STREET = {
    "sky": (128, 128, 128), "building": (128, 0, 0), "pole": (192, 192, 128), "road": (128, 64, 128),
    "pavement": (60, 40, 222), "tree": (128, 128, 0), "sign": (192, 128, 128), "fence": (64, 64, 128),
    "car": (64, 0, 128), "pedestrian": (64, 64, 0), "bicyclist": (0, 128, 192),
}  # fmt: skip
OTHERS = (
    (31, 111, 180), (217, 122, 10), (10, 143, 105), (194, 56, 79), (139, 95, 191), (240, 200, 40), (88, 169, 220),
    (110, 70, 45), (230, 130, 180), (90, 100, 115), (150, 190, 60), (20, 40, 90),
)  # fmt: skip

Labels = Integer[np.ndarray, "height width"]
Pictures = UInt8[np.ndarray, "items height width 3"]


def colours_of(classes: Sequence[str]) -> UInt8[np.ndarray, "classes 3"]:
    """A colour per class: CamVid's own where all are CamVid's, pale for "background", of OTHERS in turn for the rest.

    Raises ValueError for more classes than there are colours.
    """
    if set(classes) <= set(STREET):
        return np.array([STREET[name] for name in classes], np.uint8)
    things = [name for name in classes if name != "background"]
    if len(things) > len(OTHERS):
        raise ValueError(f"{len(things)} classes beside the background, but {len(OTHERS)} colours")
    colours = {"background": BACKGROUND, **dict(zip(things, OTHERS, strict=False))}
    return np.array([colours[name] for name in classes], np.uint8)


def paint(labels: Labels, classes: Sequence[str]) -> UInt8[np.ndarray, "height width 3"]:
    """The label map in its classes' colours; pixels that do not count (IGNORE) are white.

    Raises ValueError for a label that is neither a class nor IGNORE.
    """
    if (wrong := (labels != IGNORE) & ((labels < 0) | (labels >= len(classes)))).any():
        raise ValueError(f"label {labels[wrong][0]} is none of 0 … {len(classes) - 1}")
    palette = np.concatenate([colours_of(classes), np.array([UNCOUNTED], np.uint8)])
    return palette[np.where(labels == IGNORE, len(classes), labels)]


def best_median_worst(scores: Float[np.ndarray, "items"]) -> Int[np.ndarray, "3"]:
    """The places of the best, the median and the worst item; NaN (an item without a score) is never taken.

    Raises ValueError where no item has a score.
    """
    order = np.argsort(-scores, kind="stable")[: np.isfinite(scores).sum()]  # NaN is last
    if not len(order):
        raise ValueError("no item has a score")
    return order[[0, len(order) // 2, -1]]


def draw_strips(
    images: Pictures,
    columns: Mapping[str, Integer[np.ndarray, "items height width"]],
    classes: Sequence[str],
    rows: Sequence[str] = (),
    size: float = 1.45,
) -> Figure:
    """A row per image: the image, then its label map of each column, titled by the column's name; the legend below.

    columns: the truth and predictions, by name. rows: the rows' names, written at their left. size: of a picture's
    height, in inches. The legend names the classes that occur in some label map.
    """
    from matplotlib.patches import Patch

    height, width = images.shape[1:3]
    seen = np.unique(np.concatenate([np.unique(labels) for labels in columns.values()]))
    named = [classes[label] for label in seen if label != IGNORE]
    legend_columns = min(len(named), max(3, int((len(columns) + 1) * size * width / height / 1.15)))
    lines = -(-len(named) // legend_columns)
    figure, axes = plots.panels(len(columns) + 1, len(images), width=size * width / height, height=size, squeeze=False)
    figure.set_figheight(figure.get_figheight() + 0.3 + 0.22 * lines)
    for row, (image, line) in enumerate(zip(images, axes, strict=True)):
        pictures = {"image": image, **{name: paint(labels[row], classes) for name, labels in columns.items()}}
        for axis, (name, picture) in zip(line, pictures.items(), strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            for spine in axis.spines.values():
                spine.set_visible(False)
            if row == 0:
                axis.set_title(name, fontsize=9.5, loc="center")
        if len(rows):
            line[0].set_ylabel(rows[row], fontsize=9)
    colours = dict(zip(classes, colours_of(classes) / 255, strict=True))
    patches = [Patch(facecolor=colours[name], edgecolor=plots.GREY, linewidth=0.4, label=name) for name in named]
    figure.legend(handles=patches, loc="outside lower center", ncols=legend_columns, fontsize=8.5, handlelength=1.1)
    return figure

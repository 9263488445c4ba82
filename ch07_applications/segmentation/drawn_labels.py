"""Label maps as pictures: a colour per class, strips of images beside their label maps, the legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Integer, UInt8

from ch07_applications.segmentation.label_colours import colours_of, paint
from common import plots
from common.data.segmented import IGNORE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pictures = UInt8[np.ndarray, "items height width 3"]


def draw_strips(
    images: Pictures,
    columns: Mapping[str, Integer[np.ndarray, "items height width"]],
    classes: Sequence[str],
    rows: Sequence[str] = (),
    size: float = 1.45,
) -> Figure:
    """A row per image: the image, then its label map in each column under the column's name; the legend is below.

    columns: the truth and predictions, by name. rows: the rows' names, written on the left. size: the height of a
    picture in inches. The legend names the classes that occur in the label maps.
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
                axis.set_title(fill(name, int(11 * size * width / height)), fontsize=9.5, loc="center")
        if len(rows):
            line[0].set_ylabel(rows[row], fontsize=9)
    colours = dict(zip(classes, colours_of(classes) / 255, strict=True))
    patches = [Patch(facecolor=colours[name], edgecolor=plots.GREY, linewidth=0.4, label=name) for name in named]
    figure.legend(handles=patches, loc="outside lower center", ncols=legend_columns, fontsize=8.5, handlelength=1.1)
    return figure

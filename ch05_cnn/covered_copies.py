"""Copies of images with a square covered, for every place of the square; and what a classifier says to each.

Method     Zeiler & Fergus 2014, "Occlusion Sensitivity". All copies are made by one np.where, and asked in one batch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from common.data import Images

Masks = Bool[np.ndarray, "rows columns side side"]
Maps = Float[np.ndarray, "n rows columns"]


def squares(side: int, size: int, step: int) -> Masks:
    """A mask for every place of a square of so many pixels that lies wholly in the picture.

    Raises ValueError for a square larger than the picture.
    """
    if size > side:
        raise ValueError(f"a square of {size} pixels does not fit into a picture of {side}")
    first = np.arange(0, side - size + 1, step)[:, None]
    inside = (np.arange(side) >= first) & (np.arange(side) < first + size)
    return inside[:, None, :, None] & inside[None, :, None, :]


def covered(
    images: Shaped[np.ndarray, "n side side *channels"],
    masks: Masks,
    fill: Shaped[np.ndarray, "*channels"] | int,
) -> Shaped[np.ndarray, "copies side side *channels"]:
    """Every image under every mask, fill in the mask's place. Copies run over (image, row, column)."""
    masks = masks.reshape(1, *masks.shape, *[1] * (images.ndim - 3))
    copies = np.where(masks, np.asarray(fill, images.dtype), images[:, None, None])
    return copies.reshape(-1, *images.shape[1:])


def margins(scores: Float[np.ndarray, "*n classes"], labels: Int[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """The right class's score less the best other one's: below 0 the answer is wrong."""
    right = np.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
    others = np.where(np.arange(scores.shape[-1]) == labels[..., None], -np.inf, scores)
    return right - others.max(axis=-1)


def margin_maps(scores: Callable, part: Images, masks: Masks, fill: int) -> Maps:
    """The margin of every image under every mask. scores: of images, a column a class; higher is more probable."""
    labels = np.repeat(part.answers, masks.shape[0] * masks.shape[1])
    found = margins(np.asarray(scores(covered(part.inputs, masks, fill)), float), labels)
    return found.reshape(len(part), *masks.shape[:2])


def agreement(a: Maps, b: Maps) -> float:
    """The mean over images of the correlation of two maps. An image whose map is flat does not count."""
    a, b = (maps.reshape(len(maps), -1) - maps.mean(axis=(1, 2))[:, None] for maps in (a, b))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(axis=1)[lengths > 0] / lengths[lengths > 0]))

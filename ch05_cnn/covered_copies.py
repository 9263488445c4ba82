"""Copies of images with a square covered, for every place of the square; and a classifier's margin for each copy.

Method     Zeiler & Fergus 2014, "Occlusion Sensitivity". One np.where makes all copies; one batch classifies them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Shaped

from common.answers import check_labels, check_same_shape
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
    fill: Shaped[np.ndarray, "*channels"] | float,
) -> Shaped[np.ndarray, "copies side side *channels"]:
    """Every image under every mask, fill in the mask's place. Copies run over (image, row, column).

    Raises ValueError for a fill that pixels of this kind can't have, such as ½ among bytes.
    """
    filled = np.asarray(fill).astype(images.dtype)
    if not np.array_equal(filled, fill) and images.dtype.kind != "f":
        raise ValueError(f"pixels of {images.dtype} can't be filled with {fill}")
    masks = masks.reshape(1, *masks.shape, *[1] * (images.ndim - 3))
    copies = np.where(masks, filled, images[:, None, None])
    return copies.reshape(-1, *images.shape[1:])


def margins(scores: Float[np.ndarray, "*n classes"], labels: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "*n"]:
    """The right class's score less the best other one's: below 0 the answer is wrong.

    Raises ValueError for labels that don't belong to the scores.
    """
    rows = scores.reshape(-1, scores.shape[-1])
    if labels.shape != scores.shape[:-1]:
        raise ValueError(f"labels have shape {labels.shape}, scores {scores.shape}: there must be a label for each row")
    labels = check_labels(labels.ravel(), rows.shape, rows.shape[1], ("labels", "scores")).reshape(labels.shape)
    right = np.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
    others = np.where(np.arange(scores.shape[-1]) == labels[..., None], -np.inf, scores)
    return right - others.max(axis=-1)


def margin_maps(scores: Callable, part: Images, masks: Masks, fill: int) -> Maps:
    """The margin of every image under every mask. scores: of images, one column per class; higher is more probable."""
    labels = np.repeat(part.answers, masks.shape[0] * masks.shape[1])
    found = margins(np.asarray(scores(covered(part.inputs, masks, fill)), float), labels)
    return found.reshape(len(part), *masks.shape[:2])


def agreement(a: Maps, b: Float[np.ndarray, "..."]) -> float:
    """The mean over images of the correlation of two maps. An image whose map is flat does not count."""
    check_same_shape(a=a, b=b)
    a, b = (maps.reshape(len(maps), -1) - maps.mean(axis=(1, 2))[:, None] for maps in (a, b))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(axis=1)[lengths > 0] / lengths[lengths > 0]))

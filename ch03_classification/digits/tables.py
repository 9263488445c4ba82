"""Digits as tables: a row of pixels for each image, or two numbers for a picture of the plane."""

from __future__ import annotations

import numpy as np

from common.data import Images, Table


def pixels(part: Images, white: int) -> Table:
    """The same images as rows of numbers in [0, 1]. white: the largest value of a pixel."""
    rows = part.images.reshape(len(part), -1) / white
    return Table(rows, part.labels, tuple(f"pixel {i}" for i in range(rows.shape[1])), ids=part.ids)


def principal_plane(part: Table, labels: list[int]) -> Table:
    """The points of these classes, along the two directions in which they vary most; classes renumbered from 0."""
    part = part.take(np.isin(part.labels, labels))
    centred = part.features - part.features.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    names = ("first principal component", "second principal component")
    return Table(centred @ directions.T, np.searchsorted(labels, part.labels), names)

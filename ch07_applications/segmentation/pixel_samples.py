"""Pixels sampled from labelled pictures: the descriptors of all pixels would not fit into memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float16, Int64, UInt8
from torch import Tensor

from common.data.segmented import IGNORE, SegmentedImages

PIXELS = 100  # per picture
CHUNK = 20  # pictures at once
Found = tuple[Float[Tensor, "n k features"], dict[str, int]]


class Sample(NamedTuple):
    """Descriptors and classes of sampled pixels. widths: features per layer, by name, in order.

    columns: in half precision, because there are two thousand numbers for each of a hundred thousand pixels. seconds:
    the time to describe the pictures.
    """

    columns: Float16[Tensor, "pixels features"]
    labels: Int64[Tensor, "pixels"]
    widths: dict[str, int]
    seconds: float = 0.0

    def of(self, layers: Sequence[str]) -> Float[Tensor, "pixels chosen"]:
        """The features of these layers only, in single precision."""
        parts = dict(zip(self.widths, self.columns.split(list(self.widths.values()), dim=1), strict=True))
        chosen = torch.empty(len(self.columns), sum(self.widths[name] for name in layers))
        for place, name in zip(chosen.split([self.widths[name] for name in layers], dim=1), layers, strict=True):
            place.copy_(parts[name])  # in place: a temporary copy would take half a gigabyte
        return chosen


def sample_pixels(
    describe: Callable[[UInt8[np.ndarray, "n height width 3"], Int64[np.ndarray, "n k"]], Found],
    part: SegmentedImages,
    seed: int,
    pixels: int = PIXELS,
) -> Sample:
    """`pixels` random pixels of each picture, except those without a label.

    describe: returns (n, k, features) and the features per layer, given pictures and pixel numbers. Raises ValueError
    if no pixel has a label.
    """
    rng, columns, classes, widths, begin = np.random.default_rng(seed), [], [], {}, time.perf_counter()
    for start in range(0, len(part), CHUNK):
        labels = part.labels[start : start + CHUNK].reshape(-1, part.labels[0].size)
        drawn = np.stack([draw_pixels(own, pixels, rng) for own in labels])
        described, widths = describe(part.images[start : start + CHUNK], drawn)
        own = np.take_along_axis(labels, drawn, axis=1)
        columns.append(described[torch.from_numpy(own != IGNORE)].half())
        classes.append(torch.from_numpy(own[own != IGNORE].astype(np.int64)))
    if not sum(map(len, classes)):
        raise ValueError("no pixel of the training pictures has a label")
    return Sample(torch.cat(columns), torch.cat(classes), widths, time.perf_counter() - begin)


def draw_pixels(labels: UInt8[np.ndarray, "pixels"], count: int, rng: np.random.Generator) -> Int64[np.ndarray, "k"]:
    """The numbers of `count` pixels, drawn with replacement, half of them from objects (labels above 0) if any are."""
    objects = np.flatnonzero((labels > 0) & (labels != IGNORE))
    inside = rng.choice(objects if len(objects) else len(labels), count // 2)
    return np.concatenate([rng.integers(len(labels), size=count - count // 2), inside])

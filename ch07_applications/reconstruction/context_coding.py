"""Lossless coders of binary images: PNG, and adaptive context coding as in JBIG.

Method     JBIG (ITU-T T.82) codes a pixel by the frequency of 1 so far in its context, the values of ten pixels before
           it. Here that is Krichevsky and Trofimov's estimate, (n_1 + ½) / (n_0 + n_1 + 1), after n_0 zeros and n_1
           ones. An arithmetic coder needs −log₂ p bits per pixel plus two for all pixels together, so that the length
           is known without coding anything.

Counts grow with the stream. Within one context that is a running sum, so a stable sort by context turns a loop over
millions of pixels into a few array operations.
"""

from __future__ import annotations

import io
from math import log

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from PIL import Image

from ch07_applications.reconstruction.binarised_digits import check_binary

# (rows, columns) to the pixels of a context, from the nearest on: a template may take any number of them.
TEMPLATE = (
    (0, -1), (-1, 0), (-1, 1), (-1, -1), (0, -2), (-2, 0), (-1, 2), (-2, 1), (-2, -1), (-1, -2), (0, -3), (-3, 0),
    (-2, 2), (-2, -2), (-1, 3), (-1, -3), (-3, 1), (-3, -1), (0, -4), (-4, 0),
)  # fmt: skip
Binary = UInt8[np.ndarray, "images height width"]


def contexts(images: Binary, size: int) -> Int64[np.ndarray, "images height width"]:
    """The context of each pixel as a number of `size` bits. Beyond the border all is 0. ValueError for a size > 20."""
    check_binary(images)
    if not 0 <= size <= len(TEMPLATE):
        raise ValueError(f"a context has 0 to {len(TEMPLATE)} pixels, not {size}")
    reach = 4
    wide = np.pad(images, ((0, 0), (reach, 0), (reach, reach))).astype(np.int64)
    height, width = images.shape[1:]
    found = np.zeros(images.shape, np.int64)
    for row, column in TEMPLATE[:size]:
        down, right = row + reach, column + reach
        found = 2 * found + wide[:, down : down + height, right : right + width]
    return found


def context_nats(stream: Binary, size: int) -> Float64[np.ndarray, "images"]:
    """The code length of each image in nats, after the coder has coded all images before it in the stream."""
    order = np.argsort(keys := contexts(stream, size).ravel(), kind="stable")
    keys, bits = keys[order], stream.ravel()[order].astype(np.int64)
    place = np.arange(len(keys))
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])  # of each context's run
    start = np.repeat(first, np.diff(np.r_[first, len(keys)]))
    before = np.cumsum(bits) - bits
    seen, ones = place - start, before - before[start]
    probability = (np.where(bits == 1, ones, seen - ones) + 0.5) / (seen + 1)
    nats = np.empty(len(keys))
    nats[order] = -np.log(probability)
    return nats.reshape(len(stream), -1).sum(axis=1)


def png_bits(images: Binary) -> float:
    """Bits per image of all images in one PNG, one below the other, with one bit per pixel before compression."""
    check_binary(images)
    file = io.BytesIO()
    Image.fromarray(images.reshape(-1, images.shape[2]).astype(bool)).save(file, "PNG", optimize=True)
    return 8 * len(file.getvalue()) / len(images)


def nats_of(bits: float) -> float:
    """Convert bits to nats."""
    return bits * log(2)


def bits_per_pixel(nats: float, pixels: int) -> float:
    """Nats per image as bits per pixel (bits per dimension): nats / (pixels · log 2)."""
    return nats / (pixels * log(2))

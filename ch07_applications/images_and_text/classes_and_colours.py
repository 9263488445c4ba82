"""The combinations of class and colour: the pairs held out of training, and the shades of each colour name."""

from __future__ import annotations

import colorsys

import numpy as np
from jaxtyping import Bool, Float, Int64

from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS

HELD_OUT = (0, 1, 2, 3, 4, 5, 0, 1, 2, 3)  # for each class of NOUNS, the colour that it never has in training
HUES = (0, 52, 120, 222, 284)  # degrees: of the colours but grey
SHADES = ((-8, 0.65, 0.8, 0.3), (8, 0.95, 1.0, 0.5))  # from, to: degrees of hue; saturation; value; dark share


def draw_pairs(
    n: int, most: int, objects: tuple[int, int], held_out: bool, rng: np.random.Generator
) -> tuple[Int64[np.ndarray, "n {most}"], Int64[np.ndarray, "n {most}"]]:
    """Classes and colours of the objects of n scenes; pairs within a scene differ; −1 where there is no object.

    objects: their number, from, to. held_out: one random object of every scene is of a held-out pair, and others may
    be; otherwise none is.
    """
    kept = trained_pairs().ravel()
    keys = rng.random((n, len(kept)))
    if held_out:  # the held-out pair with the smallest key comes first
        keys[np.arange(n), np.flatnonzero(~kept)[keys[:, ~kept].argmin(axis=1)]] = -1.0
    else:
        keys[:, ~kept] = 2.0
    pairs = keys.argsort(axis=1)[:, :most]
    pairs = np.where(np.arange(most) < rng.integers(objects[0], objects[1] + 1, (n, 1)), pairs, -1)
    order = np.where(pairs >= 0, rng.random(pairs.shape), 2.0).argsort(axis=1)  # random; missing objects come last
    pairs = np.take_along_axis(pairs, order, axis=1)
    return np.where(pairs >= 0, pairs // len(COLOURS), -1), np.where(pairs >= 0, pairs % len(COLOURS), -1)


def draw_classes(
    n: int, most: int, objects: tuple[int, int], rng: np.random.Generator
) -> Int64[np.ndarray, "n {most}"]:
    """Classes of the objects of n scenes without colours, all classes of a scene different; −1: no object."""
    labels = rng.random((n, len(NOUNS))).argsort(axis=1)[:, :most]
    return np.where(np.arange(most) < rng.integers(objects[0], objects[1] + 1, (n, 1)), labels, -1)


def trained_pairs() -> Bool[np.ndarray, "classes colours"]:
    """Whether each class occurs in each colour in training."""
    kept = np.ones((len(NOUNS), len(COLOURS)), bool)
    kept[np.arange(len(NOUNS)), HELD_OUT] = False
    return kept


def tints_of(colours: Int64[np.ndarray, "n most"], rng: np.random.Generator) -> Float[np.ndarray, "n most 2 3"]:
    """The colours, to 255, of the darkest and the brightest parts of objects: shades of the named one, grey for −1."""
    found = np.empty((*colours.shape, 2, 3))
    for place, colour in np.ndenumerate(colours):
        hue, strength, value, dark = rng.uniform(*SHADES)
        grey = colour < 0 or COLOURS[colour] == "grey"
        turn = 0.0 if grey else (HUES[colour] + hue) / 360 % 1
        light = np.array(colorsys.hsv_to_rgb(turn, 0.0 if grey else strength, value))
        found[place] = 255 * dark * light, 255 * light
    return found

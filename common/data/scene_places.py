"""Which things lie where in a scene, how large, how turned and in which colours: all that is left to chance."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Float32, Int

from common.data.scene_items import Items

SIZE = 128  # pixels, the side of a scene
OBJECTS, DISTRACTORS = (1, 6), (0, 2)  # from, to: articles of clothing; shapes that are none
SCALES = (1.0, 3.0)  # of the 28 pixels that an item has
ANGLE = 5  # degrees that an item is turned, at most
HIDDEN = 0.2  # of the smaller of two boxes, at most, lies under or over the other
OUTSIDE = 0.1  # of an item's width, and of its height, at most, lies outside the picture
TRIES = 12  # places that are looked at for an item; where none is free, the scene goes without it


@dataclass(frozen=True, eq=False)
class Layers:
    """What lies in n scenes, from the lowest layer to the uppermost.

    items: their numbers, −1 where a layer is empty. sizes: how much each is enlarged. centres: (x, y). poses: turns, as
    matrices. tints: the colours, to 255, of its darkest and its brightest parts. photos: the picture below them all.
    """

    items: Int[np.ndarray, "n layers"]
    sizes: Float32[np.ndarray, "n layers"]
    centres: Float32[np.ndarray, "n layers 2"]
    poses: Float32[np.ndarray, "n layers 2 2"]
    tints: Float32[np.ndarray, "n layers 2 3"]
    photos: Int[np.ndarray, "n"]

    @property
    def count(self) -> int:
        return self.items.shape[1]

    def first(self, n: int) -> Layers:
        """The layers of the first n scenes."""
        return Layers(*(getattr(self, each.name)[:n] for each in fields(self)))


def draw(items: Items, photos: Int[np.ndarray, "n"], rng: np.random.Generator) -> Layers:
    """The layers of n scenes upon these pictures."""
    chosen, sizes, centres = place(items, len(photos), rng)
    numbers = sizes, centres, turns(chosen.shape, rng), two_tints(chosen.shape, rng)
    return Layers(chosen, *(array.astype(np.float32) for array in numbers), photos)


def place(
    items: Items, n: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "n layers"], Float[np.ndarray, "n layers"], Float[np.ndarray, "n layers 2"]]:
    """Which item lies in which layer (−1: none), how much it is enlarged, and where its centre (x, y) is.

    Of TRIES random places an item takes the first that hides no more of any two boxes than HIDDEN.
    """
    clothing = some_of(np.flatnonzero(items.labels > 0), OBJECTS, n, rng)
    others = some_of(np.flatnonzero(items.labels == 0), DISTRACTORS, n, rng)
    chosen = rng.permuted(np.concatenate([clothing, others], axis=1), axis=1)
    layers = chosen.shape[1]
    sizes = np.exp(rng.uniform(*np.log(SCALES), (n, layers)))
    halves = items.extents[chosen] * sizes[..., None] / 2
    margin = (halves * (1 - 2 * OUTSIDE))[:, :, None]  # from the border to the nearest centre
    centres = margin + rng.uniform(0, 1, (n, layers, TRIES, 2)) * (SIZE - 2 * margin)
    taken = np.zeros((n, layers, 2))
    for layer in range(layers):
        own, others = halves[:, layer, None, None], halves[:, None, :layer]  # (n, tries, layers before, 2)
        gaps = np.abs(centres[:, layer, :, None] - taken[:, None, :layer])
        common = np.minimum(own + others - gaps, 2 * np.minimum(own, others)).clip(0).prod(axis=3)
        smaller = 4 * np.minimum(own.prod(axis=3), others.prod(axis=3))
        free = ((common <= HIDDEN * smaller) | (chosen[:, None, :layer] < 0)).all(axis=2)
        taken[:, layer] = centres[np.arange(n), layer, free.argmax(axis=1)]
        chosen[~free.any(axis=1), layer] = -1
    return chosen, sizes, taken


def some_of(
    numbers: Int[np.ndarray, "items"], count: tuple[int, int], n: int, rng: np.random.Generator
) -> Int[np.ndarray, "n most"]:
    """In every row a random choice of the numbers, count[0] to count[1] of them; −1 fills the rest."""
    chosen = rng.choice(numbers, (n, count[1]))
    chosen[np.arange(count[1]) >= rng.integers(count[0], count[1] + 1, (n, 1))] = -1
    return chosen


def turns(shape: tuple[int, int], rng: np.random.Generator) -> Float[np.ndarray, "n layers 2 2"]:
    """Random turns up to ANGLE degrees, every other one mirrored, as matrices."""
    angle, mirrored = np.radians(rng.uniform(-ANGLE, ANGLE, shape)), rng.choice([-1.0, 1.0], shape)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([mirrored * cos, -mirrored * sin, sin, cos], axis=-1).reshape(*shape, 2, 2)


def two_tints(shape: tuple[int, int], rng: np.random.Generator) -> Float[np.ndarray, "n layers 2 3"]:
    """The colours of an item's darkest and its brightest parts: a random hue each."""
    dark, light = rng.uniform(0, 90, (*shape, 3)), rng.uniform(120, 255, (*shape, 3))
    tints = np.stack([dark, light], axis=2)
    grey = rng.uniform(0, 1, (*shape, 1, 1))  # how much of the hue is lost
    return tints + grey * (tints.mean(axis=3, keepdims=True) - tints)

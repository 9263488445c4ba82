"""Scenes that a caption determines: one or two large articles of clothing on a dark ground, 32 × 32 pixels.

Garments, tints and grammar are those of captioned_scenes.py. Here things are large enough for their classes to be
recognised at 32 pixels, the ground is plain, and a thing lies at one of five places, so that a caption states all that
is scored in a picture: the class and colour of each thing and, for two things, their relation.

Eight classes: at 14 pixels shirts and T-shirts, or coats and pullovers, look the same. Of the 48 pairs of a class and a
colour, eight never occur in training, validation and test; each scene of the part `held_out` has at least one of them.
The scenes of the part `judging`, which trains readers of pictures, have all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int, Int64, UInt8

from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS, Caption, Thing, describe, read
from ch07_applications.images_and_text.classes_and_colours import tints_of, trained_pairs
from common.data.parts import read_only
from common.data.scale import LECTURE, Scale
from common.data.scene_composer import Composer
from common.data.scene_places import SIZE, Layers, turns
from common.data.scenes import composers

CLASSES = (0, 1, 2, 3, 5, 7, 8, 9)  # of NOUNS, all but coats and shirts
SIDE, CROP = 32, 16  # pixels of a scene, and of the square around a place
MIDDLE, LEFT, RIGHT, UPPER, LOWER = range(5)
CENTRES = ((16, 16), (8, 16), (24, 16), (16, 8), (16, 24))  # x, y in pixels: of the places
MOST, CAPTIONS, PAIRED = 2, 3, 0.7  # the most things per scene; captions per scene; the share of scenes with two things
LENGTHS, STRAY = (13.0, 14.5), 0.6  # pixels: a thing's longer side; its largest distance from its place
GROUND = 20  # grey level
CHUNK = 250  # scenes composed at once
SEEDS = {"train": 11, "validation": 12, "judging": 13, "test": 14, "held_out": 15}
Things = Int64[np.ndarray, "n 2"]


@dataclass(frozen=True, eq=False)
class PlacedScenes:
    """Scenes with captions. Arrays are read-only.

    labels, colours, places: of the things of each scene, indices in NOUNS, COLOURS and CENTRES; −1 if there is only one
    thing.
    """

    images: UInt8[np.ndarray, "items side side 3"]
    labels: Int64[np.ndarray, "items 2"]
    colours: Int64[np.ndarray, "items 2"]
    places: Int64[np.ndarray, "items 2"]
    captions: tuple[tuple[Caption, ...], ...]
    ids: Int64[np.ndarray, "items"]

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, read_only(value))

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def inputs(self) -> tuple[Caption, ...]:
        """The input of a model: a caption of each scene."""
        return tuple(captions[0] for captions in self.captions)

    @property
    def answers(self) -> UInt8[np.ndarray, "items side side 3"]:
        """The target of a model: the described pictures."""
        return self.images

    @property
    def meanings(self) -> Int64[np.ndarray, "items"]:
        """A number per scene, equal for scenes with the same true captions."""
        pairs = np.where(self.labels >= 0, self.labels * len(COLOURS) + self.colours + 1, 0)
        return (pairs * (len(NOUNS) * len(COLOURS) + 1) ** np.maximum(self.places, 0)).sum(axis=1)

    def take(self, indices: Int[np.ndarray, "n"] | slice) -> PlacedScenes:
        """The scenes at these indices, or of this slice, in that order."""
        places = np.arange(len(self))[indices]
        arrays = {name: value[places] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **arrays, captions=tuple(self.captions[place] for place in places))

    def colours_swapped(self) -> PlacedScenes:
        """The scenes with two things of different colours, each thing in the other's colour, with captions that say so.

        It keeps only scenes whose new pairs of class and colour occur in training. The pictures stay unchanged: they
        show the colours that the captions no longer state.
        """
        known = trained_pairs()[self.labels, self.colours[:, ::-1]].all(axis=1)
        differ = (self.labels[:, 1] >= 0) & (self.colours[:, 0] != self.colours[:, 1])
        some = self.take(np.flatnonzero(differ & known))
        captions = tuple(tuple(swap_colours(caption) for caption in captions) for captions in some.captions)
        return replace(some, colours=some.colours[:, ::-1].copy(), captions=captions)


@dataclass(frozen=True, eq=False)
class PlacedSets:
    """train; validation, for choosing settings; judging: for readers, with all pairs. test, held_out: for scoring, with
    the pairs of training and with others.
    """

    train: PlacedScenes
    validation: PlacedScenes
    judging: PlacedScenes
    test: PlacedScenes
    held_out: PlacedScenes


def swap_colours(caption: Caption) -> Caption:
    """A caption of two things with exchanged colours."""
    places = [place for place, word in enumerate(caption.words) if word in COLOURS]
    words = list(caption.words)
    for place, other in zip(places, places[::-1], strict=True):
        words[place] = caption.words[other]
    return replace(caption, words=tuple(words))


def draw_things(
    n: int,
    first: Bool[np.ndarray, "classes colours"],
    second: Bool[np.ndarray, "classes colours"],
    rng: np.random.Generator,
) -> tuple[Things, Things, Things]:
    """Classes, colours and places of n scenes, the two pairs of a scene different.

    first, second: the pairs of class and colour that the one and the other thing may have; their order is random.
    """
    one, other = (rng.choice(np.flatnonzero(allowed), n) for allowed in (first, second))
    while (same := one == other).any():
        other[same] = rng.choice(np.flatnonzero(second), same.sum())
    pairs, paired = np.stack([one, other], axis=1), rng.random(n) < PAIRED
    pairs[paired] = rng.permuted(pairs[paired], axis=1)
    ends = np.array([[LEFT, RIGHT], [UPPER, LOWER]])[rng.integers(2, size=n)]
    places = np.where(paired[:, None], rng.permuted(ends, axis=1), MIDDLE)
    there = np.stack([np.ones(n, bool), paired], axis=1)
    return tuple(np.where(there, each, -1) for each in (pairs // len(COLOURS), pairs % len(COLOURS), places))


def box_of(place: int) -> tuple[float, float, float, float]:
    """The square around a place: xyxy in pixels."""
    (x, y), half = CENTRES[place], CROP / 2
    return x - half, y - half, x + half, y + half


def put_into_words(labels: list[int], colours: list[int], places: list[int], rng: np.random.Generator) -> Caption:
    """A caption that states how two things lie: captions are drawn until one does."""
    things = [
        Thing(NOUNS[label], COLOURS[colour], None, box_of(place))
        for label, colour, place in zip(labels, colours, places, strict=True)
    ]
    while True:
        caption = describe(things, rng)
        if len(things) == 1 or read(caption.words).relations:
            return caption


def compose(
    composer: Composer,
    garments: Int64[np.ndarray, "garments"],
    things: tuple[Things, Things, Things],
    rng: np.random.Generator,
) -> PlacedScenes:
    """Scenes of these things (classes, colours, places), each shown by a garment of its class."""
    labels, colours, places = things
    n, scale, items = len(labels), SIZE / SIDE, composer.items
    order = garments[np.argsort(items.labels[garments], kind="stable")]
    counts = np.bincount(items.labels[order] - 1, minlength=len(NOUNS))
    chosen = order[(np.cumsum(counts) - counts)[labels] + (rng.random(labels.shape) * counts[labels]).astype(int)]
    longest = 2 * items.reaches[chosen].max(axis=2) - 3
    enlarged = scale * rng.uniform(*LENGTHS, labels.shape) / longest
    centres = scale * (np.array(CENTRES)[places] + rng.uniform(-STRAY, STRAY, (*labels.shape, 2)))
    poses = turns(labels.shape, rng)
    poses[..., 0, :] *= np.sign(poses[..., :1, 0])  # not mirrored: no caption states which way a shoe points
    numbers = [array.astype(np.float32) for array in (enlarged, centres, poses, tints_of(colours, rng))]
    chosen, images = np.where(labels >= 0, chosen, -1), np.empty((n, SIDE, SIDE, 3), np.uint8)
    for at in range(0, n, CHUNK):
        some = slice(at, at + CHUNK)
        canvas = np.full((len(labels[some]), 3, SIZE, SIZE), GROUND, np.float32)
        composer.lay(canvas, Layers(chosen[some], *(array[some] for array in numbers), np.zeros(len(canvas), int)))
        cells = canvas.reshape(len(canvas), 3, SIDE, SIZE // SIDE, SIDE, SIZE // SIDE).mean(axis=(3, 5))
        images[some] = np.rint(cells.clip(0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)
    captions = []
    for own in zip(labels, colours, places, strict=True):
        named = [each[each >= 0].tolist() for each in own]
        captions.append(tuple(put_into_words(*named, rng) for _ in range(CAPTIONS)))
    return PlacedScenes(images, labels, colours, places, tuple(captions), np.arange(n))


def placed_scenes(scale: Scale = LECTURE, sizes: tuple[int, int, int, int, int] | None = None) -> PlacedSets:
    """Scenes of the five parts. sizes: of each; None: the preset's.

    Every fifth training garment is used in validation only; the last two parts use test garments.
    """
    preset = {"smoke": (96, 32, 96, 32, 32), "lecture": (4000, 400, 6000, 500, 500)}
    preset["full"] = (40_000, 1000, 20_000, 1000, 1000)
    training, testing = composers(scale)
    usable = np.isin(np.arange(len(NOUNS)), CLASSES)[:, None] & np.ones((1, len(COLOURS)), bool)
    seen, unseen = usable & trained_pairs(), usable & ~trained_pairs()
    pairs = {"judging": (usable, usable), "held_out": (unseen, usable)}
    garments = np.flatnonzero(np.isin(training.items.labels - 1, CLASSES))
    fifth = np.arange(len(garments)) % 5 == 4
    owned = {"train": garments[~fifth], "validation": garments[fifth], "judging": garments[~fifth]}
    made = {}
    for (name, seed), n in zip(SEEDS.items(), sizes or preset[scale.preset], strict=True):
        rng, composer = np.random.default_rng(seed), training if name in owned else testing
        own = owned.get(name, np.flatnonzero(np.isin(composer.items.labels - 1, CLASSES)))
        made[name] = compose(composer, own, draw_things(n, *pairs.get(name, (seen, seen)), rng), rng)
    return PlacedSets(**made)


def crops_of(images: UInt8[np.ndarray, "n side side 3"], places: Things) -> UInt8[np.ndarray, "things 16 16 3"]:
    """The squares around the places of all things, scene by scene."""
    scenes, which = np.nonzero(places >= 0)
    x, y = (np.array(CENTRES)[places[scenes, which]] - CROP // 2).T
    along = np.arange(CROP)
    return images[scenes[:, None, None], (y[:, None] + along)[:, :, None], (x[:, None] + along)[:, None, :]]

"""Captioned scenes: one to three coloured articles of clothing on a photograph, each scene with several true captions.

They are composed like the scenes of segmentation (common/data/scene_composer.py), with other random choices. Every
object has a colour with a name, is small or large, and lies entirely in a quarter of its own, so that a relation holds
between any two of them. No two objects of a scene agree in class and colour.

Held-out pairs: of the 60 pairs of a class and a colour, ten never occur in training or validation, one per class. Every
class and every colour does occur. Each scene of the part `held_out` has at least one of them.
Training, validation and test scenes share no garment and no photograph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int, Int8, Int64, UInt8

from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS, SIZES, Caption, Thing, describe
from ch07_applications.images_and_text.classes_and_colours import draw_classes, draw_pairs, tints_of
from common.data.parts import grouped, read_only
from common.data.photo_pack import photographs
from common.data.scale import LECTURE, Scale
from common.data.scene_composer import CHUNK, Composer
from common.data.scene_places import SIZE, Layers, turns
from common.data.scenes import composers, in_colour
from common.errors import Problem

MOST, CAPTIONS = 3, 5  # the most objects per scene; captions per scene
LENGTHS = ((26, 34), (42, 48))  # pixels: the longer side of a small and of a large object, before rotation
LARGE = 39.0  # pixels: the least longer side of a large object's box
MIDDLE = (58, 70)  # pixels: the range of the lines that divide a scene into quarters
SEEDS = {"train": 1, "validation": 2, "test": 3, "held_out": 4}


@dataclass(frozen=True, eq=False)
class CaptionedScenes:
    """Scenes with captions. Arrays are read-only.

    boxes: xyxy in pixels of the image. labels, colours, sizes: indices in NOUNS, COLOURS and SIZES; −1 and empty boxes
    where a scene has fewer objects. captions: of each scene. owners: the object visible at each pixel, −1 for the
    photograph; empty unless requested. groups: the photograph.
    """

    images: UInt8[np.ndarray, "items side side 3"]
    boxes: Float32[np.ndarray, "items most 4"]
    labels: Int64[np.ndarray, "items most"]
    colours: Int64[np.ndarray, "items most"]
    sizes: Int64[np.ndarray, "items most"]
    captions: tuple[tuple[Caption, ...], ...]
    ids: Int64[np.ndarray, "items"]
    groups: Int64[np.ndarray, "items"]
    owners: Int8[np.ndarray, "_ side side"]
    garments: Int64[np.ndarray, "items most"]

    def __post_init__(self) -> None:
        grouped(self.groups, len(self.captions))
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, read_only(value))

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def inputs(self) -> UInt8[np.ndarray, "items side side 3"]:
        """The input of a model: the images."""
        return self.images

    @property
    def answers(self) -> tuple[tuple[Caption, ...], ...]:
        """The target of a model: the captions."""
        return self.captions

    def things(self, item: int) -> tuple[Thing, ...]:
        """The objects of a scene, in words."""
        found = []
        for box, label, colour, size in zip(
            self.boxes[item], self.labels[item], self.colours[item], self.sizes[item], strict=True
        ):
            if label >= 0:
                name = COLOURS[colour] if colour >= 0 else None
                found.append(Thing(NOUNS[label], name, SIZES[size], tuple(map(float, box))))
        return tuple(found)

    def take(self, indices: Int[np.ndarray, "n"] | slice) -> CaptionedScenes:
        """The scenes at these indices, or of this slice, in that order."""
        places = np.arange(len(self))[indices]
        arrays = {k: v[places] for k, v in vars(self).items() if isinstance(v, np.ndarray) and len(v) == len(self)}
        return replace(self, **arrays, captions=tuple(self.captions[place] for place in places))


@dataclass(frozen=True, eq=False)
class CaptionedSets:
    """train; validation, for choosing settings; test, for scoring; held_out: with pairs unseen in training."""

    train: CaptionedScenes
    validation: CaptionedScenes
    test: CaptionedScenes
    held_out: CaptionedScenes


@dataclass(frozen=True, eq=False)
class CaptionedComposer:
    """Makes captioned scenes.

    composer: of things and photographs. garments: indices of the things that may occur. objects: per scene, from, to.
    side: of the images in pixels; 128 divided by a whole number. coloured: False makes all grey, and no colour is
    named.
    Raises Problem for an impossible side or number of objects.
    """

    composer: Composer
    garments: Int64[np.ndarray, "garments"]
    objects: tuple[int, int] = (1, MOST)
    side: int = SIZE
    coloured: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.side <= SIZE or SIZE % self.side:
            raise Problem(f"a scene's side is {SIZE} pixels divided by a whole number, not {self.side}")
        if not 1 <= self.objects[0] <= self.objects[1] <= MOST:
            raise Problem(f"a scene has 1 to {MOST} objects, not {self.objects}")

    def compose(self, n: int, seed: int, held_out: bool = False, owners: bool = False) -> CaptionedScenes:
        """The first n scenes of this seed: scene i is the same however many there are.

        held_out: at least one object of each scene is of a held-out pair; else none is. owners: store the visible
        object at each pixel, for sides of 128 only.
        """
        if owners and self.side != SIZE:
            raise Problem(f"owners of pixels are known at {SIZE} pixels only, not at {self.side}")
        found = [self._chunk(min(CHUNK, n - at), (seed, at), held_out, owners) for at in range(0, n, CHUNK)]
        arrays = {key: np.concatenate([chunk[key] for chunk in found]) for key in found[0] if key != "captions"}
        captions = tuple(captions for chunk in found for captions in chunk["captions"])
        return CaptionedScenes(captions=captions, ids=np.arange(n), **arrays)

    def _chunk(self, n: int, seed: tuple[int, int], held_out: bool, owners: bool) -> dict:
        """The first n of the CHUNK scenes of this seed."""
        rng = np.random.default_rng(seed)
        canvas, layers = self.composer.prepared(rng)
        labels, colours = draw_pairs(CHUNK, MOST, self.objects, held_out, rng)
        if not self.coloured:
            labels, colours = draw_classes(CHUNK, MOST, self.objects, rng), np.full_like(colours, -1)
        sizes = np.where(labels >= 0, rng.integers(2, size=labels.shape), -1)
        layers = self._layers(labels, colours, sizes, layers.photos, rng)
        owner, _ = self.composer.lay(canvas, layers)
        boxes = boxes_of(owner, MOST)
        longer = (boxes[..., 2:] - boxes[..., :2]).max(axis=2)
        sizes = np.where(labels >= 0, (longer >= LARGE).astype(int), -1)  # by its visible box: thin straps may vanish
        images = np.empty((CHUNK, SIZE, SIZE, 3), np.uint8)
        self.composer.develop(canvas, images, rng)
        step = SIZE // self.side
        if step > 1:
            cells = images.reshape(CHUNK, self.side, step, self.side, step, 3)
            images = np.rint(cells.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)
        found = {
            "images": images, "boxes": boxes / step, "labels": labels, "colours": colours,
            "sizes": sizes, "garments": layers.items, "groups": np.array(self.composer.originals)[layers.photos],
        }  # fmt: skip
        found = {key: array[:n] for key, array in found.items()}
        found["owners"] = owner[: n if owners else 0]
        unsaid = CaptionedScenes(captions=((),) * n, ids=np.arange(n), **found)
        found["captions"] = [tuple(describe(unsaid.things(k), rng) for _ in range(CAPTIONS)) for k in range(n)]
        return found

    def _layers(
        self,
        labels: Int64[np.ndarray, "n most"],
        colours: Int64[np.ndarray, "n most"],
        sizes: Int64[np.ndarray, "n most"],
        photos: Int[np.ndarray, "n"],
        rng: np.random.Generator,
    ) -> Layers:
        """Each object's garment, place, size and tints."""
        things, shape = self.composer.items, labels.shape
        order = self.garments[np.argsort(things.labels[self.garments], kind="stable")]
        counts = np.bincount(things.labels[order] - 1, minlength=len(NOUNS))
        place = (np.cumsum(counts) - counts)[labels] + (rng.random(shape) * counts[labels]).astype(int)
        chosen = order[np.where(labels >= 0, place, 0)]
        lengths = np.array(LENGTHS)[sizes]
        reaches = things.reaches[chosen]  # a pixel and a half more than the garment's extent
        enlarged = rng.uniform(lengths[..., 0], lengths[..., 1]) / (2 * reaches.max(axis=2) - 3)
        poses = turns(shape, rng)
        halves = (np.abs(poses) @ reaches[..., None])[..., 0] * enlarged[..., None]
        low, high = quarters(*shape, rng)
        margins = np.minimum(halves, (high - low) / 2)
        centres = low + margins + rng.random((*shape, 2)) * (high - low - 2 * margins)
        numbers = (array.astype(np.float32) for array in (enlarged, centres, poses, tints_of(colours, rng)))
        return Layers(np.where(labels >= 0, chosen, -1), *numbers, photos)


def quarters(
    n: int, most: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n most 2"], Float[np.ndarray, "n most 2"]]:
    """A quarter of the scene for each object, none for two: its corners (x, y), upper left and lower right."""
    lines = rng.uniform(*MIDDLE, (n, 1, 2))
    which = rng.random((n, 4)).argsort(axis=1)[:, :most]
    beyond = np.stack([which % 2, which // 2], axis=2) > 0
    return np.where(beyond, lines, 0.0), np.where(beyond, float(SIZE), lines)


def boxes_of(owner: Int8[np.ndarray, "n size size"], most: int) -> Float32[np.ndarray, "n {most} 4"]:
    """The box of each object's visible part; 0 if it has none."""
    boxes = np.zeros((len(owner), most, 4), np.float32)
    for number in range(most):
        there = owner == number
        for axis in (0, 1):
            lines = there.any(axis=axis + 1) if axis else there.any(axis=1)
            any_there = lines.any(axis=1)
            boxes[:, number, axis] = lines.argmax(axis=1)
            boxes[:, number, axis + 2] = np.where(any_there, lines.shape[1] - lines[:, ::-1].argmax(axis=1), 0)
    return boxes


def captioned_scenes(
    scale: Scale = LECTURE, objects: tuple[int, int] = (1, MOST), side: int = SIZE, coloured: bool = True,
    sizes: tuple[int, int, int, int] | None = None,
) -> CaptionedSets:  # fmt: skip
    """Captioned scenes for training, for choosing settings and for scoring. sizes: of the four parts; None: the
    preset's.

    Every fifth training garment is used in validation only; validation has the pack's thirteen photographs, which are
    enough for tests that count photographs.
    """
    preset = {"smoke": (64, 32, 32, 32), "lecture": (6000, 500, 500, 500), "full": (50_000, 1000, 1000, 1000)}
    sizes = sizes or preset[scale.preset]
    training, testing = composers(scale)
    pictures = tuple(in_colour(picture.image) for picture in photographs().train)
    choosing = replace(training, photos=pictures, originals=tuple(range(len(pictures))))
    garments = np.flatnonzero(training.items.labels > 0)
    fifth = np.arange(len(garments)) % 5 == 4
    made = {"objects": objects, "side": side, "coloured": coloured}
    makers = {
        "train": CaptionedComposer(training, garments[~fifth], **made),
        "validation": CaptionedComposer(choosing, garments[fifth], **made),
        "test": CaptionedComposer(testing, np.flatnonzero(testing.items.labels > 0), **made),
    }
    makers["held_out"] = makers["test"]
    counted = zip(makers.items(), sizes, strict=True)
    return CaptionedSets(**{name: maker.compose(n, SEEDS[name], name == "held_out") for (name, maker), n in counted})

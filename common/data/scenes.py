"""Scenes: articles of clothing pasted on photographs, with exact boxes and masks. They are composed, not photographed.

An item of Fashion-MNIST is enlarged one to three times, turned a little, perhaps mirrored, coloured between two tints
of its own, and pasted where it may lie partly outside the picture and partly under another item. A scene of 128×128 pixels
has one to six of them. Training scenes are made of training items and training photographs, test scenes of others.

Nothing is to be had cheaply. Items are dark where they end, for there Fashion-MNIST has blended them with black: their rim
takes on the brightness of what lies inside. Outlines are about as sharp at every size. Shapes that are no clothing are
pasted in just the same way. Blur and noise come over everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor
from torch.nn import functional

from common.data.boxed import BoxedImages, Target
from common.data.images import fashion_mnist
from common.data.photos import photo
from common.data.scale import LECTURE, Scale
from common.data.scene_items import Items, clothes, with_distractors

SIZE = 128  # pixels, the side of a scene
OBJECTS, DISTRACTORS = (1, 6), (0, 2)  # from, to: articles of clothing; shapes that are none
SCALES = (1.0, 3.0)  # of the 28 pixels that an item has
ANGLE = 15  # degrees that an item is turned, at most
HIDDEN = 0.35  # of the smaller of two boxes, at most, lies under or over the other
OUTSIDE = 0.3  # of an item's width, and of its height, at most, lies outside the picture
TRIES = 12  # places that are looked at for an item; where none is free, the scene goes without it
SEEN = 0.4  # an object of which less is to be seen, of its pixels in the picture, is none
CHUNK = 32  # scenes composed at once, with a generator of their own: scene i is the same however many there are
TRAIN_PHOTOS = ("astronaut", "motorcycle", "rocket", "gravel", "retina", "camera", "immunohistochemistry", "colorwheel")
TEST_PHOTOS = ("cat", "coffee", "brick", "grass", "coins", "hubble_deep_field", "clock", "cell")
TRAIN_SEED, VALIDATION_SEED, TEST_SEED = 1, 2, 3


@dataclass(frozen=True, eq=False)
class Composer:
    """Makes scenes of these items upon these photographs."""

    items: Items
    photos: tuple[UInt8[np.ndarray, "height width 3"], ...]
    classes: tuple[str, ...]

    def compose(self, n: int, seed: int) -> BoxedImages:
        """The first n scenes of this seed."""
        chunks = [self._chunk(min(CHUNK, n - start), (seed, start)) for start in range(0, n, CHUNK)]
        images, targets, masks = zip(*chunks, strict=True)
        return BoxedImages(np.concatenate(images), sum(targets, ()), self.classes, sum(masks, ()))

    def _chunk(self, n: int, seed: tuple[int, int]) -> tuple[np.ndarray, tuple[Target, ...], tuple[np.ndarray, ...]]:
        rng = np.random.default_rng(seed)
        canvas = torch.tensor(np.stack([background(self.photos, rng) for _ in range(CHUNK)]))
        canvas = canvas.permute(0, 3, 1, 2).float()[:n]
        items, sizes, centres = place(self.items, rng)
        owner = torch.full((n, SIZE, SIZE), -1, dtype=torch.int8)  # the layer that is seen at a pixel
        areas = torch.zeros(n, items.shape[1])  # pixels of a layer, seen or not
        for layer in range(items.shape[1]):
            poses, tints = turns(CHUNK, rng), two_tints(CHUNK, rng)
            there = np.flatnonzero(items[:n, layer] >= 0)
            own = items[there, layer], sizes[there, layer], centres[there, layer], poses[there]
            value, alpha = laid(self.items, *own)
            dark, light = torch.tensor(tints[there])[..., None, None].unbind(1)
            canvas[there] = torch.lerp(canvas[there], torch.addcmul(dark, light - dark, value), alpha)
            solid = alpha[:, 0] > 0.5
            owner[there] = owner[there].masked_fill_(solid, layer)
            areas[there, layer] = solid.flatten(1).sum(dim=1).float()
        labels = np.where(items >= 0, self.items.labels[items], 0)[:n]
        found = [objects(*parts) for parts in zip(owner, areas, labels, strict=True)]
        targets, masks = zip(*found, strict=True)
        return developed(canvas, rng), targets, masks


def background(
    photos: tuple[UInt8[np.ndarray, "height width 3"], ...], rng: np.random.Generator
) -> UInt8[np.ndarray, "size size 3"]:
    """A crop of a photograph, perhaps mirrored."""
    picture = photos[rng.integers(len(photos))]
    top, left = (rng.integers(length - SIZE + 1) for length in picture.shape[:2])
    crop = picture[top : top + SIZE, left : left + SIZE]
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def place(
    items: Items, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "n layers"], Float[np.ndarray, "n layers"], Float[np.ndarray, "n layers 2"]]:
    """Which item lies in which layer (−1: none), how much it is enlarged, and where its centre (x, y) is.

    Of TRIES random places an item takes the first that hides no more of any two boxes than HIDDEN.
    """
    chosen = np.concatenate(
        [
            some_of(np.flatnonzero(items.labels > 0), OBJECTS, rng),
            some_of(np.flatnonzero(items.labels == 0), DISTRACTORS, rng),
        ],
        axis=1,
    )
    chosen = rng.permuted(chosen, axis=1)
    n, layers = chosen.shape
    sizes = np.exp(rng.uniform(*np.log(SCALES), (n, layers)))
    halves = items.extents[chosen] * sizes[..., None] / 2
    share = rng.uniform(0, 1, (n, layers, TRIES, 2))
    margin = halves * (1 - 2 * OUTSIDE)  # from the border to the nearest centre
    centres = margin[:, :, None] + share * (SIZE - 2 * margin[:, :, None])
    taken = np.zeros((n, layers, 2))
    for layer in range(layers):
        gaps = np.abs(centres[:, layer, :, None] - taken[:, None, :layer])  # (n, tries, layers before, 2)
        near, smaller = halves[:, None, :layer] + halves[:, layer, None, None], np.minimum(
            halves[:, None, :layer], halves[:, layer, None, None]
        )
        common = np.minimum(near - gaps, 2 * smaller).clip(0).prod(axis=3)
        area = 4 * np.minimum(halves[:, :layer].prod(axis=2), halves[:, layer].prod(axis=1)[:, None])
        free = (common <= HIDDEN * area[:, None] + 1e9 * (chosen[:, None, :layer] < 0)).all(axis=2)
        taken[:, layer] = centres[np.arange(n), layer, free.argmax(axis=1)]
        chosen[~free.any(axis=1), layer] = -1
    return chosen, sizes, taken


def some_of(
    numbers: Int[np.ndarray, "items"], count: tuple[int, int], rng: np.random.Generator
) -> Int[np.ndarray, "n most"]:
    """In every row count[0] to count[1] of the numbers, then −1."""
    chosen = rng.choice(numbers, (CHUNK, count[1]))
    chosen[np.arange(count[1]) >= rng.integers(count[0], count[1] + 1, (CHUNK, 1))] = -1
    return chosen


def turns(n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 2 2"]:
    """Random turns up to ANGLE degrees, every other one mirrored, as matrices."""
    angle, mirrored = np.radians(rng.uniform(-ANGLE, ANGLE, n)), rng.choice([-1.0, 1.0], n)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[mirrored * cos, -mirrored * sin], [sin, cos]]).transpose(2, 0, 1)


def two_tints(n: int, rng: np.random.Generator) -> Float32[np.ndarray, "n 2 3"]:
    """The colours of an item's darkest and its brightest parts: a random hue each, in every tenth item changed over."""
    light, dark = rng.uniform(90, 255, (n, 3)), rng.uniform(0, 110, (n, 3))
    grey = rng.uniform(0, 1, (n, 1))  # how much of the hue is lost
    light, dark = (tint + grey * (tint.mean(axis=1, keepdims=True) - tint) for tint in (light, dark))
    tints = np.stack([dark, light], axis=1)
    swapped = rng.random(n) < 0.1
    tints[swapped] = tints[swapped, ::-1]
    return tints.astype(np.float32)


def laid(
    items: Items,
    chosen: Int[np.ndarray, "n"],
    sizes: Float[np.ndarray, "n"],
    centres: Float[np.ndarray, "n 2"],
    poses: Float[np.ndarray, "n 2 2"],
) -> tuple[Float[Tensor, "n 1 size size"], Float[Tensor, "n 1 size size"]]:
    """Brightness and coverage of the items at every pixel of their scenes: one bilinear sampling."""
    # The way back, from a pixel of the scene to a place in the item, where [-1, 1] is all there is.
    back = torch.tensor(poses.transpose(0, 2, 1) / (14 * sizes)[:, None, None], dtype=torch.float32)[..., None, None]
    pixels = torch.arange(SIZE) + 0.5 - torch.tensor(centres, dtype=torch.float32)[..., None]
    across, down = pixels[:, 0, None, None, :], pixels[:, 1, None, :, None]
    grid = (back[:, :, 0] * across + back[:, :, 1] * down).permute(0, 2, 3, 1)
    stack = torch.tensor(np.stack([items.values[chosen], items.alphas[chosen]], axis=1))
    value, alpha = functional.grid_sample(stack, grid, align_corners=False).split(1, dim=1)
    sharpness = torch.tensor(sizes, dtype=torch.float32)[:, None, None, None] * 1.2
    return value, ((alpha - 0.5) * sharpness + 0.5).clamp(0, 1)


def objects(
    owner: Int[Tensor, "size size"], areas: Float[Tensor, "layers"], labels: Int[np.ndarray, "layers"]
) -> tuple[Target, Bool[np.ndarray, "objects size size"]]:
    """What there is to be found in a scene: the box of what is seen of each object, its label and its mask."""
    masks = owner == torch.arange(len(labels), dtype=torch.int8)[:, None, None]
    seen = masks.flatten(1).sum(dim=1)
    there = (torch.tensor(labels) > 0) & (seen > SEEN * areas) & (seen > 0)
    masks = masks[there]
    (left, right), (top, bottom) = ends(masks.any(dim=1)), ends(masks.any(dim=2))
    boxes = torch.stack([left, top, right, bottom], dim=1).float()
    return {"boxes": boxes, "labels": torch.tensor(labels)[there]}, masks.numpy()


def ends(there: Bool[Tensor, "objects length"]) -> tuple[Int[Tensor, "objects"], Int[Tensor, "objects"]]:
    """Where the first True of a row begins, and where its last one ends."""
    there = there.int()
    return there.argmax(dim=1), there.shape[1] - there.flip(1).argmax(dim=1)


def developed(canvas: Float[Tensor, "n 3 size size"], rng: np.random.Generator) -> UInt8[np.ndarray, "n size size 3"]:
    """The camera's share: each picture a little out of focus, with noise."""
    blur, noise = (torch.tensor(rng.uniform(0, most, (CHUNK, 1, 1, 1)), dtype=torch.float32) for most in (1 / 3, 8.0))
    blur, noise = blur[: len(canvas)], noise[: len(canvas)]
    for picture in (canvas, canvas.transpose(2, 3)):  # across, then down: [blur, 1 − 2 blur, blur]
        picture[:, :, 1:-1] = torch.lerp(picture[:, :, 1:-1], (picture[:, :, :-2] + picture[:, :, 2:]) / 2, 2 * blur)
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    canvas.addcmul_(noise, torch.randn(canvas.shape, generator=generator))
    return canvas.add_(0.5).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


@cache
def composers(scale: Scale = LECTURE) -> tuple[Composer, Composer]:
    """The composer of training scenes, and that of test scenes: other items, upon other photographs."""
    fashion = fashion_mnist(scale)
    pairs = []
    for part, names, seed in [(fashion.train, TRAIN_PHOTOS, 0), (fashion.test, TEST_PHOTOS, 1)]:
        pictures = tuple(in_colour(photo(name)) for name in names)
        pairs.append(Composer(with_distractors(clothes(part), seed), pictures, fashion.classes))
    return pairs[0], pairs[1]


def in_colour(picture: UInt8[np.ndarray, "height width *channels"]) -> UInt8[np.ndarray, "height width 3"]:
    """Red, green and blue, of a grey picture all the same; the larger ones reduced to about 512 pixels."""
    picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    step = max(1, min(picture.shape[:2]) // 400)
    return np.ascontiguousarray(picture[::step, ::step])


@dataclass(frozen=True, eq=False)
class SceneSet:
    """Scenes to learn from, to choose on, and to be judged on. The first two are made of the same items and photos."""

    train: BoxedImages
    validation: BoxedImages
    test: BoxedImages
    classes: tuple[str, ...]
    source: str


@cache
def scenes(scale: Scale = LECTURE) -> SceneSet:
    """Scenes of Fashion-MNIST, 128 × 128: 4000 + 300 + 500; at the smoke preset 96 + 16 + 32, at full 16000 + 500 + 2000."""
    sizes = {"smoke": (96, 16, 32), "lecture": (4000, 300, 500), "full": (16_000, 500, 2000)}[scale.preset]
    training, testing = composers(scale)
    seeds = (TRAIN_SEED, VALIDATION_SEED, TEST_SEED)
    makers = (training, training, testing)
    parts = [maker.compose(n, seed) for maker, n, seed in zip(makers, sizes, seeds, strict=True)]
    source = "composed of Fashion-MNIST's items (Xiao et al. 2017, MIT) and photographs that come with scikit-image"
    return SceneSet(*parts, training.classes, source)

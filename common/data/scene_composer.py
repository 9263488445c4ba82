"""How a scene comes about: things are laid upon a photograph one after the other, and the whole is developed.

Many scenes are composed at once: a layer is one thing in each of them, and only a window around it is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float32, Int, Int8, UInt8
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.nn import functional

from common.data.boxed import BoxedImages, Masks, Target
from common.data.scene_items import SIDE, Items
from common.data.scene_places import SIZE, Layers, draw

SEEN = 0.4  # an object of which less is to be seen, of its pixels in the picture, is none
CHUNK = 32  # scenes composed at once, with a generator of their own: scene i is the same however many there are
WINDOWS = np.array([40, 52, 64, 80, 100, SIZE])  # sides of the windows, in pixels
LIGHT = (0.6, 1.1)  # what the light makes of red, green and blue, at least and at most
SHARPNESS = 1.2  # how steep an outline is in the picture, whatever the size: coverage from 0 to 1 in 1 / 1.2 pixels
BLUR, NOISE = 1 / 4, 4.0  # at most: what a pixel gives to either neighbour; a standard deviation in grey levels
BANK = 1 << 20  # numbers of noise; that of a picture begins somewhere among them

Canvas = Float32[np.ndarray, "n 3 size size"]
Owners = Int8[np.ndarray, "n size size"]


@dataclass(frozen=True, eq=False)
class Composer:
    """Makes scenes of these items upon these photographs. camera: whether blur and noise come over everything.

    originals: the number of the photograph that each of `photos` shows, where several show the same one.
    """

    items: Items
    photos: tuple[UInt8[np.ndarray, "3 height width"], ...]
    classes: tuple[str, ...]
    camera: bool = True
    originals: tuple[int, ...] | None = None

    def compose(self, n: int, seed: int, masks: bool = True) -> BoxedImages:
        """The first n scenes of this seed, the same however many they are; with their masks or without.

        Scenes upon one photograph, whatever part of it, are a group.
        """
        groups = np.empty(n, np.int64)
        originals = np.array(self.originals or range(len(self.photos)))
        images = np.empty((n, SIZE, SIZE, 3), np.uint8)
        owners = np.empty((n if masks else 0, SIZE, SIZE), np.int8)
        targets, numbers = [], []
        for start in range(0, n, CHUNK):
            rng = np.random.default_rng((seed, start))
            some = slice(start, min(start + CHUNK, n))
            canvas, layers = self.prepared(rng)
            canvas, layers = canvas[: some.stop - start], layers.first(some.stop - start)
            owner, areas = self.lay(canvas, layers)
            found, layer_numbers = objects(owner, areas, self.items.labels, layers.items)
            targets += found
            groups[some] = originals[layers.photos]
            if masks:
                owners[some] = owner
                numbers += layer_numbers
            self.develop(canvas, images[some], rng)
        seen = Masks(owners, tuple(numbers)) if masks else ()
        return BoxedImages(images, tuple(targets), self.classes, seen, groups=groups)

    def prepared(self, rng: np.random.Generator) -> tuple[Canvas, Layers]:
        """Crops of photographs, mirrored or not, in a light of their own; and what is to be laid upon them.

        Few photographs have to do for many scenes: each crop has its colours mixed up and dimmed at random.
        """
        canvas, numbers = np.empty((CHUNK, 3, SIZE, SIZE), np.float32), np.empty(CHUNK, np.int64)
        for k, scene in enumerate(canvas):
            numbers[k] = rng.integers(len(self.photos))
            photo = self.photos[numbers[k]]
            top, left = (rng.integers(length - SIZE + 1) for length in photo.shape[1:])
            crop = photo[:, top : top + SIZE, left : left + SIZE]
            light = rng.uniform(*LIGHT, (3, 1, 1)).astype(np.float32)
            scene[:] = light * (crop[:, :, ::-1] if rng.random() < 0.5 else crop)[rng.permutation(3)]
        return canvas, draw(self.items, numbers, rng)

    def lay(self, canvas: Canvas, layers: Layers) -> tuple[Owners, Int[np.ndarray, "n layers"]]:
        """Paint the layers onto the canvas, from the lowest on.

        Returns which layer is seen at a pixel (−1: the photograph), and how many pixels each has, seen or not.
        """
        owner = np.full((len(canvas), SIZE, SIZE), -1, np.int8)
        areas = np.zeros(layers.items.shape, np.int64)
        reach = np.abs(layers.poses) @ self.items.reaches[layers.items][..., None]
        sides = np.ceil(2 * reach.max(axis=(2, 3)) * layers.sizes + 1)
        kinds = np.minimum(np.searchsorted(WINDOWS, sides), len(WINDOWS) - 1)
        kinds[layers.items < 0] = -1
        painted = [sliding_window_view(canvas, (side, side), (2, 3), writeable=True) for side in WINDOWS]
        owned = [sliding_window_view(owner, (side, side), (1, 2), writeable=True) for side in WINDOWS]
        for layer in range(layers.count):
            for kind, side in enumerate(WINDOWS):
                scenes = np.flatnonzero(kinds[:, layer] == kind)
                if not len(scenes):
                    continue
                corners = (layers.centres[scenes, layer] - side / 2).astype(int).clip(0, SIZE - side)
                at = scenes, corners[:, 1], corners[:, 0]
                value, alpha = self.sampled(layers, layer, scenes, corners, int(side))
                dark, light = layers.tints[scenes, layer].transpose(1, 0, 2)[..., None, None]
                there = at[0], slice(None), *at[1:]
                below = painted[kind][there]
                colour = (light - dark) * value
                colour += dark
                colour -= below
                colour *= alpha
                colour += below
                painted[kind][there] = colour
                solid = alpha[:, 0] > 0.5
                owned[kind][at] = np.where(solid, np.int8(layer), owned[kind][at])
                areas[scenes, layer] = np.count_nonzero(solid, axis=(1, 2))
        return owner, areas

    @cached_property
    def stack(self) -> UInt8[Tensor, "items 2 side side"]:
        """Brightness and coverage, as they are sampled."""
        return torch.tensor(np.stack([self.items.values, self.items.alphas], axis=1))

    def sampled(
        self, layers: Layers, layer: int, scenes: Int[np.ndarray, "k"], corners: Int[np.ndarray, "k 2"], side: int
    ) -> tuple[Float32[np.ndarray, "k 1 side side"], Float32[np.ndarray, "k 1 side side"]]:
        """Brightness and coverage of a layer's things in their windows, to 1: one bilinear sampling."""
        sizes = layers.sizes[scenes, layer]
        # The way back, from a pixel of the scene to a place in the item, where [-1, 1] is all there is.
        back = layers.poses[scenes, layer].transpose(0, 2, 1) / (SIDE / 2 * sizes)[:, None, None]
        across, down = (corners - layers.centres[scenes, layer] + 0.5).astype(np.float32).T[:, :, None] + np.arange(
            side, dtype=np.float32
        )
        grid = np.empty((len(scenes), side, side, 2), np.float32)
        for axis in (0, 1):
            np.add(
                (back[:, axis, 0, None] * across)[:, None], (back[:, axis, 1, None] * down)[..., None], grid[..., axis]
            )
        things = self.stack[layers.items[scenes, layer]].float()
        value, alpha = (
            functional.grid_sample(things, torch.from_numpy(grid), align_corners=False).numpy().swapaxes(0, 1)
        )
        value *= np.float32(1 / 255)
        alpha -= np.float32(127.5)
        alpha *= (SHARPNESS / 255 * sizes)[:, None, None]
        alpha += np.float32(0.5)
        return value[:, None], alpha.clip(0, 1, out=alpha)[:, None]

    @cached_property
    def noise(self) -> Float32[np.ndarray, "bank"]:
        """Numbers of a standard normal distribution."""
        return np.random.default_rng(0).standard_normal(BANK + 3 * SIZE * SIZE, np.float32)

    def develop(self, canvas: Canvas, images: UInt8[np.ndarray, "n size size 3"], rng: np.random.Generator) -> None:
        """The camera's share: each picture a little out of focus, with noise; and then whole numbers, into images.

        Picture by picture, as long as it is in the processor's cache.
        """
        blurs, noises = rng.uniform(0, [[BLUR], [NOISE]], (2, CHUNK)).astype(np.float32)
        starts = rng.integers(BANK, size=CHUNK)
        for picture, image, blur, noise, start in zip(canvas, images, blurs, noises, starts, strict=False):
            if self.camera:
                for axis in (picture, picture.swapaxes(1, 2)):  # across, then down: [blur, 1 − 2 blur, blur]
                    around = axis[:, :, :-2] + axis[:, :, 2:]
                    around *= blur
                    axis[:, :, 1:-1] *= 1 - 2 * blur
                    axis[:, :, 1:-1] += around
                picture += noise * self.noise[start : start + picture.size].reshape(picture.shape)
            picture += np.float32(0.5)
            picture.clip(0, 255, out=picture)
            image[:] = picture.astype(np.uint8).transpose(1, 2, 0)


def objects(
    owner: Owners,
    areas: Int[np.ndarray, "n layers"],
    labels: Int[np.ndarray, "items"],
    items: Int[np.ndarray, "n layers"],
) -> tuple[list[Target], list[Int8[np.ndarray, "_"]]]:
    """What there is to be found in each scene: the box of what is seen of each object, and its label; and its layer."""
    n, layers = items.shape
    bits = np.append(1 << np.arange(layers), 0).astype(np.uint8)[owner]  # of eight layers; owner −1 is the last
    columns = np.bitwise_or.reduce(bits, axis=1)
    rows = np.bitwise_or.reduce(bits.view(np.uint64), axis=2).view(np.uint8).reshape(n, SIZE, 8)
    rows = np.bitwise_or.reduce(rows, axis=2)
    boxes = np.empty((n, layers, 4), np.float32)
    for axis, lines in enumerate((columns, rows)):
        there = np.unpackbits(lines[..., None], axis=2, bitorder="little")[:, :, :layers]
        boxes[..., axis] = there.argmax(axis=1)
        boxes[..., axis + 2] = SIZE - there[:, ::-1].argmax(axis=1)
    seen = np.stack([np.count_nonzero(owner == layer, axis=(1, 2)) for layer in range(layers)], axis=1)
    classes = np.where(items >= 0, labels[items], 0)
    found = (classes > 0) & (seen > SEEN * areas)
    targets = [
        {"boxes": torch.tensor(corners[which]), "labels": torch.tensor(own[which])}
        for corners, own, which in zip(boxes, classes, found, strict=True)
    ]
    return targets, [np.flatnonzero(which).astype(np.int8) for which in found]

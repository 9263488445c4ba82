"""People cut out of a film whose camera stands still, and pasted elsewhere: other places, other light, other clothes.

The median of the frames' pixels outside all boxes shows the yard without people; where a frame differs from it within a
box, somebody stands. What is thus cut out is pasted on windows of the yard and of photographs: larger or smaller,
mirrored, in other colours, before and behind others and behind patches of background (Dwibedi et al. 2017, "Cut, paste
and learn").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import interpolate

from ch06_detection.boxes import iou
from common.data.boxed import BoxedImages, Target
from common.data.photo_pack import photographs

MARGIN = 6  # pixels around a box that are cut out with it
DIFFERENT = 22  # grey levels of 255 by which a pixel of a person differs from the empty yard
FILLED = 0.3  # of its box that a cut-out covers, at least: less is a person behind something
Picture = Float32[Tensor, "3 height width"]


class CutOut(NamedTuple):
    """A person: the pixels around the box, how far each belongs to the person (0 … 1), the box among them, xyxy."""

    image: Float32[Tensor, "3 height width"]
    alpha: Float32[Tensor, "1 height width"]
    box: Float32[Tensor, "4"]


def empty_yard(
    frames: UInt8[np.ndarray, "n height width 3"], targets: Sequence[Target], most: int = 40
) -> UInt8[np.ndarray, "height width 3"]:
    """What a camera that stands still sees when nobody is there: of each pixel, the median outside all boxes.

    Without boxes, who stands still in most frames would be part of the yard. A pixel that lies in a box in every frame
    has the median of all of them. most: of how many frames, evenly spaced.
    """
    some = slice(None, None, max(1, len(frames) // most))
    pixels = torch.tensor(frames[some]).float()
    for frame, target in zip(pixels, targets[some], strict=True):
        for x1, y1, x2, y2 in target["boxes"].clamp(min=0).round().int().tolist():
            frame[y1 : y2 + 1, x1 : x2 + 1] = torch.nan
    yard = pixels.nanmedian(dim=0).values
    hidden = yard.isnan()
    yard[hidden] = torch.tensor(frames[some][:, hidden.numpy()]).float().median(dim=0).values
    return yard.byte().numpy()


def silhouette(
    part: UInt8[np.ndarray, "height width 3"], yard: UInt8[np.ndarray, "height width 3"]
) -> Bool[np.ndarray, "height width"]:
    """The largest connected region that differs from the yard, its holes filled."""
    difference = np.abs(part.astype(np.float32) - yard).max(axis=2)
    differs = ndimage.gaussian_filter(difference, 1.5) > DIFFERENT
    regions, count = ndimage.label(ndimage.binary_fill_holes(ndimage.binary_closing(differs, iterations=3)))
    if not count:
        return np.zeros_like(differs)
    return regions == 1 + np.argmax(ndimage.sum_labels(regions > 0, regions, np.arange(1, count + 1)))


def cut_out(
    frames: UInt8[np.ndarray, "n height width 3"], targets: Sequence[Target], yard: UInt8[np.ndarray, "height width 3"]
) -> list[CutOut]:
    """The people of these frames who stand apart from others and from the frame's border, and are not hidden."""
    found = []
    limits = torch.tensor([frames.shape[2], frames.shape[1]])
    for frame, target in zip(frames, targets, strict=True):
        boxes = target["boxes"]
        alone = (
            ((iou(boxes, boxes) > 0).sum(dim=1) == 1) & (boxes[:, :2] > 1).all(1) & (boxes[:, 2:] < limits - 1).all(1)
        )
        for box in boxes[alone]:
            x1, y1 = (box[:2] - MARGIN).clamp(min=0).int().tolist()
            x2, y2 = torch.minimum(box[2:] + MARGIN + 1, limits).int().tolist()
            person = silhouette(frame[y1:y2, x1:x2], yard[y1:y2, x1:x2])
            own = box - torch.tensor([x1, y1, x1, y1])
            if person.sum() < FILLED * float((own[2:] - own[:2]).prod()):
                continue
            alpha = torch.from_numpy(ndimage.gaussian_filter(person.astype(np.float32), 0.8))
            found.append(CutOut(as_picture(frame[y1:y2, x1:x2]), alpha[None], own))
    return found


@dataclass(frozen=True)
class PastedPeople:
    """Composes frames of people who were cut out. backgrounds: the yard, and photographs.

    heights: of people, in pixels; in the film they have 53 to 116, and 149 at its lower border. most: people of a
    frame. yards: share of the frames that show the yard. crowding: share of the people that are put beside another.
    hiding: share that a patch of background partly hides. visible: share of a person's pixels from which on the person
    still counts as one.
    """

    people: Sequence[CutOut]
    yard: Picture
    photographs: Sequence[Picture]
    heights: tuple[float, float] = (46.0, 170.0)
    most: int = 20
    yards: float = 0.5
    crowding: float = 0.35
    hiding: float = 0.3
    visible: float = 0.25
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def compose(self, count: int, size: tuple[int, int]) -> BoxedImages:
        """So many frames (height, width), and the boxes of who is in them."""
        images, targets = np.empty((count, *size, 3), np.uint8), []
        for image in images:
            frame, boxes = self.frame(size)
            image[:] = frame.clamp(0, 255).permute(1, 2, 0).numpy().astype(np.uint8)
            targets.append({"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64)})
        return BoxedImages(images, tuple(targets), ("pedestrian",))

    def frame(self, size: tuple[int, int]) -> tuple[Picture, Float[Tensor, "n 4"]]:
        """One frame, and the boxes of people of whom enough is seen; later people stand before earlier ones."""
        image, owner = self.background(size), torch.full(size, -1)
        boxes, pixels = torch.zeros(0, 4), []
        for number in range(self.rng.integers(1, self.most + 1)):
            person = self.changed(self.people[self.rng.integers(len(self.people))])
            left, top = self.place(person, boxes, size)
            rows, columns, inner = overlap(person.alpha.shape[1:], (top, left), size)
            alpha = person.alpha[:, *inner]
            image[:, rows, columns] += alpha * (person.image[:, *inner] - image[:, rows, columns])
            owner[rows, columns][alpha[0] > 0.5] = number
            boxes = torch.cat([boxes, person.box[None] + torch.tensor([left, top, left, top])])
            pixels.append(int((person.alpha > 0.5).sum()))
            if self.rng.random() < self.hiding:
                self.hide(image, owner, boxes[-1])
        seen = torch.bincount(owner[owner >= 0], minlength=len(boxes))
        high, wide = size
        boxes = torch.minimum(boxes.clamp(min=0), torch.tensor([wide, high, wide, high]))
        counts = (seen >= self.visible * torch.tensor(pixels)) & (boxes[:, 2:] - boxes[:, :2] >= 6).all(dim=1)
        return image, boxes[counts]

    def background(self, size: tuple[int, int]) -> Picture:
        """A window of the yard or of a photograph, brought to this size, perhaps mirrored, in other light."""
        rng = self.rng
        source = self.yard if rng.random() < self.yards else self.photographs[rng.integers(len(self.photographs))]
        part = [min(own, int(side * rng.uniform(0.6, 1.3))) for own, side in zip(source.shape[1:], size, strict=True)]
        top, left = (rng.integers(own - side + 1) for own, side in zip(source.shape[1:], part, strict=True))
        window = resize_to(source[:, top : top + part[0], left : left + part[1]], size)
        window = window.flip(2) if rng.random() < 0.5 else window
        return window * rng.uniform(0.7, 1.2) + rng.uniform(-15, 15)

    def changed(self, person: CutOut) -> CutOut:
        """Larger or smaller, a little narrower or wider, perhaps mirrored, in other colours."""
        rng = self.rng
        height = np.exp(rng.uniform(*np.log(self.heights)))
        scale = float(np.clip(height / float(person.box[3] - person.box[1]), 0.55, 2.4))
        high, wide = person.alpha.shape[1:]
        size = round(high * scale), round(wide * scale * rng.uniform(0.9, 1.1))
        image, alpha = resize_to(person.image, size), resize_to(person.alpha, size)
        box = person.box * torch.tensor([size[1] / wide, size[0] / high]).repeat(2)
        if rng.random() < 0.5:
            image, alpha = image.flip(2), alpha.flip(2)
            box = torch.stack([size[1] - box[2], box[1], size[1] - box[0], box[3]])
        gains = torch.tensor(rng.uniform(0.7, 1.3) * rng.uniform(0.7, 1.3, (3, 1, 1)), dtype=torch.float32)
        image = (gains * image + rng.uniform(-10, 40)).clamp(0, 255)
        return CutOut(image[rng.permutation(3)] if rng.random() < 0.3 else image, alpha, box)

    def place(self, person: CutOut, boxes: Float[Tensor, "n 4"], size: tuple[int, int]) -> tuple[int, int]:
        """Left and top of a pasted person: anywhere, perhaps partly outside; or so that it stands beside another."""
        rng, (high, wide) = self.rng, person.alpha.shape[1:]
        if len(boxes) and rng.random() < self.crowding:
            x1, _, x2, bottom = boxes[rng.integers(len(boxes))].tolist()
            left, top = int(x1 + rng.uniform(-0.9, 0.9) * (x2 - x1)), int(bottom + rng.uniform(-12, 12) - high)
        else:
            left, top = rng.integers(-wide // 3, size[1] - wide // 2), rng.integers(-high // 3, size[0] - high // 2)
        return int(np.clip(left, 2 - wide, size[1] - 2)), int(np.clip(top, 2 - high, size[0] - 2))

    def hide(self, image: Picture, owner: Int64[Tensor, "height width"], box: Float[Tensor, "4"]) -> None:
        """Cover a part of a person with a patch of background, as posts, signs and cars do."""
        rng, (left, top, right, bottom) = self.rng, box.tolist()
        high, wide = int((bottom - top) * rng.uniform(0.2, 0.6)), int((right - left) * rng.uniform(0.2, 1.2))
        corner = int(top + rng.uniform(-0.2, 0.8) * (bottom - top)), int(left + rng.uniform(-0.3, 0.9) * (right - left))
        rows, columns, inner = overlap((high, wide), corner, owner.shape)
        patch = self.background((max(1, high), max(1, wide)))
        image[:, rows, columns] = patch[:, *inner]
        owner[rows, columns] = -1


def paste_people(train: BoxedImages, count: int, seed: int) -> BoxedImages:
    """The frames of a film whose camera stands still, and so many that are composed of its people.

    Half of these show the yard, half the carried photographs to train on (none of which has people in it). Where nobody
    could be cut out, the frames alone.
    """
    yard = empty_yard(train.images, train.targets)
    people = cut_out(train.images, train.targets, yard)
    if not people:
        return train
    backgrounds = [as_picture(photograph.image) for photograph in photographs().train]
    pasted = PastedPeople(people, as_picture(yard), backgrounds, rng=np.random.default_rng(seed))
    new = pasted.compose(count, train.images.shape[1:3])
    plain = tuple({key: target[key] for key in ("boxes", "labels")} for target in train.targets)
    return BoxedImages(np.concatenate([train.images, new.images]), plain + new.targets, train.classes)


def as_picture(image: UInt8[np.ndarray, "height width 3"]) -> Picture:
    """Colours first, as float numbers from 0 to 255."""
    return torch.tensor(image).permute(2, 0, 1).float()


def resize_to(image: Float[Tensor, "c height width"], size: tuple[int, int]) -> Float[Tensor, "c rows columns"]:
    """The image at this size (height, width)."""
    return interpolate(image[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]


def overlap(
    shape: Sequence[int], corner: tuple[int, int], size: Sequence[int]
) -> tuple[slice, slice, tuple[slice, slice]]:
    """Rows and columns of an image that a patch with this upper left corner covers, and those of the patch itself."""
    start = [max(0, place) for place in corner]
    ends = [min(whole, place + side) for place, side, whole in zip(corner, shape, size, strict=True)]
    end = [max(pair) for pair in zip(start, ends, strict=True)]
    inner = tuple(slice(first - place, last - place) for first, last, place in zip(start, end, corner, strict=True))
    return slice(start[0], end[0]), slice(start[1], end[1]), inner

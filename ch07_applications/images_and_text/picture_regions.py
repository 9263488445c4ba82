"""Regions of a picture as a detector would propose them: some contain an object, some do not, the last is all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Shaped, UInt8
from torch import Tensor
from torchvision.ops import box_iou, roi_align

from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes
from common.errors import Problem

REGIONS, SIDE = 7, 32  # per picture; pixels of a region's crop along a side
TRIES, APART = 40, 0.3  # random boxes tried; the largest IoU of a stray box with any object
SIDES = (20, 60)  # pixels of 128, of stray boxes
AROUND = 1.1  # a crop's side, as a multiple of its box's longer side


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of n pictures.

    boxes: xyxy in pixels. objects: the index of the region's object, −1 for stray boxes and the whole. crops: each
    region, resized; or its features. places: centre, width and height as shares of the picture.
    """

    boxes: Float32[np.ndarray, "n regions 4"]
    objects: Int64[np.ndarray, "n regions"]
    crops: Shaped[Tensor, "n regions *looks"]
    places: Float[Tensor, "n regions 4"]

    def __len__(self) -> int:
        return len(self.boxes)


def propose_regions(part: CaptionedScenes, seed: int, side: int = SIDE, regions: int = REGIONS) -> Regions:
    """The boxes of a scene's objects and stray boxes in random order, and then the whole picture.

    regions: their number per picture. Raises Problem if scenes have no boxes to propose.
    """
    if len(part) == 0 or not (part.labels >= 0).any(axis=1).all():
        raise Problem("a picture without objects has no regions: leave it out")
    rng, (n, most), length = np.random.default_rng(seed), part.labels.shape, part.images.shape[1]
    stray = stray_boxes(part.boxes, regions - 1, length, rng)
    there = part.labels >= 0
    boxes = np.concatenate([part.boxes, stray], axis=1)
    numbers = np.concatenate([np.where(there, np.arange(most), -1), np.full(stray.shape[:2], -1)], axis=1)
    keys = np.where(np.concatenate([there, np.zeros(stray.shape[:2], bool)], axis=1), 0, 1)
    keys[:, :most] += 2 * ~there  # missing objects are never chosen
    taken = keys.argsort(axis=1, kind="stable")[:, : regions - 1]
    taken = np.take_along_axis(taken, rng.random(taken.shape).argsort(axis=1), axis=1)
    whole = np.broadcast_to(np.float32([0, 0, length, length]), (n, 1, 4))
    boxes = np.concatenate([np.take_along_axis(boxes, taken[..., None], axis=1), whole], axis=1)
    objects = np.concatenate([np.take_along_axis(numbers, taken, axis=1), np.full((n, 1), -1)], axis=1)
    return Regions(boxes, objects, crops_of(part.images, boxes, side), places_of(boxes, length))


def stray_boxes(
    boxes: Float32[np.ndarray, "n most 4"], count: int, length: int, rng: np.random.Generator
) -> Float32[np.ndarray, "n {count} 4"]:
    """Random boxes without an object in pictures of this side: the first of TRIES that are APART from all."""
    n = len(boxes)
    sides = rng.uniform(*SIDES, (n, TRIES, 2)) * length / 128
    corners = rng.random((n, TRIES, 2)) * (length - sides)
    tried = np.concatenate([corners, corners + sides], axis=2).astype(np.float32)
    pairs = zip(tried, boxes, strict=True)
    overlaps = np.stack([box_iou(torch.tensor(some), torch.tensor(own)).numpy().max(axis=1) for some, own in pairs])
    first = (overlaps > APART).argsort(axis=1, kind="stable")[:, :count]
    return np.take_along_axis(tried, first[..., None], axis=1)


def crops_of(
    images: UInt8[np.ndarray, "n height width 3"], boxes: Float32[np.ndarray, "n regions 4"], side: int
) -> UInt8[Tensor, "n regions 3 {side} {side}"]:
    """A square around each box, bilinearly sampled; black where it reaches beyond the picture."""
    middle, longer = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]).max(axis=2)
    half = np.minimum(longer * AROUND, images.shape[1])[..., None] / 2
    squares = torch.from_numpy(np.concatenate([middle - half, middle + half], axis=2).astype(np.float32))
    found = []
    for at in range(0, len(images), 64):
        pixels = torch.from_numpy(images[at : at + 64].transpose(0, 3, 1, 2).astype(np.float32))
        crops = roi_align(pixels, list(squares[at : at + 64]), side, sampling_ratio=2, aligned=True)
        found.append(crops.round().clamp(0, 255).byte().unflatten(0, (len(pixels), -1)))
    return torch.cat(found)


def places_of(boxes: Float32[np.ndarray, "n regions 4"], length: int) -> Float[Tensor, "n regions 4"]:
    """Centre, width and height of boxes as shares of the picture's side."""
    scaled = torch.from_numpy(boxes / np.float32(length))
    return torch.cat([(scaled[..., :2] + scaled[..., 2:]) / 2, scaled[..., 2:] - scaled[..., :2]], dim=2)


@dataclass(frozen=True, eq=False)
class RegionedScenes:
    """Scenes with their regions. captions: the first of each scene, which is used for scoring."""

    part: CaptionedScenes
    regions: Regions

    @classmethod
    def of(cls, part: CaptionedScenes, seed: int, **settings: int) -> RegionedScenes:
        """Propose regions of these scenes. settings: of propose_regions."""
        return cls(part, propose_regions(part, seed, **settings))

    def __len__(self) -> int:
        return len(self.part)

    @property
    def captions(self) -> tuple[Caption, ...]:
        return tuple(captions[0] for captions in self.part.captions)

    def first(self, n: int) -> RegionedScenes:
        """The first n scenes."""
        arrays = (value[:n] for value in vars(self.regions).values())
        return RegionedScenes(self.part.take(slice(n)), Regions(*arrays))

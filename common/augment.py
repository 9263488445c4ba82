"""Augmentation: the same image, a little elsewhere, turned, mirrored or hidden in part, is the same.

A whole batch is changed at once, on the device that trains, before every step. An augmentation is called with images
and a generator, and returns new images of the same shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Stack = Float[Tensor, "batch channels height width"]


def uniform(limit: float, shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Numbers between −limit and limit."""
    return (2 * torch.rand(shape, generator=generator) - 1) * limit


def in_other_light(images: Stack, limit: float, generator: torch.Generator) -> Stack:
    """Each image with another contrast and brightness per colour: a gain of 1 ± limit and a shift of ± limit.

    images: standardised, so that a shift of 1 is a standard deviation.
    """
    gain, shift = (uniform(limit, (*images.shape[:2], 1, 1), generator) for _ in range(2))
    return (images * (1 + gain) + shift).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Poses:
    """Random affine poses: shifts up to so many pixels, turns and shears up to so many degrees, sizes up to a share.

    One bilinear sampling does it all. What comes in from outside is the image's own border, repeated.
    """

    shift: float = 0.0
    angle: float = 0.0
    scale: float = 0.0
    shear: float = 0.0

    def __call__(self, images: Stack, generator: torch.Generator) -> Stack:
        n, _, height, width = images.shape
        turn, slant = (uniform(math.radians(limit), (n,), generator) for limit in (self.angle, self.shear))
        size, slant = torch.exp(uniform(math.log1p(self.scale), (2, n), generator)), torch.tan(slant)
        # Rows of the matrix that takes a place of the new image to its place in the old one; [-1, 1] spans the image.
        cos, sin, aspect = turn.cos(), turn.sin(), height / width
        right, down = (uniform(2 * self.shift / length, (n,), generator) for length in (width, height))
        x = torch.stack([size[0] * cos, size[0] * (slant * cos - sin) * aspect, right], 1)
        y = torch.stack([size[1] * sin / aspect, size[1] * (slant * sin + cos), down], 1)
        grid = functional.affine_grid(torch.stack([x, y], 1).to(images), list(images.shape), align_corners=False)
        moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return moved.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Crops:
    """The image shifted by whole pixels, up to `shift`, its border mirrored; left and right swapped, if `mirror`."""

    shift: int = 4
    mirror: bool = True

    def __call__(self, images: Stack, generator: torch.Generator) -> Stack:
        n, _, height, width = images.shape
        padded = functional.pad(images, (self.shift,) * 4, mode="reflect")
        down, right = torch.randint(2 * self.shift + 1, (2, n, 1), generator=generator)
        rows, columns = down + torch.arange(height), right + torch.arange(width)
        if self.mirror:
            swapped = torch.rand((n, 1), generator=generator) < 0.5
            columns = torch.where(swapped, columns.flip(1), columns)
        item = torch.arange(n)[:, None, None].to(images.device)
        rows, columns = rows[:, :, None].to(images.device), columns[:, None, :].to(images.device)
        # Indexing with channels last moves whole pixels, and leaves them in the order that convolutions like.
        return padded.permute(0, 2, 3, 1)[item, rows, columns].permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Cutout:
    """A square of `side` pixels hidden, at a random place (DeVries & Taylor 2017): the mean, 0, stands in its place."""

    side: int = 8

    def __call__(self, images: Stack, generator: torch.Generator) -> Stack:
        n, _, height, width = images.shape
        row = torch.randint(height, (n, 1), generator=generator) - torch.arange(height)
        column = torch.randint(width, (n, 1), generator=generator) - torch.arange(width)
        low, high = -(self.side // 2), (self.side - 1) // 2
        hidden = ((row >= low) & (row <= high))[:, :, None] & ((column >= low) & (column <= high))[:, None, :]
        return images.masked_fill(hidden[:, None].to(images.device), 0.0)


@dataclass(frozen=True)
class InTurn:
    """One augmentation after the other."""

    steps: tuple

    def __call__(self, images: Stack, generator: torch.Generator) -> Stack:
        for step in self.steps:
            images = step(images, generator)
        return images

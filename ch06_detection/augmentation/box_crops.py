"""Crops of images with their boxes: a detector sees objects larger, smaller, truncated, mirrored and in other light.

Method     Liu et al. 2016 (SSD), §2.2, data augmentation, and §3.6: the whole of each image or a random part, which
           overlaps some object by at least 0.1 … 0.9; sometimes the image is first placed on a larger canvas.
           Colours: brightness, contrast, saturation and hue (Howard 2013).
Differs    Parts are at least 0.3 of the image's size, as in the authors' program; §2.2 states 0.1. The canvas is at
           most twice as high and wide, not four times, because scenes are small. Zooming out and cropping are one
           bilinear sampling of the batch; hue is rotated about the grey axis, so that one matrix per image does all
           colour changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from ch06_detection.boxes import iou_of_pairs
from common.data.boxed import Target
from common.data.checked_inputs import precise

Stack = Float[Tensor, "batch channels height width"]
WHOLE, ANY = 2.0, 0.0  # thresholds of the overlap: no part meets the first, every part the second
DEMANDS = (WHOLE, ANY, 0.1, 0.3, 0.5, 0.7, 0.9)
TRIES = 24  # parts tried per image; if none qualifies, the image stays whole
LIGHT = 0.2  # the largest change of colours by change_light
NARROWEST = 2.0  # pixels: smaller rests of an object are ignored


def uniform_between(
    low: float | Tensor, high: float | Tensor, shape: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    """Uniform random numbers."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def random_parts(
    canvas: Float[Tensor, "batch 4"], tries: int, smallest: float, generator: torch.Generator
) -> Float[Tensor, "batch tries 4"]:
    """Windows within each canvas: of size smallest … 1 relative to it, with aspect ratios up to 1 : 2. §2.2."""
    shape = len(canvas), tries
    size = uniform_between(smallest, 1.0, shape, generator)
    widest = torch.minimum(torch.tensor(2.0).log(), -2 * size.log())  # log of the ratio; a wider one would not fit
    root = torch.exp(uniform_between(-widest, widest, shape, generator) / 2)
    share = torch.stack([size * root, size / root], dim=-1).clamp(max=1)
    corner = torch.rand((*shape, 2), generator=generator) * (1 - share)
    start, extent = canvas[:, None, :2], (canvas[:, 2:] - canvas[:, :2])[:, None]
    return torch.cat([start + corner * extent, start + (corner + share) * extent], dim=-1)


def centres_within(
    boxes: Float[Tensor, "batch m 4"], windows: Float[Tensor, "batch tries 4"]
) -> Bool[Tensor, "batch tries m"]:
    """Whether the centre of a box lies in a window."""
    centres = ((boxes[..., :2] + boxes[..., 2:]) / 2)[:, None]
    return ((centres > windows[:, :, None, :2]) & (centres < windows[:, :, None, 2:])).all(dim=-1)


def sample_windows(
    images: Stack, windows: Float[Tensor, "batch 4"], size: tuple[int, int] | None = None
) -> Float[Tensor, "batch channels rows columns"]:
    """Each image's window, resized bilinearly; a window with x1 > x2 is mirrored.

    size: (rows, columns); None: the images' own. Outside the image all is 0.
    """
    extent = images.shape[2:]
    across, down = (
        torch.lerp(windows[:, k, None], windows[:, k + 2, None], (torch.arange(n) + 0.5) / n) * 2 / own - 1
        for k, (n, own) in enumerate(zip((size or extent)[::-1], extent[::-1], strict=True))
    )  # source places of the centres of columns and rows; the image reaches from −1 to 1
    grid = torch.stack(torch.broadcast_tensors(across[:, None], down[:, :, None]), dim=-1)
    return functional.grid_sample(images, grid.to(images), align_corners=False)


@dataclass(frozen=True)
class Colours:
    """Random light for each image: each of four changes applies to half of the images. Howard 2013.

    brightness: the most that is added, in standard deviations. contrast, saturation: a factor's largest distance from
    1. hue: the largest rotation in degrees.
    """

    brightness: float = 0.5
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 36.0

    def __call__(self, images: Stack, generator: torch.Generator) -> Stack:
        n = len(images)
        change = uniform_between(-1.0, 1.0, (4, n), generator) * (torch.rand((4, n), generator=generator) < 0.5)
        limits = torch.tensor([self.brightness, self.contrast, self.saturation, math.radians(self.hue)])
        brightness, contrast, saturation, angle = (change * limits[:, None])[..., None, None]
        grey, same = torch.full((3, 3), 1 / 3), torch.eye(3)
        across = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
        turn = angle.cos() * same + (1 - angle.cos()) * grey + angle.sin() * across  # about the grey axis: Rodrigues
        matrix = (1 + contrast) * ((1 + saturation) * same - saturation * grey) @ turn
        return (matrix.to(images) @ images.flatten(2) + brightness.to(images)).reshape(images.shape)


def change_light(images: Stack, generator: torch.Generator) -> Stack:
    """A gain and a shift for each colour of each image: faster than Colours, and coarser."""
    gain, shift = (2 * torch.rand(2, len(images), 3, 1, 1, generator=generator) - 1) * LIGHT
    return (images * (1 + gain) + shift).contiguous(memory_format=torch.channels_last)


def mirror_boxes(boxes: Real[Tensor, "*n 4"], width: int) -> Float[Tensor, "*n 4"]:
    """The boxes in the mirror image of an image of this width."""
    x1, y1, x2, y2 = precise(boxes).unbind(dim=-1)
    return torch.stack([width - x2, y1, width - x1, y2], dim=-1)


@dataclass(frozen=True)
class BoxCrops:
    """Randomly zooms out, crops and mirrors images with mean 0, together with their boxes. §2.2, §3.6.

    demands: thresholds of the part's IoU with the object it overlaps most; one is drawn for each image. smallest: size
    of a part, as a share. zoom_out: the largest factor of the canvas's height and width, and its probability.
    """

    demands: tuple[float, ...] = DEMANDS
    smallest: float = 0.3
    zoom_out: float = 2.0
    zoom_chance: float = 0.5
    mirror: bool = True
    colours: Colours | None = Colours()

    def windows(
        self,
        boxes: Float[Tensor, "batch m 4"],
        there: Bool[Tensor, "batch m"],
        size: tuple[int, int],
        generator: torch.Generator,
    ) -> Float[Tensor, "batch 4"]:
        """The part of each image, xyxy in its pixels, that replaces the image."""
        n, (height, width) = len(boxes), size
        extent = torch.tensor([float(width), float(height)])
        ratio = uniform_between(1.0, self.zoom_out, (n, 1), generator)
        ratio = ratio.where(torch.rand((n, 1), generator=generator) < self.zoom_chance, 1.0)
        start = -torch.rand((n, 2), generator=generator) * (ratio - 1) * extent
        canvas = torch.cat([start, start + ratio * extent], dim=1)

        demand = torch.tensor(self.demands)[torch.randint(len(self.demands), (n,), generator=generator)]
        parts = random_parts(canvas, TRIES, self.smallest, generator)
        meets = (iou_of_pairs(parts[:, :, None], boxes[:, None]) >= demand[:, None, None]) & there[:, None]
        keeps = centres_within(boxes, parts) & there[:, None]
        none = ~there.any(dim=1)[:, None] & (demand[:, None] < WHOLE)
        good = (meets.any(dim=2) & keeps.any(dim=2)) | none
        first = good.int().argmax(dim=1)
        return torch.where(good.any(dim=1)[:, None], parts[torch.arange(n), first], canvas)

    def __call__(
        self, images: Stack, targets: Sequence[Target], generator: torch.Generator
    ) -> tuple[Stack, list[Target]]:
        """New images of the same shape, and their objects: those whose centre is inside, clipped."""
        height, width = images.shape[2:]
        if self.colours:
            images = self.colours(images, generator)
        boxes = precise(pad_sequence([target["boxes"] for target in targets], batch_first=True).cpu())
        counts = torch.tensor([len(target["boxes"]) for target in targets])
        there = torch.arange(boxes.shape[1]) < counts[:, None]
        windows = self.windows(boxes, there, (height, width), generator)
        there &= centres_within(boxes, windows[:, None])[:, 0]

        low, size = windows[:, None, :2], (windows[:, 2:] - windows[:, :2])[:, None]
        limits = torch.tensor([float(width), float(height)])
        boxes = torch.cat([(boxes[..., :2] - low) / size, (boxes[..., 2:] - low) / size], dim=-1).clamp(0, 1)
        boxes = boxes * limits.repeat(2)
        if self.mirror:
            turned = torch.rand(len(boxes), generator=generator) < 0.5
            boxes = torch.where(turned[:, None, None], mirror_boxes(boxes, width), boxes)
            windows = torch.where(turned[:, None], windows[:, [2, 1, 0, 3]], windows)
        there &= (boxes[..., 2:] - boxes[..., :2] >= NARROWEST).all(dim=-1)

        labels = pad_sequence([target["labels"] for target in targets], batch_first=True).cpu()
        left = there.sum(dim=1).tolist()
        pairs = zip(boxes[there].split(left), labels[there].split(left), strict=True)
        found = [{"boxes": kept.to(images.device), "labels": own.to(images.device)} for kept, own in pairs]
        return sample_windows(images, windows), found

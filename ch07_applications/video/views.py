"""Views of a picture: a square of it, around a person or at random, and the map of its points into the picture.

A view is an affine map from points of the view to points of the picture: p = A q + t, as a matrix (A | t) of 2 × 3.
Points are those of films.py: the centre of pixel (row i, column j) is (j + ½, i + ½), both in views and in pictures. So
a view of twice the size has points at twice the coordinates, and a mirrored view has x at size − x, not at size − 1 −
x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor
from torch.nn.functional import grid_sample

from ch07_applications.video.posed_people import MIRRORED

SIZE = 64  # pixels of a view's side
REACH = 1.25  # a view's side, as a multiple of the longer side of the person's box
TURN, ZOOM, MOVE = 0.3, 0.2, 0.06  # of random views: radians, a logarithm, and a share of the side
WHOLE, TINT = 0.3, 0.3  # the share of whole pictures in a batch; the largest share of a colour change
Views = Float[Tensor, "items 2 3"]


def whole_pictures(count: int, side: int, size: int = SIZE) -> Views:
    """`count` views of the whole picture."""
    return square_views(torch.full((count, 2), side / 2), torch.full((count,), float(side)), size)


def around_boxes(boxes: Float32[np.ndarray, "items 4"], side: int, size: int = SIZE) -> Views:
    """Squares around boxes (xyxy, pixels), which may reach beyond the picture. For an empty box: the whole picture."""
    corners = torch.tensor(boxes)
    edges = (corners[:, 2:] - corners[:, :2]).amax(dim=1)
    squares = square_views((corners[:, :2] + corners[:, 2:]) / 2, REACH * edges, size)
    return torch.where((edges > 0)[:, None, None], squares, whole_pictures(len(boxes), side, size))


def square_views(centres: Float[Tensor, "items 2"], edges: Float[Tensor, "items"], size: int = SIZE) -> Views:
    """Views of upright squares of the picture."""
    scale = torch.eye(2) * (edges / size)[:, None, None]
    return torch.cat([scale, (centres - edges[:, None] / 2)[:, :, None]], dim=2)


def disturbed(views: Views, generator: torch.Generator, size: int = SIZE) -> tuple[Views, Bool[Tensor, "items"]]:
    """Rotate, zoom, shift and, half of the time, mirror views about their centres; and which ones are mirrored."""
    draws = 2 * torch.rand(5, len(views), generator=generator) - 1
    angle, scale, left = TURN * draws[0], torch.exp(ZOOM * draws[1]), draws[2] < 0
    sign = torch.where(left, -1.0, 1.0)
    rows = [scale * angle.cos() * sign, -scale * angle.sin(), scale * angle.sin() * sign, scale * angle.cos()]
    change = torch.stack(rows, dim=1).reshape(-1, 2, 2)
    centre = torch.full((2,), size / 2)
    start = centre + MOVE * size * draws[3:].T - change @ centre
    inner = torch.cat([change, start[:, :, None]], dim=2)  # from the new view's points to the old one's
    return composed(views, inner), left


def composed(outer: Views, inner: Views) -> Views:
    """The composition of two maps: the inner one first, then the outer one."""
    turned = outer[:, :, :2] @ inner
    turned[:, :, 2] += outer[:, :, 2]
    return turned


def into_pictures(points: Float[Tensor, "items n 2"], views: Views) -> Float[Tensor, "items n 2"]:
    """Convert points of views to points of their pictures."""
    return points @ views[:, :, :2].mT + views[:, None, :, 2]


def into_views(points: Float[Tensor, "items n 2"], views: Views) -> Float[Tensor, "items n 2"]:
    """Convert points of pictures to points of their views, the inverse of into_pictures."""
    return torch.linalg.solve(views[:, :, :2], (points - views[:, None, :, 2]).mT).mT


def cut(images: UInt8[Tensor, "items side side 3"], views: Views, size: int = SIZE) -> Float[Tensor, "items 3 _ _"]:
    """The views' pixels by bilinear interpolation, from 0 to 1; beyond the border, its pixels are repeated."""
    side, middles = images.shape[1], torch.arange(size) + 0.5
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    points = into_pictures(torch.stack([x, y], dim=-1).reshape(1, -1, 2).expand(len(views), -1, -1), views)
    grid = (2 * points / side - 1).reshape(len(views), size, size, 2)  # where −1 and 1 are the outer edges of pixels
    pixels = images.permute(0, 3, 1, 2).float() / 255
    return grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def bytes_of(views: Float[Tensor, "items 3 size size"]) -> UInt8[np.ndarray, "items size size 3"]:
    """Convert pictures in 0 … 1 to grey levels in 0 … 255."""
    return (255 * views).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


@dataclass
class RandomViews:
    """Random views of people, as common.train.Batches, with their joints in pixels of the view, and which are in it.

    seen: the joints within the picture. boxes: views around the boxes; some are replaced by the whole picture. In a
    mirror image, a person's left and right are exchanged.
    """

    images: UInt8[Tensor, "items side side 3"]
    joints: Float[Tensor, "items 14 2"]
    seen: Bool[Tensor, "items 14"]
    boxes: Views

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        whole = torch.rand(len(index), generator=generator) < WHOLE
        pictures = whole_pictures(len(index), self.images.shape[1])
        views, left = disturbed(torch.where(whole[:, None, None], pictures, self.boxes[index]), generator)
        tint = 1 + TINT * (2 * torch.rand(len(index), 3, 1, 1, generator=generator) - 1)
        points, seen = into_views(self.joints[index], views), self.seen[index]
        points = torch.where(left[:, None, None], points[:, MIRRORED], points)
        seen = torch.where(left[:, None], seen[:, MIRRORED], seen) & ((points >= 0) & (points < SIZE)).all(dim=2)
        return cut(self.images[index], views) * tint - 0.5, points, seen

"""The rivals of proposals: a grid of windows, and random boxes, both with the shapes of training objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from common.data.boxed import Target

SIZES = (0.1, 0.3, 0.5, 0.7, 0.9)  # quantiles of √(width × height)
RATIOS = (0.15, 0.5, 0.85)  # quantiles of width / height


def measure_shapes(targets: Sequence[Target]) -> Float[Tensor, "n 2"]:
    """Width and height of every object."""
    boxes = torch.cat([target["boxes"] for target in targets])
    return boxes[:, 2:] - boxes[:, :2]


def window_grid(shapes: Float[Tensor, "n 2"], stride: float, size: tuple[int, int]) -> Float[Tensor, "m 4"]:
    """Windows of 15 shapes, evenly over a picture (height, width): 5 quantiles of the sizes, 3 of width / height.

    stride: the step between windows, in sides of the window.
    """
    sides = torch.quantile(shapes.prod(dim=1).sqrt(), torch.tensor(SIZES))
    ratios = torch.quantile(shapes[:, 0] / shapes[:, 1], torch.tensor(RATIOS))
    rows = []
    for w, h in torch.stack([sides[:, None] * ratios.sqrt(), sides[:, None] / ratios.sqrt()], dim=2).flatten(0, 1):
        x, y = (
            torch.linspace(0, float(free), int(torch.ceil(free / (stride * side))) + 1)
            for free, side in ((size[1] - w, w), (size[0] - h, h))
        )
        corners = torch.cartesian_prod(x, y)
        rows.append(torch.cat([corners, corners + torch.stack([w, h])], dim=1))
    return torch.cat(rows)


def random_boxes(
    shapes: Float[Tensor, "n 2"], count: int, size: tuple[int, int], rng: np.random.Generator
) -> Float[Tensor, "count 4"]:
    """Boxes of the shapes of random objects at random places in a picture (height, width)."""
    chosen = shapes[rng.integers(len(shapes), size=count)]
    corners = torch.tensor(rng.random((count, 2)), dtype=torch.float32) * (torch.tensor(size[::-1]) - chosen)
    return torch.cat([corners, corners + chosen], dim=1)

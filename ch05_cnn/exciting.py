"""The images that excite a unit most, what comes down from it there, and the patch that it sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from ch05_cnn.projection import project, receptive_field
from common import data, plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS, TOPS = 4, 3  # shown of each layer; images of each
CHUNK = 50  # images at a time: memory is bounded
PHOTOS = (
    "astronaut", "brick", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel", "immunohistochemistry",
    "motorcycle", "page", "rocket", "text",
)  # fmt: skip

Stack = Float[Tensor, "n channels side side"]
Tiles = Float[np.ndarray, "units tops height width 3"]


def photo_crops(side: int = 128) -> UInt8[np.ndarray, "n side side 3"]:
    """Squares that tile the photos, and the photos at half their size."""
    crops = []
    for name in PHOTOS:
        photo = data.photo(name)
        photo = np.repeat(photo[..., None], 3, axis=2) if photo.ndim == 2 else photo
        height, width = (length // 2 * 2 for length in photo.shape[:2])
        half = photo[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
        for image in (photo, half):
            rows, columns = image.shape[0] // side, image.shape[1] // side
            grid = image[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
            crops.append(grid.swapaxes(1, 2).reshape(-1, side, side, 3))
    return np.concatenate(crops)


@torch.inference_mode()
def most_exciting(layers: nn.Module, images: Stack, rng: np.random.Generator) -> Int[Tensor, "units columns"]:
    """A row for each of UNITS: the unit, and the TOPS images that excite it most.

    Units are drawn from the choosiest quarter: their best images excite them by much more than most do. Of large maps
    those that are most excited at the border are left out: they tell padding from picture.
    """
    peaks, inner = [], []
    for chunk in images.split(CHUNK):
        maps = layers(chunk)
        peaks.append(maps.amax(dim=(2, 3)))
        inner.append(maps[:, :, 1:-1, 1:-1].amax(dim=(2, 3)) if maps.shape[3] > 3 else peaks[-1])
    peaks, inner = torch.cat(peaks), torch.cat(inner)
    best = peaks.topk(TOPS, dim=0)
    at_border = (peaks > inner).gather(0, best.indices).any(dim=0)
    choosy = (best.values[-1] - peaks.mean(dim=0)).masked_fill(at_border, -1.0).argsort(descending=True)
    units = rng.permutation(choosy[: max(UNITS, int((~at_border).sum()) // 4)].numpy())[:UNITS]
    return torch.cat([torch.tensor(units)[:, None], best.indices[:, units].T], dim=1)


def tiles(
    layers: nn.Module,
    images: Stack,
    pictures: Float[np.ndarray, "n side side 3"],
    chosen: Int[Tensor, "units columns"],
    ways: dict[str, Callable],
) -> dict[str, Tiles]:
    """For every way down what arrives, and as "seen" the patch of the picture in the unit's field.

    chosen: as most_exciting gives them. What lies beyond the border of the picture is grey, and so is a signal of 0.
    """
    items, units = chosen[:, 1:].flatten(), chosen[:, 0].repeat_interleave(chosen.shape[1] - 1)
    side, (size, step, start) = images.shape[2], receptive_field(layers)
    if size >= side:
        size, step, start = side, 0, 0
    found = {}
    for name, rule in ways.items():
        signal, places = project(layers, images[items], units, rule)
        found[name] = signal.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
    corners = (size + start + step * places).tolist()
    for name, stack in {**found, "seen": pictures[items.numpy()] - 0.5}.items():
        padded = np.pad(stack, ((0, 0), (size, size), (size, size), (0, 0)))
        crops = np.stack([one[r : r + size, c : c + size] for one, (r, c) in zip(padded, corners, strict=True)])
        if name != "seen":  # a few pixels may run away from all others: they are clipped
            crops = 0.5 * crops / np.quantile(np.abs(crops), 0.99, axis=(1, 2, 3), keepdims=True).clip(1e-9)
        found[name] = (0.5 + crops).clip(0, 1).reshape(len(chosen), -1, size, size, 3)
    return found


def in_grid(found: Float[np.ndarray, "rows columns height width 3"]) -> Float[np.ndarray, "height2 width2 3"]:
    """One picture of rows × columns tiles, with white between them."""
    gap = max(1, found.shape[2] // 14)
    framed = np.pad(found, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=1.0)
    rows, columns, height, width, _ = framed.shape
    return framed.swapaxes(1, 2).reshape(rows * height, columns * width, 3)[:-gap, :-gap]


def draw_filters(sets: dict[str, Float[Tensor, "filters channels side side"]]) -> Figure:
    """Sets of filters in four rows, each filter from its most negative to its most positive weight, grey being 0."""
    figure, axes = plots.panels(len(sets), width=3.6, height=2.2, squeeze=False)
    for axis, (title, filters) in zip(axes[0], sets.items(), strict=True):
        scaled = 0.5 + 0.5 * filters / filters.abs().amax(dim=(1, 2, 3), keepdim=True)
        picture = scaled.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
        axis.imshow(in_grid(picture.reshape(4, -1, *picture.shape[1:])), interpolation="nearest")
        axis.set(title=title)
        axis.set_axis_off()
    return figure


def draw_units(shown: dict[str, dict[str, Tiles]], width: float = 1.9) -> Figure:
    """A column for each layer: on top what comes down from its units, one way after the other, below what they saw.

    width: of a layer, in inches.
    """
    ways = list(next(iter(shown.values())))
    units, tops = next(iter(shown.values()))["seen"].shape[:2]
    size = {"width": width, "height": 0.25 + (width - 0.1) * units / tops}
    figure, axes = plots.panels(len(shown), len(ways), **size, squeeze=False)
    for column, (name, kinds) in zip(axes.T, shown.items(), strict=True):
        for axis, (way, found) in zip(column, kinds.items(), strict=True):
            side = found.shape[2]
            axis.imshow(in_grid(found), interpolation="nearest" if side < 40 else "antialiased")
            axis.set_title(f"seen: {side}×{side}" if way == "seen" else f"{name}: {way}", fontsize=8.5)
            axis.set_axis_off()
    return figure

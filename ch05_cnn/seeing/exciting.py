"""The images that excite a unit most, and the tiles of picture and projection in its receptive field."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from ch05_cnn.seeing.units import Stack, receptive_field
from common import data

UNITS, TOPS = 4, 3  # shown per layer; images per unit
CHUNK = 50  # images at a time: memory is bounded
PHOTOS = (
    "astronaut", "brick", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel", "immunohistochemistry",
    "motorcycle", "page", "rocket", "text",
)  # fmt: skip

Tiles = Float[np.ndarray, "units tops patch patch 3"]


def photo_crops(side: int = 128) -> UInt8[np.ndarray, "n side side 3"]:
    """Square tiles of the photos, and of the photos at half their size."""
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
def find_most_exciting(layers: nn.Module, images: Stack, rng: np.random.Generator) -> Int[Tensor, "units columns"]:
    """A row for each of UNITS: the unit, and the TOPS images that excite it most.

    Units are drawn from the most selective quarter: their best images excite them far more than most images do. In
    large maps, units most excited at the border are left out, because they respond to the padding.
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


def cut_tiles(
    layers: nn.Module,
    pictures: Float[np.ndarray, "n side side 3"],
    signals: dict[str, Stack],
    places: Int[Tensor, "n 2"],
    rows: int,
) -> dict[str, Tiles]:
    """The unit's receptive field, cut from every projection, and from the picture, as "seen".

    signals: projections of the pictures by rule. places: of the unit in the layer's map. rows: of tiles, one per unit.
    Beyond the picture's border all is grey, and so is a signal of 0.
    """
    side, (size, step, start) = pictures.shape[1], receptive_field(layers)
    if size >= side:
        size, step, start = side, 0, 0
    stacks = {name: signal.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy() for name, signal in signals.items()}
    found, corners = {}, (size + start + step * places).tolist()
    for name, stack in {**stacks, "seen": pictures - 0.5}.items():
        padded = np.pad(stack, ((0, 0), (size, size), (size, size), (0, 0)))
        crops = np.stack([one[r : r + size, c : c + size] for one, (r, c) in zip(padded, corners, strict=True)])
        if name != "seen":  # a few pixels may be far larger than all others: they are clipped
            crops = 0.5 * crops / np.quantile(np.abs(crops), 0.99, axis=(1, 2, 3), keepdims=True).clip(1e-9)
        found[name] = (0.5 + crops).clip(0, 1).reshape(rows, -1, size, size, 3)
    return found


def in_grid(found: Float[np.ndarray, "rows columns height width 3"]) -> Float[np.ndarray, "height2 width2 3"]:
    """One picture of rows × columns tiles, with white between them."""
    gap = max(1, found.shape[2] // 14)
    framed = np.pad(found, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=1.0)
    rows, columns, height, width, _ = framed.shape
    return framed.swapaxes(1, 2).reshape(rows * height, columns * width, 3)[:-gap, :-gap]

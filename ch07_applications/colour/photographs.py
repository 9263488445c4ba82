"""Photographs of any size, coloured by a method that was trained on pictures of 32 × 32 pixels.

A network recognises objects at the size of its training pictures. So lightness is reduced, the method predicts chroma
for the small picture, and the chroma is upsampled and combined with the full-size lightness, which keeps all details.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int64, Real, UInt8
from torch.nn.functional import interpolate

from ch07_applications.colour.drawn_colour import draw_photo
from ch07_applications.colour.lab_pictures import Chroma, Lightness, lab_of, rgb_of
from common.data.photo_pack import Photograph, photographs
from common.errors import Problem
from common.run import Run
from common.tiles import in_tiles

SHORTEST = 32  # pixels of the shorter side for which chroma is predicted; chosen on training photographs
MULTIPLE = 8  # both sides are multiples of it
TILE, REACH = 128, 48  # pixels; above 45, the receptive field's reach
SHOWN = 256  # pixels of the longer side of carried photographs
SMALLEST, LONGEST = 32, 2048  # pixels of a reader's photograph: least shorter side, largest longer side
Picture = UInt8[np.ndarray, "_ _ 3"]
Predict = Callable[[Lightness], Chroma]


def resized(maps: Real[np.ndarray, "height width *channels"], size: tuple[int, int]) -> Float[np.ndarray, "..."]:
    """Resize bilinearly with antialiasing."""
    channels = torch.tensor(np.atleast_3d(maps)).permute(2, 0, 1)[None].float()
    large = interpolate(channels, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    return large.reshape(*size, *maps.shape[2:])


def working_size(size: tuple[int, int], shortest: int = SHORTEST) -> tuple[int, int]:
    """The size at which chroma is predicted: multiples of MULTIPLE, the shorter side near `shortest`.

    Raises ValueError for a picture without pixels.
    """
    if not min(size):
        raise ValueError(f"a picture of {size[0]} × {size[1]} pixels has no colours")
    share = shortest / min(size)
    return tuple(max(2 * MULTIPLE, MULTIPLE * round(length * share / MULTIPLE)) for length in size)


def predict_chroma(
    lightness: Float[np.ndarray, "height width"], predict: Predict, shortest: int = SHORTEST
) -> Float[np.ndarray, "height width 2"]:
    """The chroma of a photograph. predict: of a method, for pictures whose sides are multiples of MULTIPLE."""
    small = resized(lightness, working_size(lightness.shape, shortest))
    return resized(predict(small[None])[0], lightness.shape)


def tiled(predict: Predict) -> Predict:
    """The same prediction for one picture, tile by tile: for receptive fields of at most REACH pixels each way."""

    def work(piece: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width 2"]:
        return predict(piece[None])[0]

    return lambda lightness: in_tiles(work, lightness[0], tile=TILE, overlap=REACH)[None]


def recoloured(picture: Picture, predict: Predict) -> Picture:
    """A photograph with predicted colours; only its lightness is kept."""
    lightness = lab_of(picture[None])[0]
    return rgb_of(lightness, predict_chroma(lightness[0], predict)[None])[0]


def recolour_own(run: Run, methods: Mapping[str, Predict]) -> None:
    """Show the reader's photograph, its grey version and the coloured ones of all methods, with the seconds."""
    height, width = run.photo.shape[:2]
    if min(height, width) < SMALLEST:
        raise Problem(f"--photo has {width}×{height} pixels, colours are predicted from {SMALLEST}×{SMALLEST} on")
    share = min(1.0, LONGEST / max(height, width))
    size = tuple(max(1, round(length * share)) for length in (height, width))
    picture = run.photo if share == 1 else np.rint(resized(run.photo, size)).clip(0, 255).astype(np.uint8)
    lightness, start = lab_of(picture[None])[0], time.perf_counter()
    found = {"your photograph": picture, "its lightness": rgb_of(lightness, np.zeros((*lightness.shape, 2)))[0]}
    for name, predict in methods.items():
        found[name] = recoloured(picture, predict)
    seconds, names = time.perf_counter() - start, " and ".join(methods)
    run.note(f"Your photograph of {size[1]} × {size[0]} pixels, coloured by {names}: {seconds:.1f} s.")
    caption = "Your photograph, its lightness, which is all that methods see of it, and its colours as predicted."
    run.figure("photo", draw_photo, found, caption=caption)


@dataclass(frozen=True, eq=False)
class PhotographPart:
    """Carried photographs, reduced: a part (common.data.parts.Part). Photographs by one photographer are a group."""

    pictures: tuple[Photograph, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def inputs(self) -> list[Picture]:
        """The photographs with SHOWN pixels on the longer side."""
        found = []
        for each in self.pictures:
            share = SHOWN / max(each.image.shape[:2])
            found.append(resized(each.image, tuple(round(share * length) for length in each.image.shape[:2])))
        return [np.rint(each).clip(0, 255).astype(np.uint8) for each in found]

    @property
    def answers(self) -> list[Picture]:
        """The same photographs: their colours are the target."""
        return self.inputs

    @property
    def ids(self) -> Int64[np.ndarray, "n"]:
        return np.arange(len(self))

    @property
    def groups(self) -> Int64[np.ndarray, "n"]:
        return np.unique([each.author for each in self.pictures], return_inverse=True)[1].astype(np.int64)

    def credits(self, most: int) -> str:
        """Who made the first photographs."""
        return f"Photographs: {'; '.join(each.credit for each in self.pictures[:most])}."


def photograph_part(most: int | None = None) -> PhotographPart:
    """The carried test photographs, on which nothing is chosen."""
    return PhotographPart(photographs().test[:most])

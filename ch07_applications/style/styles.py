"""Photographs to restyle, and three styles: a painting, a photograph of a texture, and stained glass drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from PIL import Image
from scipy.spatial import cKDTree

from ch07_applications.style.pixels import Picture
from common.data.photo_pack import Photograph, photographs

TEXTURE = "moss"  # the training photograph used as a style
GLASS = ((196, 30, 42), (24, 66, 148), (240, 180, 30), (20, 120, 84), (110, 40, 130), (224, 232, 240))
PANES, LEAD = 8, 0.016  # along a side; the width of the lead between them, as a share of it


def middle_square(picture: Picture, side: int) -> Picture:
    """The middle of a picture as a square of `side` pixels, by averaging. Raises ValueError for a smaller picture."""
    height, width = picture.shape[:2]
    cut = min(height, width)
    if cut < side:
        raise ValueError(f"a picture of {height} × {width} pixels has no square of {side} × {side}")
    top, left = (height - cut) // 2, (width - cut) // 2
    square = Image.fromarray(np.ascontiguousarray(picture[top : top + cut, left : left + cut]))
    return np.array(square.resize((side, side), Image.Resampling.BOX))


def stained_glass(side: int, seed: int = 0) -> Picture:
    """Panes of six colours between leads: the Voronoi cells of a jittered grid, each with a gradient of light."""
    rng, cells = np.random.default_rng(seed), PANES**2
    points = (
        np.stack(np.unravel_index(np.arange(cells), (PANES, PANES)), axis=1) + rng.uniform(0.1, 0.9, (cells, 2))
    ) / PANES
    colours = np.array(GLASS, float)[rng.integers(len(GLASS), size=cells)]
    places = (np.stack(np.meshgrid(*[np.arange(side)] * 2, indexing="ij"), axis=-1) + 0.5) / side
    distances, nearest = cKDTree(points).query(places, k=2)
    light = 0.75 + 0.5 * rng.random(cells)[nearest[..., 0]] * (1 - distances[..., 0] / distances[..., 1])
    panes = colours[nearest[..., 0]] * light[..., None] + rng.normal(0, 6, (side, side, 1))
    panes[distances[..., 1] - distances[..., 0] < LEAD] = (20, 18, 22)
    return panes.round().clip(0, 255).astype(np.uint8)


def styles(side: int) -> dict[str, Picture]:
    """The styles by name, as squares of `side` pixels."""
    pack = photographs()
    moss = next(each for each in pack.train if each.name == TEXTURE)
    return {
        "painting": middle_square(pack.paintings[0].image, side),
        TEXTURE: middle_square(moss.image, side),
        "stained glass": stained_glass(side),
    }


@dataclass(frozen=True, eq=False)
class Pairs:
    """Photographs with the style that each is to get: a part (common.data.parts.Part) whose items are pairs.

    inputs: the photographs. answers: their styles. names: of the styles. groups: photographs by one photographer form a
    group, because they are not independent items. credits: who made the pictures of one_of_each.
    """

    inputs: tuple[Picture, ...]
    answers: tuple[Picture, ...]
    names: tuple[str, ...]
    groups: Int64[np.ndarray, "pairs"] | None = None
    credits: str = ""

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def ids(self) -> Int64[np.ndarray, "pairs"]:
        return np.arange(len(self))

    @property
    def one_of_each(self) -> list[int]:
        """The first pair of each style."""
        return [self.names.index(name) for name in dict.fromkeys(self.names)]


def paired(pictures: Sequence[Photograph], side: int) -> Pairs:
    """Squares of the photographs, paired with the three styles in turn."""
    given, pack = styles(side), photographs()
    names = [list(given)[k % len(given)] for k in range(len(pictures))]
    contents = tuple(middle_square(picture.image, side) for picture in pictures)
    shown = [*pictures[: len(given)], pack.paintings[0], next(each for each in pack.train if each.name == TEXTURE)]
    credits_ = f"Pictures: {'; '.join(picture.credit for picture in shown)}."
    _, groups = np.unique([picture.author for picture in pictures], return_inverse=True)
    return Pairs(contents, tuple(given[name] for name in names), tuple(names), groups, credits_)


def judged_pairs(side: int, most: int | None = None) -> Pairs:
    """The test photographs, on which nothing is chosen."""
    return paired(photographs().test[:most], side)


def choosing_pairs(side: int, most: int | None = None) -> Pairs:
    """Training photographs, on which settings are chosen; without the one used as a style."""
    return paired([each for each in photographs().train if each.name != TEXTURE][:most], side)


def reduced(picture: Picture, share: float) -> Picture:
    """The picture with this share of its sides, at least a pixel, by averaging."""
    if share == 1:
        return picture
    height, width = (max(1, round(length * share)) for length in picture.shape[:2])
    return np.array(Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), Image.Resampling.BOX))

"""Films of long spans at several sizes: the longer a clip, the fewer pixels its frames have.

Method     A clip of 64 frames of 16 × 16 pixels has as many numbers as one of 16 frames of 32 × 32. Films are drawn
           once, at the largest side; grey levels and optical flow (hardwired.py) are computed there and reduced to all
           sides. A pixel of a reduced map is the mean over its area: with 0 … n large pixels and m small ones, small
           pixel j covers [j n/m, (j + 1) n/m], and a large pixel is weighted by its share inside.
Differs    In a film of every fourth frame, flow is computed anew, between frames that are four apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float16, Int64
from torch import Tensor

from ch07_applications.video.hardwired import FLOW, GREY, SIGNS, flow_of, hardwired
from ch07_applications.video.motions import COUNTS, SPANS
from ch07_applications.video.people import Studio
from common.data.parts import numbered
from common.errors import Problem

CLASSES = (*SPANS, *COUNTS)
FRAMES, LARGE = 64, 46  # of a film; its side
SIDES = {64: 16, 32: 23, 16: 32, 8: 46}  # by the length of clips: equal pixels × frames, within 4 %
EVERY = 4  # step between the frames of a thinned film
BOTH = GREY + FLOW
KEPT = {16: BOTH, 23: FLOW, 32: BOTH, 46: FLOW}  # kinds of maps at each side
CHUNK, FEW = 60, 4  # films drawn at a time, the classes in turn; films whose flow stays in the processor's cache


def area_weights(large: int, small: int) -> Float[Tensor, "small large"]:
    """Each small pixel's mean over large ones. Raises ValueError if it would enlarge."""
    if not 0 < small <= large:
        raise ValueError(f"a side of {large} pixels cannot be reduced to {small}")
    ends, place = torch.arange(small + 1) * (large / small), torch.arange(large)
    shared = torch.minimum(ends[1:, None], place + 1) - torch.maximum(ends[:-1, None], place)
    return shared.clamp(min=0) * (small / large)


def reduce(maps: Float[Tensor, "*n large large"], side: int) -> Float[Tensor, "*n side side"]:
    """Reduce maps to this side; each pixel is the mean over the area that it covers."""
    weights = area_weights(maps.shape[-1], side)
    return weights @ maps.float() @ weights.mT


@dataclass(frozen=True)
class ClipMaps:
    """Maps of whole films, from which clips are cut, and their KINDS."""

    maps: Float16[Tensor, "films kinds frames side side"]
    kinds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def signs(self) -> Float[Tensor, "kinds 1 1 1"]:
        """The effect of mirroring on each kind."""
        return torch.tensor([float(SIGNS[kind]) for kind in self.kinds])[:, None, None, None]

    def of(self, kinds: list[int]) -> ClipMaps:
        """Some adjacent kinds, without copying. Raises ValueError for a missing kind."""
        first = self.kinds.index(kinds[0])
        if self.kinds[first : first + len(kinds)] != tuple(kinds):
            raise ValueError(f"kinds {kinds} do not follow each other in {self.kinds}")
        return ClipMaps(self.maps[:, first : first + len(kinds)], tuple(kinds))

    def less_mean(self) -> ClipMaps:
        """The maps minus the film's mean over time, which removes a background that hardly moves."""
        return ClipMaps((self.maps - self.maps.float().mean(dim=2, keepdim=True)).half(), self.kinds)


def coarse_flow(grey: ClipMaps) -> ClipMaps:
    """Flow computed in the reduced films themselves, minus the camera's motion."""
    found = []
    for few in grey.maps.split(4 * FEW):
        flow = flow_of(few[:, 0].float())
        flow = flow - flow.flatten(3).median(dim=3).values[..., None, None]
        found.append(torch.cat([flow, flow[:, -1:]], dim=1).transpose(1, 2).half())
    return ClipMaps(torch.cat(found), tuple(FLOW))


@dataclass(frozen=True, eq=False)
class LongFilms:
    """The inputs of networks and rivals, and the films' labels. groups: each film's person.

    by_side: maps of all frames. thinned: maps of every fourth frame, at a side with equal pixels × frames. Raises
    Problem for films of different lengths, and unless there is a label and a person for every film.
    """

    by_side: dict[int, ClipMaps]
    thinned: ClipMaps
    labels: Int64[np.ndarray, "items"]
    groups: Int64[np.ndarray, "items"]
    classes: tuple[str, ...] = CLASSES
    ids: Int64[np.ndarray, "items"] | None = None

    def __post_init__(self) -> None:
        lengths = {maps.maps.shape[2] for maps in self.by_side.values()}
        if len(lengths) != 1:
            raise Problem(f"films have to be equally long at all sides, not {sorted(lengths)} frames")
        counts = {len(each) for each in (*self.by_side.values(), self.thinned, self.labels, self.groups)}
        if len(counts) != 1:
            raise Problem(f"every film needs its maps, a label and a person: there are {sorted(counts)} of them")
        object.__setattr__(self, "ids", numbered(self.ids, len(self.labels)))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> dict[int, ClipMaps]:
        return self.by_side

    @property
    def answers(self) -> Int64[np.ndarray, "items"]:
        return self.labels


def studio(part: str) -> Studio:
    """The studio that draws a part's films."""
    return Studio(classes=CLASSES, part=part, frames=FRAMES, side=LARGE)


def shoot_long(part: str, count: int, seed: int = 0) -> LongFilms:
    """`count` films of a part as maps, classes in turn. Arrays are allocated first, so that they never exist twice."""
    thin_side = SIDES[FRAMES // EVERY]
    by_side = {side: torch.empty(count, len(KEPT[side]), FRAMES, side, side, dtype=torch.half) for side in KEPT}
    thinned = torch.empty(count, len(BOTH), FRAMES // EVERY, thin_side, thin_side, dtype=torch.half)
    labels, groups = np.empty(count, np.int64), np.empty(count, np.int64)
    for start in range(0, count, CHUNK):
        films = studio(part).shoot(min(CHUNK, count - start), 1000 * seed + start // CHUNK)
        labels[start : start + CHUNK], groups[start : start + CHUNK] = films.labels, films.groups
        for first in range(0, len(films), FEW):
            few = films.films[first : first + FEW]
            own, maps = slice(start + first, start + first + len(few)), hardwired(few)
            for side, kept in by_side.items():
                kept[own] = reduce(maps[:, KEPT[side]], side).half()
            thinned[own] = reduce(hardwired(few[:, ::EVERY])[:, BOTH], thin_side).half()
    made = {side: ClipMaps(maps, tuple(KEPT[side])) for side, maps in by_side.items()}
    return LongFilms(made, ClipMaps(thinned, tuple(BOTH)), labels, groups)

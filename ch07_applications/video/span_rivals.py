"""Actions over a long span without a network: a temporal pyramid of histograms of gradients and flow, with an SVM.

Method     HOG and HOF (motion_rivals.py) of sixteen consecutive parts of a film. Level l of a pyramid (Laptev et al.
           2008, §3.2; Lazebnik et al. 2006 for pictures) sums them to l parts of equal length; all levels are
           concatenated, each kind is divided by its sum over the film, and the square root taken; then an SVM.
           A bag of clips uses the mean of the clips' pyramids: what no single clip shows is lost.
Differs    Dense cells, as there are no interest points. Its maps have four times as many pixels as the full-length
           network's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ch07_applications.video.flow import gradients
from ch07_applications.video.motion_rivals import direction_histograms, fit_best
from ch07_applications.video.reduced_films import ClipMaps, LongFilms
from common.run import Run

PYRAMID, THIN_PYRAMID = "HOG + HOF pyramid + SVM", "HOG + HOF pyramid + SVM, every fourth frame"
BAG = "HOG + HOF of 16-frame clips + SVM"
PARTS, SIDE = 16, 32  # of a film; of its frames
STILL = 0.25  # pixels per frame: slower flow counts as none
PENALTIES = (30.0,)  # 10 to 100 are equal on validation films
LEVELS = ((1, 2, 4), (1, 2, 4, 8))  # pyramids to choose among
CLIP, CLIP_LEVELS = PARTS // 4, ((1,), (1, 2), (1, 2, 4))  # the same for clips of a quarter of a film
CHUNK = 16  # films at a time
Rows = Float32[np.ndarray, "films features"]


@dataclass(frozen=True, eq=False)
class Parts:
    """The histograms of each part of each film."""

    hog: Float[Tensor, "films parts directions"]
    hof: Float[Tensor, "films parts speeds"]


def parts_of(films: ClipMaps, parts: int = PARTS, mirror: bool = False) -> Parts:
    """HOG and HOF of `parts` parts of each film, from grey levels and flow. mirror: use the mirror image."""
    found = [[], []]
    for few in films.maps.split(CHUNK):
        few = few.float().flip(4) * films.signs if mirror else few.float()
        edges = torch.stack(gradients(few[:, 0]), dim=1)
        for kept, vectors, still in zip(found, (edges, few[:, 1:]), (None, STILL), strict=True):
            kept.append(direction_histograms(vectors, still, parts).flatten(2))
    return Parts(*map(torch.cat, found))


def bag_of_clips(parts: Parts, length: int, levels: Sequence[int]) -> Rows:
    """The mean pyramid of all clips of `length` parts, which start every half clip; the film's own pyramid if the clip
    is the film. Raises ValueError for a level whose parts would not be equally long.
    """
    if any(length % level for level in levels):
        raise ValueError(f"{length} parts cannot be added up to {', '.join(map(str, levels))} of equal length")
    starts = range(0, parts.hof.shape[1] - length + 1, max(1, length // 2))
    rows = []
    for kind in (parts.hog, parts.hof):
        whole = kind.sum(dim=(1, 2)).clamp(min=1e-6)[:, None]
        clips = [add_up(kind[:, start : start + length], levels) for start in starts]
        rows.append(torch.stack([(clip / whole).sqrt() for clip in clips]).mean(dim=0))
    return torch.cat(rows, dim=1).numpy()


def add_up(kind: Float[Tensor, "films parts bins"], levels: Sequence[int]) -> Float[Tensor, "films features"]:
    """Sums over the stretches of each level, of equal length; their number is the level. Levels are concatenated."""
    return torch.cat([kind.unflatten(1, (level, -1)).sum(dim=2).flatten(1) for level in levels], dim=1)


def score_rivals(run: Run, parts: dict[str, LongFilms]) -> None:
    """Score pyramids of whole films, of thinned films, and bags of clips. They are fitted to mirrored films, too, like
    the networks. The levels are chosen on validation films.
    """
    labels = (np.tile(parts["train"].labels, 2), parts["validation"].labels)
    ways = {PYRAMID: (False, PARTS, LEVELS), THIN_PYRAMID: (True, PARTS, LEVELS), BAG: (False, CLIP, CLIP_LEVELS)}
    for name, (thin, length, options) in ways.items():
        with run.method(name, kind="classical") as method:
            maps = {part: films.thinned if thin else films.by_side[SIDE] for part, films in parts.items()}
            learned = [method.time(parts_of, maps["train"], mirror=mirror) for mirror in (False, True)]
            held, test = parts_of(maps["validation"]), parts_of(maps["test"])
            rows = [
                (np.concatenate([bag_of_clips(each, length, levels) for each in learned]),
                 bag_of_clips(held, length, levels)) for levels in options
            ]  # fmt: skip
            best, method.model = method.time(fit_best, rows, *labels, PENALTIES)
            shown = bag_of_clips(test, length, options[best])
            method.score(parts["test"], lambda _, model=method.model, rows=shown: model.predict(rows))

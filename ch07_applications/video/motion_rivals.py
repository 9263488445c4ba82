"""Recognising actions without a network: histograms of gradients and flow, and motion history images, with an SVM.

Method     HOG and HOF (Laptev et al. 2008, §3.1): in every cell of a grid over space and time, a histogram of the
           directions of gradients, and one of the directions of flow with a bin for what stands still; the root of the
           histograms, all cells side by side (§3.2's grids), an SVM. Motion history images (Bobick & Davis 2001, §3):

               H(t) = 1 where something moves in frame t,   else max(0, H(t − 1) − 1/τ)

           the last of which shows where motion was, brighter the later; HOG of it, an SVM.
Differs    Cells cover the whole film, as there are no interest points in 12 frames; no words, but the cells themselves.
           What moves is where flow differs from the camera's by more than a threshold, for the camera shakes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from ch07_applications.video.hardwired import FLOW, GRADIENTS, Maps, mirrored
from common.features.hog import HOG
from common.tuning import choose

if TYPE_CHECKING:
    from sklearn.svm import SVC

BINS, CELL, TIMES = 8, 8, 4  # directions; pixels; parts of a film
STILL = 0.25  # pixels a frame: slower flow stands still
PENALTIES = (10.0,)  # 3 to 100 are level on validation films
THRESHOLDS = (0.3, 0.6)  # pixels a frame
Rows = Float32[np.ndarray, "films features"]


def direction_histograms(
    maps: Float[Tensor, "films 2 frames side columns"], still: float | None, times: int = TIMES
) -> Float[Tensor, "films times rows cells bins"]:
    """Lengths of the vectors in each cell of space and time, by direction: a vector's length is shared by two bins.

    still: the last bin counts, one each, vectors that are shorter than this; None: there is no such bin. times: parts
    of the film.
    """
    x, y = maps[:, 0], maps[:, 1]
    length, angle = torch.hypot(x, y), torch.atan2(y, x) * BINS / (2 * torch.pi) % BINS
    low = angle.floor()
    share, low = angle - low, low.long() % BINS
    votes = torch.zeros(*x.shape, BINS + (still is not None))
    moving = length if still is None else length * (length >= still)
    votes.scatter_(-1, low[..., None], (moving * (1 - share))[..., None])
    votes.scatter_add_(-1, ((low + 1) % BINS)[..., None], (moving * share)[..., None])
    if still is not None:
        votes[..., -1] = (length < still).float()
    films, frames, height, width, bins = votes.shape
    cells = votes[:, :, : height // CELL * CELL, : width // CELL * CELL]
    cells = cells.reshape(films, frames, height // CELL, CELL, width // CELL, CELL, bins).sum(dim=(3, 5))
    return torch.stack([part.sum(dim=1) for part in cells.tensor_split(times, dim=1)], dim=1)


def hog_hof(maps: Maps) -> Rows:
    """Both kinds of histograms of every cell, each kind divided by its sum over the film, and the root of it."""
    chunks = []
    for part in maps.split(64):
        kinds = [(part[:, GRADIENTS].float(), None), (part[:, FLOW].float(), STILL)]
        found = [direction_histograms(vectors, still).flatten(1) for vectors, still in kinds]
        chunks.append(torch.cat([(each / each.sum(dim=1, keepdim=True).clamp(min=1e-6)).sqrt() for each in found], 1))
    return torch.cat(chunks).numpy()


def motion_history(maps: Maps, threshold: float) -> UInt8[np.ndarray, "films side columns"]:
    """The last motion history image of every film, from 0, nothing moved, to 255, moves now."""
    moves = maps[:, FLOW].float().square().sum(dim=1).sqrt() > threshold
    history = torch.zeros(moves[:, 0].shape)
    for frame in moves.unbind(1):
        history = torch.where(frame, torch.ones(()), (history - 1 / moves.shape[1]).clamp(min=0))
    return (255 * history).round().byte().numpy()


def history_features(maps: Maps, threshold: float) -> Rows:
    """HOG of the motion history image, and the image itself, cell by cell."""
    images = motion_history(maps, threshold)
    films, height, width = images.shape
    cells = images[:, : height // 4 * 4, : width // 4 * 4].reshape(films, height // 4, 4, width // 4, 4)
    own = cells.mean(axis=(2, 4), dtype=np.float32).reshape(films, -1) / 255
    return np.concatenate([HOG(9, (8, 8), (2, 2)).fit(images).transform(images), own], axis=1).astype(np.float32)


def with_mirrored(describe: Callable[[Maps], Rows], maps: Maps) -> Float32[np.ndarray, "both features"]:
    """Features of films, and then of the same films mirrored."""
    return np.concatenate([describe(maps), *(describe(mirrored(part)) for part in maps.split(500))])


def predict_both(model: SVC, rows: Float32[np.ndarray, "both features"]) -> Int64[np.ndarray, "films"]:
    """The class with the highest decision value, summed over each film and its mirror image. rows: with_mirrored."""
    films, mirrors = np.split(model.decision_function(rows), 2)
    return model.classes_[(films + mirrors).argmax(axis=1)]


def fit_best(
    rows: Sequence[tuple[Float32[np.ndarray, "films _"], Float32[np.ndarray, "others _"]]],
    labels: Int64[np.ndarray, "films"],
    held_out: Int64[np.ndarray, "others"],
    penalties: Sequence[float] = PENALTIES,
) -> tuple[int, SVC]:
    """The SVM that is right most often on held-out films, and which features it has.

    rows: features of the training films and of the held-out ones, in several ways to describe them. A feature keeps
    its variance: divided by it, cells in which little happens would count as much as others.
    """
    from sklearn.svm import SVC

    options = [(way, SVC(C=penalty).fit(train, labels)) for way, (train, _) in enumerate(rows) for penalty in penalties]
    scores = [np.mean(model.predict(rows[way][1]) == held_out) for way, model in options]
    return choose(options, scores, highest=True)

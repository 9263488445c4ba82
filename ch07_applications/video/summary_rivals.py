"""Rivals without a network: representative frames, frames at equal distances, and a forest.

Method     Cuts: local maxima of the change of colours, above a threshold. VSUMM (de Avila et al. 2011): k-means of
           frames; the frame nearest to each centre is a keyframe. Facility location: frames that represent all others.
           Uniform: keyframes at equal distances. Forest: extremely randomised trees on a frame's descriptor, or on its
           mean over a window around it.
Differs    VSUMM clusters colours and drops similar keyframes afterwards. Here validation films choose the descriptor,
           the number of centres is that of shots, and larger clusters come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesClassifier

TREES, SHARE = 100, 0.1  # the share of features that a split may use
Rows = Float32[np.ndarray, "frames numbers"]


def change_cuts(colours: Rows, threshold: float) -> Int[np.ndarray, "cuts"]:
    """The frames at local maxima of the change of colours, above the threshold.

    The change is 1 − k, where k is the kernel of a frame and the one before. Raises ValueError for a negative
    threshold.
    """
    if threshold < 0:
        raise ValueError(f"a threshold of changes is not negative, as {threshold} is")
    changes = np.zeros(len(colours) + 1)
    changes[1:-1] = 1 - (colours[1:] * colours[:-1]).sum(axis=1)
    now = changes[1:-1]
    return 1 + np.flatnonzero((now > threshold) & (now >= changes[:-2]) & (now > changes[2:]))


def medoid_frames(rows: Rows, count: int, seed: int = 0) -> Int[np.ndarray, "keyframes"]:
    """The frame nearest to the centre of each of `count` clusters, the largest cluster's first."""
    from sklearn.cluster import KMeans

    means = KMeans(min(count, len(rows)), n_init=3, random_state=seed).fit(rows)
    away, sizes = means.transform(rows), np.bincount(means.labels_, minlength=means.n_clusters)
    return away.argmin(axis=0)[np.argsort(-sizes, kind="stable")]


def uniform_frames(length: int, count: int) -> Int[np.ndarray, "keyframes"]:
    """The middles of `count` equal parts of a film, in the order of repeated halving: 1/2, 1/4, 3/4, …"""
    middles = ((np.arange(count) + 0.5) * length / count).astype(np.int64)
    halving = [int(f"{place:0{max(1, (count - 1).bit_length())}b}"[::-1], 2) for place in range(count)]
    return middles[np.argsort(halving, kind="stable")]


def with_context(rows: Rows, reaches: Sequence[int]) -> Float32[np.ndarray, "frames more"]:
    """Each frame's means over windows that reach a number of frames to both sides, cut off at the film's ends; a reach
    of 0 is the frame's own descriptor.
    """
    sums = np.concatenate([np.zeros_like(rows[:1], np.float64), rows.cumsum(axis=0, dtype=np.float64)])
    places, found = np.arange(len(rows)), []
    for reach in reaches:
        first, end = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(rows))
        found.append((sums[end] - sums[first]) / (end - first)[:, None])
    return np.concatenate(found, axis=1).astype(np.float32)


def facility_location(similarity: Float[np.ndarray, "frames frames"], count: int) -> Int[np.ndarray, "keyframes"]:
    """Frames S that represent all others, Σ_i max_{j in S} k(i, j), k ≥ 0, chosen one by one for the largest gain.

    The sum is monotone and submodular, so this greedy choice reaches at least 1 − 1/e of the largest sum (Nemhauser,
    Wolsey & Fisher 1978).
    """
    covered, chosen = np.zeros(len(similarity)), []
    for _ in range(min(count, len(similarity))):
        gains = np.maximum(similarity - covered[:, None], 0).sum(axis=0)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, similarity[:, chosen[-1]])
    return np.array(chosen)


def fill(
    keyframes: Int[np.ndarray, "keyframes"], bounds: Int[np.ndarray, "bounds"], budget: int
) -> Bool[np.ndarray, "frames"]:
    """The shots of keyframes, in order, each taken if it still fits the budget."""
    left, lengths = budget, np.diff(bounds)
    chosen = np.zeros(len(lengths), bool)
    for shot in np.searchsorted(bounds, keyframes, side="right") - 1:
        if not chosen[shot] and lengths[shot] <= left:
            chosen[shot], left = True, left - lengths[shot]
    return chosen.repeat(lengths)


@dataclass(eq=False)
class ForestScorer:
    """The probability that a frame belongs to an event. reaches: of windows. leaf: the fewest frames per leaf."""

    reaches: tuple[int, ...]
    leaf: int
    trees: int = TREES
    seed: int = 0
    forest: ExtraTreesClassifier | None = None

    def fit(
        self, films: Sequence[Float32[np.ndarray, "_ numbers"]], important: Sequence[Bool[np.ndarray, "_"]]
    ) -> ForestScorer:
        """Fit to every second frame, because neighbours are almost equal."""
        from sklearn.ensemble import ExtraTreesClassifier

        rows = np.concatenate([with_context(film, self.reaches)[::2] for film in films])
        answers = np.concatenate([each[::2] for each in important])
        self.forest = ExtraTreesClassifier(
            self.trees, min_samples_leaf=self.leaf, max_features=SHARE, random_state=self.seed
        )
        self.forest.fit(rows, answers)
        return self

    def scores(self, films: Sequence[Float32[np.ndarray, "_ numbers"]]) -> list[Float[np.ndarray, "_"]]:
        """The probabilities of each film's frames."""
        return [self.forest.predict_proba(with_context(film, self.reaches))[:, 1] for film in films]

"""Rivals without a network: frames that stand for others, frames at equal distances, and a forest that learns.

Method     Cuts: local maxima of the change of colours, above a threshold. VSUMM (de Avila et al. 2011): k-means of
           frames; the frame nearest to each centre is a keyframe. Facility location: frames that are like all others.
           Uniform: keyframes at equal distances. Forest: extremely randomised trees on a frame's descriptor, or on its
           mean over a window around it.
Differs    VSUMM clusters colours and drops similar keyframes afterwards; here validation films choose the descriptor,
           there are as many centres as shots, and larger clusters count first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesClassifier

TREES, SHARE = 100, 0.1  # the share of the numbers that a split may use
Rows = Float32[np.ndarray, "frames numbers"]


def change_cuts(colours: Rows, threshold: float) -> Int[np.ndarray, "cuts"]:
    """The frames at which colours change most, among their neighbours, and by more than the threshold.

    The change is 1 − k, k the kernel of a frame and the one before. Raises ValueError for a negative threshold.
    """
    if threshold < 0:
        raise ValueError(f"a threshold of changes is not negative, as {threshold} is")
    changes = np.zeros(len(colours) + 1)
    changes[1:-1] = 1 - (colours[1:] * colours[:-1]).sum(axis=1)
    now = changes[1:-1]
    return 1 + np.flatnonzero((now > threshold) & (now >= changes[:-2]) & (now > changes[2:]))


def medoid_frames(rows: Rows, count: int, seed: int = 0) -> Int[np.ndarray, "keyframes"]:
    """The frame nearest to the centre of each of so many clusters, the largest cluster's first."""
    from sklearn.cluster import KMeans

    means = KMeans(min(count, len(rows)), n_init=3, random_state=seed).fit(rows)
    away, sizes = means.transform(rows), np.bincount(means.labels_, minlength=means.n_clusters)
    return away.argmin(axis=0)[np.argsort(-sizes, kind="stable")]


def uniform_frames(length: int, count: int) -> Int[np.ndarray, "keyframes"]:
    """The middles of so many equal parts of a film, those first that halve what is left: 1/2, 1/4, 3/4, …"""
    middles = ((np.arange(count) + 0.5) * length / count).astype(np.int64)
    halving = [int(f"{place:0{max(1, (count - 1).bit_length())}b}"[::-1], 2) for place in range(count)]
    return middles[np.argsort(halving, kind="stable")]


def with_context(rows: Rows, reaches: Sequence[int]) -> Float32[np.ndarray, "frames more"]:
    """Each frame's means over windows that reach so many frames to both sides, cut off at the film's ends; 0: its own
    descriptor."""
    sums = np.concatenate([np.zeros_like(rows[:1], np.float64), rows.cumsum(axis=0, dtype=np.float64)])
    places, found = np.arange(len(rows)), []
    for reach in reaches:
        first, end = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(rows))
        found.append((sums[end] - sums[first]) / (end - first)[:, None])
    return np.concatenate(found, axis=1).astype(np.float32)


def facility_location(similarity: Float[np.ndarray, "frames frames"], count: int) -> Int[np.ndarray, "keyframes"]:
    """Frames S that stand for all, Σ_i max_{j in S} k(i, j), k ≥ 0: each time the one that adds the most.

    The sum is monotone and submodular, so this greedy choice reaches 1 − 1/e of the largest sum or more (Nemhauser,
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
    """The shots of keyframes, in their order, as long as each still fits the budget."""
    left, lengths = budget, np.diff(bounds)
    chosen = np.zeros(len(lengths), bool)
    for shot in np.searchsorted(bounds, keyframes, side="right") - 1:
        if not chosen[shot] and lengths[shot] <= left:
            chosen[shot], left = True, left - lengths[shot]
    return chosen.repeat(lengths)


@dataclass(eq=False)
class ForestScorer:
    """The probability that a frame belongs to an event. reaches: of windows. leaf: the fewest frames of a leaf."""

    reaches: tuple[int, ...]
    leaf: int
    trees: int = TREES
    seed: int = 0
    forest: ExtraTreesClassifier | None = None

    def fit(
        self, films: Sequence[Float32[np.ndarray, "_ numbers"]], important: Sequence[Bool[np.ndarray, "_"]]
    ) -> ForestScorer:
        """Learn from every second frame: neighbours are all but the same."""
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

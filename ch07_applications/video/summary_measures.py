"""Metrics of summaries: coverage of planted events, F1, rank correlation, and F1 of cuts.

Method     F1 of a summary against a reference is the harmonic mean of the share of the summary in the reference, and
           the share of the reference in the summary (Zhang et al. 2016, §4.1). Kendall's tau-b of frame scores and
           importance (Otani et al. 2019): pairs of frames in the same order minus those in the opposite order,
           over all pairs, corrected for ties. Cuts: F1 of found and true ones, each of which is matched at most once.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

Summary = Bool[np.ndarray, "frames"]


def coverage(summary: Bool[np.ndarray, "*draws frames"], events: Summary) -> Float[np.ndarray, "*draws"]:
    """The share of the events' frames in a summary, in per cent. Raises ValueError for a film without events."""
    if not events.any():
        raise ValueError("a film without events has no coverage")
    return np.asarray(100 * (summary & events).sum(axis=-1) / events.sum())


def f1(summary: Bool[np.ndarray, "*draws frames"], reference: Summary) -> Float[np.ndarray, "*draws"]:
    """2 |both| / (|summary| + |reference|), in per cent; 0 if both are empty."""
    sizes = summary.sum(axis=-1) + reference.sum()
    return np.asarray(200 * (summary & reference).sum(axis=-1) / np.maximum(sizes, 1))


def kendall(scores: Float[np.ndarray, "frames"], important: Summary) -> float:
    """Kendall's tau-b of frame scores with importance; 0 if either is constant."""
    from scipy.stats import kendalltau

    if np.ptp(scores) == 0 or important.all() or not important.any():
        return 0.0
    return float(kendalltau(scores, important).statistic)


def cuts_f1(found: Int[np.ndarray, "found"], true: Int[np.ndarray, "true"], within: int = 2) -> float:
    """F1 of cuts, per cent. A found cut counts if a true one, not matched before, is at most `within` frames away."""
    if not len(found) + len(true):
        return 100.0
    left, matched = sorted(int(cut) for cut in true), 0
    for cut in sorted(int(cut) for cut in found):  # taking the earliest true cut in reach leaves most for later ones
        near = next((place for place, other in enumerate(left) if abs(other - cut) <= within), None)
        if near is not None:
            left.pop(near)
            matched += 1
    return 200 * matched / (len(found) + len(true))

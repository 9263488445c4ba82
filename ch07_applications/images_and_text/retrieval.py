"""Retrieval: how often the right one of n candidates ranks first, or among the first ten."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64

from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes
from common.method import Method

SENTENCE, PICTURE = "sentence for a picture", "picture for a sentence"
DEPTHS = (1, 10)


def ranks_of(scores: Float[np.ndarray, "n n"]) -> Int64[np.ndarray, "n"]:
    """For each row, the number of other candidates that score at least as high as its own, on the diagonal. 0 is best.

    A tie counts against the model: scores that are all alike find nothing.
    """
    return (scores >= scores.diagonal()[:, None]).sum(axis=1) - 1


def both_ways(scores: Float[np.ndarray, "n n"], depth: int = 1) -> Float[np.ndarray, "n"]:
    """For each scene, in per cent: 100 if both its sentence and its picture are among the first, 50 for one."""
    return 50.0 * (ranks_of(scores) < depth) + 50.0 * (ranks_of(scores.T) < depth)


def score_retrieval(method: Method, scores: Float[np.ndarray, "n n"], part: CaptionedScenes) -> None:
    """Score R@1 and R@10 both ways, item by item. scores: of picture k with the first caption of scene l.

    Raises ValueError unless there are as many scores as scenes.
    """
    if scores.shape != (len(part), len(part)):
        raise ValueError(f"scores {scores.shape} for {len(part)} scenes")
    for direction, each in ((SENTENCE, scores), (PICTURE, scores.T)):
        ranks = ranks_of(each)
        for depth in DEPTHS:
            name = recall_name(depth, direction)
            method.score_items(name, 100.0 * (ranks < depth), part, unit="%", higher_is_better=True)


def recall_name(depth: int, direction: str) -> str:
    """The metric's name."""
    return f"R@{depth}, {direction}"

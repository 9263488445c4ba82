"""Viewers who disagree: summaries of a film by people who want to see its events, and other shots to their taste.

SumMe and TVSum have summaries, or importance, by 15 to 20 people per film; a method's F1 is its mean over them (TVSum)
or its maximum (SumMe). Here a viewer's importance of a frame is the planted one plus a random number per shot and
viewer. The larger the spread of these numbers, the less viewers agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from ch07_applications.video.edited_films import EditedFilm
from ch07_applications.video.summary_judging import Judge
from ch07_applications.video.summary_measures import f1
from common.run import Run

PIECE, VIEWERS, SPREADS = 15, 20, (0.0, 0.25, 0.5, 1.0, 2.0)  # frames; per film; of tastes
LEARNED, RANDOM = "learned scores", "random scores"
SCHEMES = {  # by shots, or by pieces; the value of one
    "shots, by their mean": (True, "mean"),
    "shots, by their sum": (True, "sum"),
    "equal pieces, by their sum": (False, "sum"),
}
PROTOCOL, WITH_VIEWERS = "shots, by their mean", "F1 with viewers"  # as public code has it
VIEWED = {SPREADS[0]: "agree", SPREADS[-1]: "differ"}


def viewer_scores(film: EditedFilm, spread: float, viewers: int, seed: Sequence[int]) -> Float[np.ndarray, "viewers _"]:
    """Each viewer's importance of each frame: planted importance plus a taste for each of the film's shots."""
    tastes = np.random.default_rng(seed).standard_normal((viewers, int(film.shots[-1]) + 1))
    return film.important + spread * tastes[:, film.shots]


def agreement(summaries: Bool[np.ndarray, "rows frames"], viewers: Bool[np.ndarray, "viewers frames"]) -> float:
    """The mean F1 of all summaries with those of all viewers, in per cent."""
    return float(np.mean([f1(summaries, viewer).mean() for viewer in viewers]))


def equal_pieces(length: int, piece: int) -> Int[np.ndarray, "bounds"]:
    """Bounds of pieces of `piece` frames; a rest below half a piece joins the last."""
    bounds = np.arange(0, length, piece)
    if len(bounds) > 1 and length - bounds[-1] < piece / 2:
        bounds = bounds[:-1]
    return np.append(bounds, length)


def study_viewers(run: Run, held: Judge, scores: Sequence[Float[np.ndarray, "_"]]) -> dict[str, dict[str, list[float]]]:
    """F1 with viewers who agree or disagree, by shots or equal pieces, for learned and random scores. All choose from
    the same shots or pieces. F1 by the public protocol is scored, film by film.
    """
    levels: dict[str, dict[str, list[float]]] = {}
    for scheme, (by_shots, worth) in SCHEMES.items():
        levels[scheme] = {LEARNED: [], RANDOM: []}
        for spread in SPREADS:
            found = []
            for place, (film, score) in enumerate(zip(held.part.films, scores, strict=True)):
                bounds = held.bounds[place] if by_shots else equal_pieces(len(score), PIECE)
                random = np.random.default_rng((run.seed, place)).random((VIEWERS, len(score)))
                all_scores = viewer_scores(film, spread, VIEWERS, (run.seed, place)), score[None], random
                viewers, *others = (held.summarise(each, bounds, worth) for each in all_scores)
                found.append([agreement(each, viewers) for each in others])
            if scheme == PROTOCOL and spread in VIEWED:
                for name, values in zip(levels[scheme], np.array(found).T, strict=True):
                    with run.method(f"{name}, viewers {VIEWED[spread]}", kind="reference") as method:
                        method.score_items(WITH_VIEWERS, values, held.part, unit="%", higher_is_better=True)
            for name, level in zip(levels[scheme], np.mean(found, axis=0), strict=True):
                levels[scheme][name].append(run.fact(f"{name}, {scheme}, spread {spread:g}: F1", level, "%"))
    return levels

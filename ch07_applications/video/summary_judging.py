"""Scores of summaries by planted events: their coverage minus that of random scores, with the same shots and budget.

Otani et al. 2019: with given shots and budget, even random scores give summaries that agree well with people's. So a
coverage or an F1 means little without theirs. Here their mean over many draws is subtracted, film by film.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ch07_applications.video.edited_films import EditedFilms
from ch07_applications.video.frame_descriptors import Described
from ch07_applications.video.summary_measures import coverage, f1, kendall
from common.errors import Problem
from common.method import Method

BUDGET, DRAWS = 0.15, 200  # of a film's frames; summaries of random scores, per film
GAIN, F1, TAU = "gain over random", "F1 with events", "Kendall's τ"
Summaries = list[Bool[np.ndarray, "_"]]


def budget_of(bounds: Int[np.ndarray, "bounds"]) -> int:
    """The number of frames that a summary may have. Raises Problem if all shots are longer."""
    shortest, budget = int(np.diff(bounds).min()), int(BUDGET * bounds[-1])
    if shortest > budget:
        raise Problem(f"a budget of {budget} frames has room for no shot: the shortest has {shortest} frames")
    return budget


@dataclass(frozen=True, eq=False)
class Judge:
    """A part's films, described, with the bounds of the found shots. summarise: maps scores (a row per summary) and
    bounds to selected frames. random: two means over DRAWS of each film's coverage and F1 by random scores.
    """

    part: EditedFilms
    described: list[Described]
    bounds: list[Int[np.ndarray, "_"]]
    summarise: Callable[..., Bool[np.ndarray, "draws _"]]
    random: Float[np.ndarray, "2 films 2"]

    @classmethod
    def of(cls, part: EditedFilms, described: list[Described], bounds: list, summarise: Callable, seed: int) -> Judge:
        """Draw random scores of the films, which depend on the seed and a film's index."""
        random = np.empty((2, len(part), 2))
        for again, place in np.ndindex(2, len(part)):
            film, rng = part.films[place], np.random.default_rng((seed, again, place))
            summaries = summarise(rng.random((DRAWS, len(film.frames))), bounds[place])
            random[again, place] = [measure(summaries, film.important).mean() for measure in (coverage, f1)]
        return cls(part, described, bounds, summarise, random)

    def covered(self, summaries: Summaries) -> Float[np.ndarray, "films"]:
        """The share of each film's events in its summary, in per cent."""
        pairs = zip(summaries, self.part.films, strict=True)
        return np.array([float(coverage(summary, film.important)) for summary, film in pairs])

    def of_scores(self, scores: Sequence[Float[np.ndarray, "_"]], worth: str = "sum") -> Summaries:
        """The summaries by the frames' scores."""
        each = zip(scores, self.bounds, strict=True)
        return [self.summarise(score[None], bounds, worth)[0] for score, bounds in each]

    def score_summaries(self, method: Method, summaries: Summaries) -> None:
        """Score gain and F1."""
        pairs = zip(summaries, self.part.films, strict=True)
        agreed = np.array([float(f1(summary, film.important)) for summary, film in pairs])
        self._score(method, self.covered(summaries), agreed)

    def score_random(self, method: Method) -> None:
        """Score the mean random summaries, by other draws than those that are subtracted."""
        self._score(method, *self.random[1].T)

    def score_scores(self, method: Method, scores: Sequence[Float[np.ndarray, "_"]], worth: str = "sum") -> Summaries:
        """Score the gain and F1 of the scores' summaries, and Kendall's τ. Returns the summaries."""
        summaries = self.of_scores(scores, worth)
        self.score_summaries(method, summaries)
        ranks = [kendall(each, film.important) for each, film in zip(scores, self.part.films, strict=True)]
        method.score_items(TAU, np.array(ranks), self.part, higher_is_better=True)
        return summaries

    def _score(self, method: Method, covered: Float[np.ndarray, "films"], agreed: Float[np.ndarray, "films"]) -> None:
        gains = covered - self.random[0, :, 0]
        method.score_items(GAIN, gains, self.part, unit="%", higher_is_better=True)
        method.score_items(F1, agreed, self.part, unit="%", higher_is_better=True)

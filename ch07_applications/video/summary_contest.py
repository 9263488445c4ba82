"""The rivals of the learned scorer, with the same films, shots and budget, each with its best setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ch07_applications.blocks.side_by_side import Made
from ch07_applications.video.edited_films import EditedFilms
from ch07_applications.video.frame_descriptors import Described
from ch07_applications.video.summary_judging import Judge, Summaries, budget_of
from ch07_applications.video.summary_rivals import ForestScorer, facility_location, fill, medoid_frames, uniform_frames
from common.run import Run
from common.tuning import choose

FOREST, MEDOIDS, FACILITY = "forest", "k-means keyframes", "facility location"
UNIFORM, RANDOM, PLANTED = "equal distances", "random scores", "planted importance"
DESCRIPTORS = ("colours", "edges", "motion", "both")
FORESTS = (((1,), 15), ((3,), 15), ((3,), 40))  # reaches of windows, leaves


def fit_forests(run: Run, part: EditedFilms, films: Sequence[Described]) -> list[ForestScorer]:
    """Fit a forest with each of the settings to these films."""
    rows, answers = [film.both for film in films], [film.important for film in part.films]
    return [ForestScorer(*setting, seed=run.seed).fit(rows, answers) for setting in FORESTS]


def score_rivals(run: Run, forests: Made, held: Judge, test: Judge) -> dict[str, Summaries]:
    """The rivals' summaries of the test films. Validation films choose the descriptor and the forest."""
    ways = {
        MEDOIDS: lambda rows, count: medoid_frames(rows, count, run.seed),
        FACILITY: lambda rows, count: facility_location((rows @ rows.T).astype(float), count),
        UNIFORM: lambda rows, count: uniform_frames(len(rows), count),
    }

    def summaries(judge: Judge, way: Callable, kind: str) -> Summaries:
        each = zip(judge.described, judge.bounds, strict=True)
        return [fill(way(getattr(film, kind), len(cut) - 1), cut, budget_of(cut)) for film, cut in each]

    found = {}
    for name, way in ways.items():
        with run.method(name, kind="classical") as method:
            shares = [held.covered(summaries(held, way, kind)).mean() for kind in DESCRIPTORS]
            found[name] = summaries(test, way, choose(DESCRIPTORS, shares, highest=True))
            test.score_summaries(method, found[name])
    with run.method(FOREST, kind="classical") as method:
        models, method.fit_seconds = forests
        held_rows, test_rows = ([film.both for film in each] for each in (held.described, test.described))
        shares = [held.covered(held.of_scores(model.scores(held_rows))).mean() for model in models]
        method.model = choose(models, shares, highest=True)
        found[FOREST] = test.score_scores(method, method.model.scores(test_rows))
    with run.method(RANDOM, kind="reference") as method:
        test.score_random(method)
    with run.method(PLANTED, kind="reference") as method:
        test.score_scores(method, [film.important.astype(float) for film in test.part.films])
    return found

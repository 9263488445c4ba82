"""Floors stand near what is measured: a lesson that has become worse misses one, and not only one that is broken.

A floor is about the mean over seeds, less twice the spread between them. Judged are the committed results; not those of
a lesson that has changed since, which another test reports.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from common.readme import chapters
from common.record import Floor, LessonRecord, load
from common.results import Row

LOOSE = 6  # spreads between a floor and what was measured
FEW = 5  # seeds: of fewer, the spread is no estimate, and half of the interval counts if it is larger
RESULTS = [
    pytest.param(lesson, id=f"{chapter.package}-{name}")
    for chapter in chapters()
    for stale in [chapter.stale()]
    for name, lesson in load(chapter.folder / "results.json").lessons.items()
    if name not in stale
]


def spread(rows: list[Row]) -> float:
    """Standard deviation between seeds. Of few seeds, or of equal runs: half of a seed's interval, where larger."""
    values = np.array([row.value for row in rows])
    between = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    halves = [(row.high - row.low) / 4 for row in rows if math.isfinite(row.high - row.low)]
    exact = len(values) >= FEW and between > 1e-9 * abs(values.mean())
    return between if exact or not halves else max(between, float(np.mean(halves)))


def looseness(floor: Floor, lesson: LessonRecord) -> float:
    """How many spreads lie between limit and mean; negative where it is missed, NaN where there is no spread."""
    rows = [row for row in lesson.rows if (row.method, row.metric) == (floor.method, floor.metric)]
    mean, width = np.mean([row.value for row in rows]), spread(rows)
    gap = mean - floor.at_least if floor.at_least is not None else floor.at_most - mean
    return gap / width if width > 0 else math.nan


@pytest.mark.parametrize("lesson", RESULTS)
def test_no_floor_is_missed_and_none_is_loose(lesson: LessonRecord) -> None:
    assert lesson.missed_floors() == []
    loose = {floor.method: looseness(floor, lesson) for floor in lesson.floors}
    assert {method: n for method, n in loose.items() if n > LOOSE} == {}


@pytest.mark.parametrize("lesson", RESULTS)
def test_a_lesson_that_scores_test_items_has_a_floor(lesson: LessonRecord) -> None:
    scored = any(row.higher_is_better is not None and math.isfinite(row.high - row.low) for row in lesson.rows)
    assert lesson.floors or not scored


@pytest.mark.parametrize("lesson", RESULTS)
def test_no_comparison_counts_a_seed_twice(lesson: LessonRecord) -> None:
    """A lesson that asks for one comparison in two places would find its difference twice as certain."""
    seeds = {seed for row in lesson.rows for seed in row.seeds} | {fact.seed for fact in lesson.facts}
    assert [
        (c.a, c.b, c.metric) for c in lesson.comparisons if c.seeds > max(1, len(seeds)) * inner_seeds(lesson)
    ] == []


def inner_seeds(lesson: LessonRecord) -> int:
    """How many networks an ablation trains under each seed of the run: several for some lessons, one for most."""
    counts = [c.seeds for c in lesson.comparisons]
    return max(1, min(counts) // max(1, len({seed for row in lesson.rows for seed in row.seeds}))) if counts else 1


# --- The ruler itself -------------------------------------------------------------------------------------------------


def made(values: list[float], half_width: float, floor: Floor) -> LessonRecord:
    rows = [
        Row("l", "m", "deep", "accuracy", v, v - half_width, v + half_width, 100, seeds=(seed,))
        for seed, v in enumerate(values)
    ]
    return LessonRecord("", "", rows=rows, floors=[floor])


@pytest.mark.parametrize(
    ("values", "floor", "expected"),
    [
        ([90.0, 92.0, 90.0, 92.0, 91.0], Floor("m", "accuracy", at_least=89.0), 2.0),  # by the seeds: 1.0 apart
        ([90.0, 92.0, 90.0, 92.0, 91.0], Floor("m", "accuracy", at_least=80.0), 11.0),
        ([90.0, 92.0, 90.0, 92.0, 91.0], Floor("m", "accuracy", at_most=94.0), 3.0),
        ([90.0, 92.0, 90.0, 92.0, 91.0], Floor("m", "accuracy", at_least=92.0), -1.0),
        ([91.0], Floor("m", "accuracy", at_least=87.0), 2.0),  # by the interval of ± 4
        ([91.0, 91.0, 91.0, 91.0, 91.0], Floor("m", "accuracy", at_least=87.0), 2.0),  # one run, five times
        ([91.0, 91.1], Floor("m", "accuracy", at_least=87.05), 2.0),
    ],
)
def test_looseness_counts_spreads(values: list[float], floor: Floor, expected: float) -> None:
    assert looseness(floor, made(values, 4.0, floor)) == pytest.approx(expected, rel=1e-6)


def test_without_a_spread_there_is_none() -> None:
    floor = Floor("m", "accuracy", at_least=3.0)
    assert math.isnan(looseness(floor, made([3.0], math.nan, floor)))

"""What lessons say holds for whatever they measured: findings go through run.claim, notes and captions state no others.

Each lesson runs once at smoke with a Run that records captions, notes and claims, and draws; then the claims are tried
on records with other verdicts, as an instructor who changes a constant may get them. The run is in this process: so
the hook of conftest.py holds each call of the lesson and of its drawings against its annotations.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from common.record import LessonRecord
from tests.checkout import CHAPTERS, lessons
from tests.smoke_recordings import recorded, worker

LESSONS = [pytest.param(chapter, name, marks=worker(chapter)) for chapter in CHAPTERS for name in lessons(chapter)]
FINDING = re.compile(
    r"\b(beats?|better|worse|wins?|outperforms?|significant(ly)?|as good as|as well as|ruins?|leads?|suffices?|"
    r"helps?|fewer|too (few|many|small|large|often|seldom)|hardly|not matter)\b"
)
WORLDS = 400


def another(record: LessonRecord, rng: np.random.Generator) -> LessonRecord:
    """The record with a random winner, or none, in each comparison; facts and scores of other sizes, each by itself.

    In some records nothing is significant. Facts have two seeds, alike or, in those records always, far apart.
    """
    undecided = rng.integers(8) == 0

    def decided(comparison):
        sign, p = ((1, 1.0), (1, 1e-4), (-1, 1e-4))[0 if undecided else rng.integers(3)]
        return replace(comparison, difference=float(sign), p_value=p)

    def resized(value: float) -> float:
        return (abs(value) or 1.0) * float(rng.choice([0.0, 0.3, 1.0, 3.0, 30.0, 1e12]))

    facts = []
    for fact in record.facts:
        values = [resized(fact.value)] * 2 if rng.integers(2) else [resized(fact.value), resized(fact.value)]
        values = [0.0, 30 * (abs(fact.value) or 1.0)] if undecided else values
        facts += [replace(fact, seed=seed, value=value) for seed, value in enumerate(values)]
    rows = [replace(row, value=resized(row.value)) for row in record.rows]
    return replace(record, comparisons=[decided(c) for c in record.comparisons], facts=facts, rows=rows)


def held(claim: tuple, record: LessonRecord) -> bool:
    """Whether the claim is made of this record; its text is then a sentence."""
    text, conditions = claim
    holds = all(condition(record) for condition in conditions)
    if holds:
        sentence = text if isinstance(text, str) else text(record)
        assert sentence.endswith(".")
    return holds


@pytest.mark.parametrize(("chapter", "name"), LESSONS)
def test_a_lesson_keeps_to_its_annotations(chapter, name):
    assert recorded(chapter, name).lesson == name  # and the hook has raised nothing


@pytest.mark.parametrize(("chapter", "name"), LESSONS)
def test_notes_and_captions_state_no_finding(chapter, name):
    run = recorded(chapter, name)
    for sentence in [*run.captions, *run.record.notes]:
        plain = sentence.replace("higher is better", "").replace("lower is better", "")
        assert not FINDING.search(plain), f"a finding goes through run.claim: {sentence}"


@pytest.mark.parametrize(("chapter", "name"), LESSONS)
def test_a_note_at_smoke_is_about_numbers(chapter, name):
    for note in recorded(chapter, name).record.notes:
        assert re.search(r"\d|^Left out|^An untrained network", note), note


@pytest.mark.parametrize(("chapter", "name"), LESSONS)
def test_a_claim_is_made_of_some_records_and_not_of_others(chapter, name):
    run, rng = recorded(chapter, name), np.random.default_rng(0)
    worlds = [another(run.record, rng) for _ in range(WORLDS)]
    for claim in run.claims:
        if not claim[1]:  # a sentence that states the numbers of all seeds
            assert all(held(claim, world) for world in worlds[:5])
            continue
        outcomes = {held(claim, world) for world in worlds}
        assert outcomes == {True, False}, f"holds of {'every' if outcomes == {True} else 'no'} record: {claim[0]}"


@pytest.mark.parametrize(
    ("chapter", "name", "start", "a", "b"),
    [
        ("ch01_regression", "basis", "20 knots", "cubic", "20 knots"),
        ("ch02_probabilistic", "prediction_intervals", "The logarithm", "Gaussian on log mileage", "Gaussian"),
        ("ch03_classification", "no_line", "On both problems", "3 hidden units, XOR", "line, XOR"),
    ],
)
def test_a_claim_is_gone_with_its_verdict(chapter, name, start, a, b):
    run = recorded(chapter, name)
    claim = next(claim for claim in run.claims if claim[0].startswith(start))

    def after(better: str, p: float) -> LessonRecord:
        """All comparisons are won by their first method, but that of a and b."""
        won = [replace(c, difference=1.0 if c.higher_is_better else -1.0, p_value=1e-4) for c in run.record.comparisons]
        at = next(i for i, c in enumerate(won) if (c.a, c.b) == (a, b))
        won[at] = replace(won[at], p_value=p, difference=won[at].difference * (1 if better == a else -1))
        return replace(run.record, comparisons=won)

    assert held(claim, after(a, 1e-4))
    assert not held(claim, after(b, 1e-4))
    assert not held(claim, after(a, 0.06))

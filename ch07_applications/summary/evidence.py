"""Evidence for a sentence, and its verdict: paired tests of a lesson, its measurements, or counts over the course.

A point that rests on several tests holds if all of them favour it, and fails if all of them contradict it. Two
measurements differ if their 95 % intervals over seeds do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from common.claims import comparisons_of
from common.paper_claims import FAILS, HOLDS, UNDECIDED
from common.record import ChapterRecord, LessonRecord
from common.results import Interval, wilson_interval
from common.tables import with_unit

Course = Mapping[str, ChapterRecord]
AHEAD, LEVEL, BEHIND = "ahead", "not significantly different", "behind"
SPELLED_OUT = 3  # pairs with their scores; if there are more, only the names are listed by verdict


@dataclass(frozen=True)
class Judged:
    """A point's numbers in words, for and against it, and the verdict."""

    ours: str
    against: str
    verdict: str


@dataclass(frozen=True)
class ByTests:
    """Pairs of methods that a lesson tested on the same items; the first of each pair should be better."""

    lesson: str  # with its chapter: "ch05_cnn/transfer"
    metric: str
    pairs: tuple[tuple[str, str], ...]

    def judge(self, course: Course) -> Judged:
        """Decide by the lesson's own paired tests, corrected by Holm's method. Raises LookupError if one is missing."""
        record = lesson_of(course, self.lesson)
        try:
            winners = [comparisons_of(record, *pair, self.metric)[0].winner for pair in self.pairs]
        except ValueError as error:
            raise LookupError(str(error)) from error
        places = [
            AHEAD if winner == ours else LEVEL if winner is None else BEHIND
            for (ours, _), winner in zip(self.pairs, winners, strict=True)
        ]
        verdict = {(AHEAD,): HOLDS, (BEHIND,): FAILS}.get(tuple(set(places)), UNDECIDED)
        if len(self.pairs) > SPELLED_OUT:
            listed = [self._listed(place, places) for place in (AHEAD, LEVEL, BEHIND)]
            return Judged(f"{self.metric}: {listed[0]}", "; ".join(listed[1:]), verdict)
        place = [f" ({place})" if len(self.pairs) > 1 else "" for place in places]
        ours, rivals = ([self._score(record, name) for name in side] for side in zip(*self.pairs, strict=True))
        sides = "; ".join(map("".join, zip(ours, place, strict=True))), "; ".join(rivals)
        return Judged(f"{self.metric}: {sides[0]}", sides[1], verdict)

    def _score(self, record: LessonRecord, method: str) -> str:
        return f"{method} {with_unit(*score(record, method, self.metric))}"

    def _listed(self, place: str, places: Sequence[str]) -> str:
        """The number of pairs with this verdict, and the first method of each."""
        names = [ours for (ours, _), each in zip(self.pairs, places, strict=True) if each == place]
        return f"{len(names)} of {len(places)} {place}" + (f": {', '.join(names)}" if names else "")


@dataclass(frozen=True)
class ByMeasurement:
    """Two measurements of a lesson, or one and a number. expects: the first is "lower", "higher" or "level".

    metric: of two methods; None: the two are facts. margin: for "level", as a share of the second.
    """

    lesson: str
    ours: str
    against: str | float
    expects: str
    metric: str | None = None
    margin: float = 0.0

    def judge(self, course: Course) -> Judged:
        """Decide by intervals over the seeds. Raises LookupError if something was not measured."""
        record = lesson_of(course, self.lesson)
        first, unit = self._found(record, self.ours)
        shown = [f"{self.metric}: " * (self.metric is not None) + f"{self.ours}: {with_unit(first, unit)}"]
        if isinstance(self.against, str):
            second, unit = self._found(record, self.against)
            shown.append(f"{self.against}: {with_unit(second, unit)}")
        else:
            second = Interval(self.against)
            shown.append(f"{self.against:g}")
        (low, high), (other_low, other_high) = ends(first), ends(second)
        below, above = high < other_low, low > other_high
        if self.expects == "level":
            reach = self.margin * abs(second.value)
            close = high - other_low <= reach and other_high - low <= reach
            far = low - other_high > reach or other_low - high > reach
            return Judged(*shown, HOLDS if close else FAILS if far else UNDECIDED)
        agrees, contradicts = (below, above) if self.expects == "lower" else (above, below)
        return Judged(*shown, HOLDS if agrees else FAILS if contradicts else UNDECIDED)

    def _found(self, record: LessonRecord, name: str) -> tuple[Interval, str]:
        return record.findings()[name] if self.metric is None else score(record, name, self.metric)


@dataclass(frozen=True)
class ByCount:
    """Something counted over the whole course. count returns (times it occurred, times it could occur)."""

    came_out: str
    else_: str
    count: Callable[[Course], tuple[int, int]]
    more_than: float

    def judge(self, course: Course) -> Judged:
        """Decide whether the share is above more_than, by its Wilson interval. Raises LookupError if there is none."""
        some, total = self.count(course)
        if not total:
            raise LookupError(f"nothing to count: {self.came_out}")
        share = wilson_interval(some, total)
        verdict = HOLDS if share.low > self.more_than else FAILS if share.high < self.more_than else UNDECIDED
        return Judged(f"{some} of {total} {self.came_out}", f"{total - some} of {total} {self.else_}", verdict)


def lesson_of(course: Course, name: str) -> LessonRecord:
    """A lesson's record by chapter and name, "ch05_cnn/transfer". Raises LookupError if there is none."""
    package, _, lesson = name.partition("/")
    return course[package].lessons[lesson]


def score(record: LessonRecord, method: str, metric: str) -> tuple[Interval, str]:
    """A method's metric over all seeds with its unit. Raises LookupError if it was not measured."""
    for row in record.scores():
        if (row.method, row.metric) == (method, metric):
            return row.interval, row.unit
    raise LookupError(f"{metric} of {method!r} was not measured")


def ends(interval: Interval) -> tuple[float, float]:
    """Both ends; the value itself if there is no interval."""
    known = interval.low == interval.low  # false for NaN
    return (interval.low, interval.high) if known else (interval.value, interval.value)

"""The whole course in one table: where networks beat the best method without one, where they do not, and at what cost.

Question   Every chapter set what it taught beside classical methods that learned from the same items. Who won how
           often, and at what cost? And does the course support the lecture's summary slide, point by point?
Method     Nothing is trained. The results of all chapters are read: the committed ones, replaced lesson by lesson by
           those that this lesson's own run has made since (unless at smoke). A *contest* is the fairest pair that a
           lesson tested:
           1. Its paired tests by one metric are taken. Methods that tests link, directly or through others, were scored
              on the same items; each such group is considered by itself. Tests on validation data, known by the name
              of the metric, of a method or of the lesson (NOT_TESTS), do not count: nothing may be judged on the data
              that it was chosen on.
           2. On one side stand learned networks (kind "deep" or "network"; in chapters 1 to 4 also what is written from
              scratch there), on the other classical methods (kind "classical").
           3. Of the classical methods that were tested against a network, the one with the best score is the rival; of
              the networks that were tested against that rival, the one with the best score meets it. Both are chosen by
              their scores on test items, alike.
           4. The verdict is that of their paired test, with the lesson's correction by Holm's method: the network is
              better (won), worse (lost), or not significantly different (tied).
           Where two lessons of a task hold the same contest, with the same names and metric, the later one counts.
           Chapters 1 to 3 teach models of one layer or none. They are drawn and counted separately.
           Points of the slide are listed, with their evidence, in summary/slide_points.py.
Rival      Of each contest, its own. Of the slide, the numbers that contradict it.
Differs    Only a metric with a value per item has a paired test: Fréchet distances, for example, are in no contest.
           Contests of the same methods by several metrics depend on each other, but the tally counts each of them. Some
           lessons show how a network fails (sixteen layers of tanh, say): their contests count like all others.
           Seconds are those of the committed results' machine, which the lessons shared.
Costs      2 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ch07_applications.summary.contest import LOST, OUTCOMES, SINGLE_LAYER, WON, Contest, is_learned, where
from ch07_applications.summary.drawn_contests import draw_contests
from ch07_applications.summary.evidence import ByCount, Course, Judged
from ch07_applications.summary.newest_results import newest_results
from ch07_applications.summary.slide_points import POINTS, Point
from common.adopt import ROOT
from common.paired import Comparison
from common.paper_claims import PaperClaims
from common.record import ChapterRecord, PaperClaim
from common.results import Row
from common.run import Run
from common.tables import number

VALIDATION = "validation"
NOT_TESTS = {("ch06_detection", "still_camera")}  # judges on frames on which the settings of its detectors were chosen
NETWORKS, SINGLE = "chapters 4 to 7", "chapters 1 to 3"
COMPARE = "Do not forget to compare your work with approaches that do not use deep learning"
CHANCE = 0.05  # how often any verdict of this course may be wrong


# Contests


def linked(comparisons: Iterable[Comparison]) -> list[list[Comparison]]:
    """Comparisons by metric and by methods that they link: those of a group were scored on the same items."""
    groups: list[list[Comparison]] = []
    for each in comparisons:
        near = [g for g in groups if any(c.metric == each.metric and {c.a, c.b} & {each.a, each.b} for c in g)]
        apart = [g for g in groups if not any(g is other for other in near)]
        groups = [*apart, [*(c for g in near for c in g), each]]
    return groups


def best(rows: Iterable[Row], higher_is_better: bool) -> Row:
    """The row with the best value; the first of several."""
    return (max if higher_is_better else min)(rows, key=lambda row: row.value)


def fairest_pair(
    package: str, scores: Iterable[Row], group: Sequence[Comparison]
) -> tuple[Row, Row, str | None] | None:
    """The best network that was tested against the best classical method, and that: their rows, and who won.

    group: comparisons by one metric on the same items. None where no network was tested against a classical method.
    """
    metric, higher = group[0].metric, group[0].higher_is_better
    rows = {row.method: row for row in scores if row.metric == metric}
    tests: dict[tuple[str, str], str | None] = {}  # network and classical method: the winner
    networks = {name for name, row in rows.items() if is_learned(package, row.kind)}
    classical = {name for name, row in rows.items() if row.kind == "classical"}
    for c in group:
        for ours, rival in ((c.a, c.b), (c.b, c.a)):
            if ours in networks and rival in classical:
                tests[ours, rival] = c.winner
    if not tests:
        return None
    rival = best((rows[name] for _, name in tests), higher)
    ours = best((rows[name] for name, other in tests if other == rival.method), higher)
    return ours, rival, tests[ours.method, rival.method]


def contests_of(package: str, chapter: ChapterRecord) -> Iterator[Contest]:
    """The contests of a chapter, lesson by lesson."""
    for name, lesson in chapter.lessons.items():
        if (package, name) in NOT_TESTS:
            continue
        judged = [c for c in lesson.comparisons if not any(VALIDATION in text for text in (c.a, c.b, c.metric))]
        scores = lesson.scores()
        for group in linked(judged):
            if pair := fairest_pair(package, scores, group):
                yield Contest(package, where(package, chapter, name), name, group[0].metric, *pair)


def all_contests(course: Course) -> list[Contest]:
    """Those of all chapters; where two lessons of a task hold the same, the later one's."""
    found = {}
    for package, chapter in course.items():
        for contest in contests_of(package, chapter):
            task = contest.lesson.rpartition("/")[0] or contest.lesson
            found[package, task, contest.metric, contest.ours.method, contest.rival.method] = contest
    return list(found.values())


def by_place(contests: Iterable[Contest]) -> dict[str, list[Contest]]:
    """Contests by chapter or task, in the course's order."""
    found: dict[str, list[Contest]] = {}
    for contest in contests:
        found.setdefault(contest.where, []).append(contest)
    return found


# The tally


def state_tally(run: Run, name: str, contests: Sequence[Contest]) -> None:
    """As facts: how many contests were won, tied and lost; how many have known costs, and the median of these."""
    for outcome in OUTCOMES:
        run.fact(f"{name}: contests {outcome}", sum(contest.outcome == outcome for contest in contests))
    for what in ("seconds", "size"):
        ratios = [ratio for contest in contests if (ratio := getattr(contest, what)) is not None]
        if ratios:
            run.fact(f"{name}: contests with known {what}", len(ratios))
            run.fact(f"{name}: median {what}, network over rival", float(np.median(ratios)))


def counted(contests: Sequence[Contest]) -> str:
    """How many contests came out how, in words."""
    outcomes = [contest.outcome for contest in contests]
    return ", ".join(f"{outcomes.count(outcome)} are {outcome}" for outcome in OUTCOMES)


def described(contest: Contest) -> str:
    """A contest in words, with both scores."""
    ours, rival = contest.ours, contest.rival
    scores = " and ".join(f"{number(row.value)} {row.unit}".strip() for row in (ours, rival))
    return f"{ours.method} and {rival.method} in {contest.metric} ({contest.where}): {scores}"


# The slide


def not_won(contests: Sequence[Contest]) -> Point:
    """The slide's last point: in how many contests the network does not beat the best rival."""

    def count(_: Course) -> tuple[int, int]:
        return sum(contest.outcome != WON for contest in contests), len(contests)

    claim = f"In more than {100 * CHANCE:g} % of the contests the network does not beat the best rival"
    return Point(COMPARE, claim, ByCount("contests are tied or lost by the network", "are won", count, CHANCE))


def judge_points(course: Course, points: Iterable[Point]) -> Iterator[tuple[Point, Judged | None]]:
    """Every point with its verdict; None where a chapter that has its evidence was not read."""
    for point in points:
        try:
            yield point, point.evidence.judge(course)
        except LookupError:
            yield point, None


def state_points(run: Run, course: Course, contests: Sequence[Contest]) -> None:
    """The slide's points as rows of the claims table."""
    claims = PaperClaims(run)
    for point, judged in judge_points(course, [*POINTS, not_won(contests)]):
        if judged is None:
            run.note(f"Left out: a point on “{point.slide}”, whose evidence in {point.source} is not there.")
            continue
        source = f"summary slide; {point.source}"
        row = PaperClaim(point.claim, source, f"“{point.slide}”", judged.ours, judged.against, judged.verdict)
        claims.pending.append(lambda *_, row=row: row)


def lesson(run: Run) -> None:
    course = newest_results(ROOT, run.folder.parent, run.lesson, run.note)
    contests = all_contests(course)
    if not contests:
        run.note("Left out: the tally, for no results of any chapter hold a contest.")
        return
    networks = [contest for contest in contests if contest.package not in SINGLE_LAYER]
    run.fact("lessons whose results were read", sum(len(chapter.lessons) for chapter in course.values()))
    single = [contest for contest in contests if contest.package in SINGLE_LAYER]
    state_tally(run, NETWORKS, networks)
    state_tally(run, SINGLE, single)
    if ratios := [c.seconds for c in networks if c.outcome == WON and c.seconds is not None]:
        run.fact(f"{NETWORKS}: median seconds, network over rival, where it won", float(np.median(ratios)))
    for name, some in by_place(contests).items():
        state_tally(run, name, some)
    lost = [described(contest) for contest in networks if contest.outcome == LOST]
    run.note(f"Of {len(networks)} contests of networks, {len(lost)} are lost: {'; '.join(lost) or 'none'}.")
    state_points(run, course, networks)
    run.figure(
        "contests", draw_contests, by_place(contests), len(by_place(single)),
        caption="By chapter, and by task of chapter 7, from left to right: contests that the network won (green), tied "
        "(grey) and lost (red); seconds to fit, the network's over its rival's; numbers that the models keep, the "
        "network's over its rival's. A point is a contest whose costs are known; the line marks equal costs. Above the "
        f"dashed line stand models of one layer or none, which chapters 1 to 3 teach: of their {len(single)} contests, "
        f"{counted(single)}. Of the {len(networks)} contests of {NETWORKS}, {counted(networks)}.",
    )  # fmt: skip

"""The verdict on a point: all tests in its favour, separate intervals, a share significantly above a limit."""

import pytest

from ch07_applications.summary.evidence import ByCount, ByMeasurement, ByTests
from ch07_applications.summary.slide_points import changes, papers
from ch07_applications.tests.summary.made_results import chapter, compared, row
from common.paper_claims import FAILS, HOLDS, UNDECIDED
from common.record import Fact, PaperClaim
from common.results import Row


def course(rows=(), comparisons=(), facts=(), package="ch05_cnn"):
    made = chapter(package, "race", rows, comparisons)
    made.lessons["race"].facts = list(facts)
    return {package: made}


def outcome(winners, **more):
    """The verdict on pairs (n0, base), (n1, base), … with these winners: "n" for the first, "b", or None."""
    pairs = tuple((f"n{i}", "base") for i in range(len(winners)))
    rows = [row(name, "deep", 80) for name, _ in pairs] + [row("base", "deep", 70)]
    names = [{"n": ours, "b": "base", None: None}[w] for (ours, _), w in zip(pairs, winners, strict=True)]
    comparisons = [compared(*pair, name) for pair, name in zip(pairs, names, strict=True)]
    return ByTests("ch05_cnn/race", "accuracy", pairs).judge(course(rows, comparisons, **more))


@pytest.mark.parametrize(
    ("winners", "verdict"),
    [("n", HOLDS), ("b", FAILS), ([None], UNDECIDED), ("nnn", HOLDS), ("bb", FAILS), ("nb", UNDECIDED)],
)
def test_several_tests_decide_where_all_agree(winners, verdict):
    assert outcome(winners).verdict == verdict


def test_one_tie_among_wins_leaves_a_point_undecided():
    assert outcome(["n", None, "n"]).verdict == UNDECIDED


def test_of_a_few_pairs_each_score_is_shown_and_how_its_test_came_out():
    judged = outcome(["n", None])
    assert judged.ours == "accuracy: n0 80.0 ± 1.0 % (ahead); n1 80.0 ± 1.0 % (not significantly different)"
    assert judged.against == "base 70.0 ± 1.0 %; base 70.0 ± 1.0 %"


def test_of_many_pairs_the_names_are_listed_by_how_they_came_out():
    judged = outcome(["n", None, "b", "n"])
    assert judged.ours == "accuracy: 2 of 4 ahead: n0, n3"
    assert judged.against == "1 of 4 not significantly different: n1; 1 of 4 behind: n2"


def measured(ours, against, expects, margin=0.0):
    facts = [Fact("ours", value, seed=seed) for seed, value in enumerate(ours)]
    if not isinstance(against, float):
        facts += [Fact("theirs", value, seed=seed) for seed, value in enumerate(against)]
        against = "theirs"
    return ByMeasurement("ch05_cnn/race", "ours", against, expects, margin=margin).judge(course(facts=facts)).verdict


@pytest.mark.parametrize(
    ("ours", "against", "expects", "verdict"),
    [
        ([1.0, 1.1, 0.9], [2.0, 2.1, 1.9], "lower", HOLDS),
        ([1.0, 1.1, 0.9], [2.0, 2.1, 1.9], "higher", FAILS),
        ([1.0, 1.9, 0.1], [2.0, 2.1, 1.9], "lower", UNDECIDED),
        ([1.0, 1.1, 0.9], 2.0, "lower", HOLDS),
        ([1.0, 1.1, 0.9], 2.0, "higher", FAILS),
        ([1.0, 3.9, 0.1], 2.0, "lower", UNDECIDED),
        ([3.0], 2.0, "higher", HOLDS),
        ([2.0], 2.0, "higher", UNDECIDED),
    ],
)
def test_measurements_decide_where_their_intervals_are_apart(ours, against, expects, verdict):
    assert measured(ours, against, expects) == verdict


@pytest.mark.parametrize(
    ("ours", "margin", "verdict"),
    [([1.00, 1.01], 0.15, HOLDS), ([1.0, 1.5], 0.1, UNDECIDED), ([2.00, 2.01], 0.1, FAILS), ([0.4, 0.41], 0.1, FAILS)],
)
def test_level_is_within_the_margin_with_the_whole_interval(ours, margin, verdict):
    assert measured(ours, 1.0, "level", margin) == verdict


def test_two_methods_can_be_measured_by_a_metric():
    rows = [Row("", name, "deep", "digits", v, v - 1, v + 1, 9) for name, v in (("qr", 11.0), ("normal", 4.0))]
    assert ByMeasurement("ch05_cnn/race", "qr", "normal", "higher", "digits").judge(course(rows)).verdict == HOLDS


@pytest.mark.parametrize(("some", "verdict"), [(80, HOLDS), (50, UNDECIDED), (20, FAILS)])
def test_a_share_decides_by_its_interval(some, verdict):
    judged = ByCount("do", "do not", lambda _: (some, 100), 0.5).judge({})
    assert judged.verdict == verdict
    assert (judged.ours, judged.against) == (f"{some} of 100 do", f"{100 - some} of 100 do not")


@pytest.mark.parametrize(
    "evidence",
    [
        ByTests("ch05_cnn/race", "accuracy", (("a", "b"),)),
        ByTests("ch05_cnn/none", "accuracy", (("a", "b"),)),
        ByTests("ch06_detection/race", "accuracy", (("a", "b"),)),
        ByMeasurement("ch05_cnn/race", "none", 1.0, "lower"),
        ByMeasurement("ch05_cnn/race", "none", 1.0, "lower", "digits"),
        ByCount("do", "do not", lambda _: (0, 0), 0.5),
    ],
)
def test_missing_evidence_is_a_lookup_error(evidence):
    with pytest.raises(LookupError):
        evidence.judge(course())


def test_changes_are_tests_between_networks_from_chapter_4_on():
    rows = [row("a", "deep", 1), row("b", "network", 1), row("c", "from scratch", 1), row("x", "classical", 1)]
    comparisons = [compared("a", "b", "b"), compared("a", "c", None), compared("a", "x", "a")]
    assert changes(course(rows, comparisons)) == (1, 1)
    assert changes(course(rows, comparisons, package="ch04_backprop")) == (1, 2)
    assert changes(course(rows, comparisons, package="ch01_regression")) == (0, 0)


def test_papers_are_counted_by_verdict():
    made = course()
    verdicts = (HOLDS, HOLDS, FAILS, UNDECIDED)
    made["ch05_cnn"].lessons["race"].claims = [PaperClaim("", "", "", "", "", verdict) for verdict in verdicts]
    assert papers(made) == (2, 4)
    made["ch05_cnn"].lessons["race"].claims += [PaperClaim("", "not compared", "–", "", "", HOLDS)]
    assert papers(made) == (2, 4), "our own questions are no claims of papers"

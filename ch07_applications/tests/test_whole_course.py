"""The last lesson: the pairs of contests, the rule for them, the results that are read, and the slide's verdicts."""

import json
import re
from pathlib import Path

import pytest

from ch07_applications import whole_course
from ch07_applications.summary.contest import LOST, SINGLE_LAYER, TIED, WON
from ch07_applications.summary.newest_results import newest_results
from ch07_applications.tests.summary.made_results import a_run, chapter, compared, put, row
from ch07_applications.whole_course import all_contests, contests_of, linked
from common.adopt import ROOT
from common.paper_claims import FAILS, HOLDS, UNDECIDED
from common.record import load


def contests(rows, comparisons, package="ch05_cnn", lesson="race"):
    return list(contests_of(package, chapter(package, lesson, rows, comparisons)))


def the_contest(rows, comparisons, package="ch05_cnn"):
    (found,) = contests(rows, comparisons, package)
    return found


# --- The rule


def test_the_strongest_rival_meets_the_best_network_that_was_tested_against_it():
    rows = [row("small", "deep", 80), row("large", "deep", 85), row("best", "deep", 99)]
    rows += [row("weak", "classical", 70), row("strong", "classical", 82)]
    comparisons = [compared("small", "strong", "strong"), compared("large", "strong", None)]
    comparisons += [compared("best", "weak", "best"), compared("small", "weak", "small")]
    found = the_contest(rows, comparisons)
    assert (found.ours.method, found.rival.method, found.outcome) == ("large", "strong", TIED)


@pytest.mark.parametrize(("winner", "outcome"), [("net", WON), ("forest", LOST), (None, TIED)])
@pytest.mark.parametrize("turned", [False, True])
def test_the_outcome_is_the_test_s(winner, outcome, turned):
    sides = ("forest", "net") if turned else ("net", "forest")
    found = the_contest([row("net", "deep", 80), row("forest", "classical", 82)], [compared(*sides, winner)])
    assert found.outcome == outcome


def test_a_higher_score_that_no_test_confirms_is_a_tie():
    found = the_contest([row("net", "deep", 99), row("forest", "classical", 1)], [compared("net", "forest", None)])
    assert found.outcome == TIED


def test_where_lower_is_better_the_lowest_score_is_the_best():
    rows = [row("net", "deep", 2, "RMSE"), row("wide", "deep", 3, "RMSE")]
    rows += [row("line", "classical", 4, "RMSE"), row("mean", "classical", 9, "RMSE")]
    comparisons = [compared(a, b, a, "RMSE", higher=False) for a in ("net", "wide") for b in ("line", "mean")]
    found = the_contest(rows, comparisons)
    assert (found.ours.method, found.rival.method, found.outcome) == ("net", "line", WON)


@pytest.mark.parametrize(
    ("package", "counts"), [("ch01_regression", True), ("ch04_backprop", True), ("ch05_cnn", False)]
)
def test_from_scratch_counts_as_learned_in_the_first_four_chapters(package, counts):
    rows = [row("ours", "from scratch", 80), row("forest", "classical", 82)]
    assert bool(contests(rows, [compared("ours", "forest", None)], package)) == counts


def test_references_and_methods_of_one_side_are_no_contest():
    rows = [row("net", "deep", 80), row("wide", "network", 81), row("library", "reference", 82)]
    assert contests(rows, [compared("net", "wide", None), compared("net", "library", None)]) == []


@pytest.mark.parametrize(
    ("ours", "metric"),
    [("net, validation", "accuracy"), ("validation: net", "accuracy"), ("net", "accuracy on validation")],
)
def test_what_is_judged_on_validation_data_does_not_count(ours, metric):
    rows = [row(ours, "deep", 80, metric), row("forest", "classical", 82, metric)]
    assert contests(rows, [compared(ours, "forest", None, metric)]) == []


def test_a_lesson_that_judges_on_data_on_which_settings_were_chosen_holds_no_contest():
    rows, comparisons = [row("net", "deep", 80), row("x", "classical", 82)], [compared("net", "x", "x")]
    assert contests(rows, comparisons, "ch06_detection", "still_camera") == []
    assert len(contests(rows, comparisons, "ch06_detection", "comparison")) == 1


def test_methods_on_other_items_are_another_contest():
    rows = [row("net, digits", "deep", 80), row("net, clothes", "deep", 60)]
    rows += [row("forest, digits", "classical", 70), row("forest, clothes", "classical", 65)]
    comparisons = [compared("net, digits", "forest, digits", "net, digits")]
    comparisons += [compared("net, clothes", "forest, clothes", "forest, clothes")]
    assert [contest.outcome for contest in contests(rows, comparisons)] == [WON, LOST]


def test_a_test_between_two_networks_links_their_rivals():
    rows = [row("a", "deep", 80), row("b", "deep", 60), row("x", "classical", 70), row("y", "classical", 65)]
    apart = [compared("a", "x", "a"), compared("b", "y", "y")]
    assert len(contests(rows, apart)) == 2
    found = the_contest(rows, [*apart, compared("a", "b", "a")])
    assert (found.ours.method, found.rival.method) == ("a", "x")


def test_groups_are_the_same_in_any_order():
    chain = [
        compared("a", "b", None),
        compared("c", "d", None),
        compared("b", "c", None),
        compared("a", "b", None, "loss"),
    ]
    assert sorted(map(len, linked(chain))) == sorted(map(len, linked(chain[::-1]))) == [1, 3]


def test_each_metric_is_a_contest_of_its_own():
    rows = [row(name, kind, 80, m) for name, kind in (("net", "deep"), ("x", "classical")) for m in ("accuracy", "F1")]
    found = contests(rows, [compared("net", "x", "net"), compared("net", "x", "x", "F1")])
    assert {contest.metric: contest.outcome for contest in found} == {"accuracy": WON, "F1": LOST}


def test_what_a_task_s_comparison_repeats_counts_once_and_as_it_says():
    rows, package = [row("net", "deep", 80), row("x", "classical", 82)], "ch07_applications"
    made = chapter(package, "colour/net", rows, [compared("net", "x", "net")])
    made.lessons |= chapter(package, "colour/comparison", rows, [compared("net", "x", None)]).lessons
    made.lessons |= chapter(package, "style/net", rows, [compared("net", "x", "x")]).lessons
    assert [(c.where, c.outcome) for c in all_contests({package: made})] == [("colour", TIED), ("style", LOST)]


def test_the_lessons_of_a_chapter_without_tasks_are_no_repeats():
    rows = [row("net", "deep", 80), row("x", "classical", 82)]
    made = chapter("ch06_detection", "scenes", rows, [compared("net", "x", "net")])
    made.lessons |= chapter("ch06_detection", "films", rows, [compared("net", "x", None)]).lessons
    assert [(c.where, c.outcome) for c in all_contests({"ch06_detection": made})] == [
        ("6 Made up", WON),
        ("6 Made up", TIED),
    ]


def test_costs_are_ratios_and_unknown_where_one_side_s_is():
    net = row("net", "deep", 80, fit_seconds=30.0, parameters=100)
    found = the_contest([net, row("x", "classical", 70, fit_seconds=2.0)], [compared("net", "x", "net")])
    assert (found.seconds, found.size) == (15.0, None)
    found = the_contest([net, row("x", "classical", 70, parameters=0)], [compared("net", "x", "net")])
    assert (found.seconds, found.size) == (None, None)


# --- The lesson


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository of three chapters, in which networks won, tied and lost once each."""
    rows = [row("net", "deep", 80, fit_seconds=8.0), row("x", "classical", 82, fit_seconds=2.0)]
    root = tmp_path / "repository"
    for package, winner in (("ch04_backprop", "net"), ("ch05_cnn", None), ("ch06_detection", "x")):
        put(root, chapter(package, "race", rows, [compared("net", "x", winner)]))
    monkeypatch.setattr(whole_course, "ROOT", root)
    return root


def facts(run):
    return {fact.name: fact.value for fact in run.record.facts}


def tally(run):
    return [facts(run)[f"chapters 4 to 7: contests {outcome}"] for outcome in (WON, TIED, LOST)]


def taught(out, preset="lecture"):
    run = a_run(out, preset)
    run.figure = lambda *args, **kwargs: None
    whole_course.lesson(run)
    run.finish()
    return run


def test_the_tally_counts_and_weighs_every_contest(course, tmp_path):
    run = taught(tmp_path)
    assert tally(run) == [1, 1, 1]
    assert facts(run)["lessons whose results were read"] == 3
    assert facts(run)["chapters 4 to 7: median seconds, network over rival"] == 4.0
    assert facts(run)["5 Made up: contests tied"] == 1
    assert "chapters 4 to 7: median size, network over rival" not in facts(run)


def test_what_this_run_has_measured_takes_the_place_of_what_is_committed(course, tmp_path):
    rows = [row("net", "deep", 80), row("x", "classical", 82)]
    put(tmp_path / "out", chapter("ch05_cnn", "race", rows, [compared("net", "x", "net")]))
    assert tally(taught(tmp_path / "out")) == [2, 0, 1]
    put(tmp_path / "out", chapter("ch05_cnn", "race", rows, [compared("net", "x", "net")], preset="smoke"))
    assert tally(taught(tmp_path / "out")) == [1, 1, 1]


@pytest.mark.parametrize("harm", ["missing", "damaged", "older"])
def test_a_chapter_whose_results_cannot_be_read_is_named(course, tmp_path, harm):
    path = course / "ch05_cnn" / "results.json"
    raw = json.loads(path.read_text())
    if harm == "missing":
        path.unlink()
    elif harm == "damaged":
        path.write_text(path.read_text()[:-40])
    else:
        del raw["machine"]
        path.write_text(json.dumps(raw))
    run = taught(tmp_path)
    assert tally(run) == [1, 0, 1]
    (left_out,) = [note for note in run.record.notes if note.startswith("Left out") and "point" not in note]
    assert "ch05_cnn" in left_out
    assert str(tmp_path) not in left_out


def test_without_any_results_the_lesson_says_so_and_returns(course, tmp_path):
    for path in course.glob("*/results.json"):
        path.unlink()
    run = taught(tmp_path)
    assert run.record.facts == run.record.claims == []
    assert run.record.notes[-1].startswith("Left out: the tally")


def test_points_whose_evidence_is_not_there_are_named_and_the_others_stated(course, tmp_path):
    run = taught(tmp_path)
    assert any("point" in note and "ch05_cnn/transfer" in note for note in run.record.notes)
    last = run.record.claims[-1]
    assert (last.ours, last.against) == ("2 of 3 contests are tied or lost by the network", "1 of 3 are won")
    assert last.verdict == HOLDS


def test_at_smoke_nothing_is_claimed(course, tmp_path):
    assert taught(tmp_path, "smoke").record.claims == []


# --- The committed results


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    return taught(tmp_path_factory.mktemp("nothing"))


def test_lessons_that_hold_no_contest_are_known_by_the_names_that_they_have():
    for package, name in whole_course.NOT_TESTS:
        assert name in load(ROOT / package / "results.json").lessons


def test_every_point_of_the_slide_finds_its_evidence_in_the_committed_results(committed):
    assert [note for note in committed.record.notes if note.startswith("Left out")] == []
    assert len(committed.record.claims) == len(whole_course.POINTS) + 1
    assert {claim.verdict for claim in committed.record.claims} == {HOLDS, UNDECIDED, FAILS}
    assert all(claim.source.startswith("summary slide; ") for claim in committed.record.claims)


def test_what_is_committed_of_this_lesson_is_what_the_committed_results_say(committed):
    """The digest of the code cannot tell that results have changed which this lesson reads."""
    there = load(ROOT / "ch07_applications" / "results.json").lessons.get("whole_course")
    if there is None:
        pytest.skip("not measured yet")
    again = "other results than it read: take whole_course out of ch07_applications/results.json, and `make results`"
    assert {fact.name: fact.value for fact in there.facts} == facts(committed), again
    assert there.claims == committed.record.claims, again


def test_the_page_explains_every_contest_that_a_network_of_chapters_4_to_7_lost():
    """The third cell of each row of its table holds the two scores of a contest, as marks; some rows have two pairs."""
    course = newest_results(ROOT, Path("nothing"), "whole_course", print)
    lost = {
        (each.package, each.metric, each.ours.method, each.rival.method)
        for each in all_contests(course)
        if each.package not in SINGLE_LAYER and each.outcome == LOST
    }
    page = (ROOT / "ch07_applications" / "README.md").read_text(encoding="utf-8")
    table = page.partition("### Where the networks lost")[2].partition("### ")[0]
    explained = set()
    for line in table.splitlines():
        if "<!-- score:" in line:
            scores = re.findall(r"<!-- score: (ch\d\d_\w+)/(.+?)/([^/]+?)/([^/]+?) -->", line.split("|")[3])
            for (package, _, ours, metric), (_, _, rival, same) in zip(scores[::2], scores[1::2], strict=True):
                assert metric == same
                explained.add((package, metric, ours, rival))
    assert explained == lost

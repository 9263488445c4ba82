"""The claims table: a claim is decided by the test that the lesson's verdicts come from, and by nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common import readme
from common.claims_tables import tally
from common.console import Console
from common.data import Scale
from common.data.parts import Table
from common.paired import corrected
from common.paper_claims import FAILS, HOLDS, UNDECIDED, PaperClaims, paired_p
from common.record import ChapterRecord, LessonRecord, PaperClaim, load
from common.run import Run
from common.tables import claim_line

N = 200
PART = Table(np.zeros((N, 1)), np.zeros(N), ("x",))


def teach(lesson, seeds=3, preset="lecture"):
    """Run a lesson over seeds as the runner does; returns its claims."""
    record, pairs, runs = LessonRecord("", ""), {}, []
    for seed in range(seeds):
        run = Run("toy", seed, Scale(preset), record, Path(), Console(quiet=True), first=not runs, pairs=pairs)
        runs.append(run)
        lesson(run)
    record.comparisons = corrected(pair.compare() for pair in pairs.values())
    runs[0].finish()
    return record.claims


def score(run, name, share, noise=1.0):
    values = share + noise * np.random.default_rng((run.seed, len(name))).standard_normal(N)
    with run.method(name, kind="deep") as method:
        method.score_items("mark", values, PART, higher_is_better=True)


def one(gap, noise=1.0, **settings):
    def lesson(run):
        score(run, "new", 50 + gap, noise)
        score(run, "plain", 50, noise)
        words = {"source": "§1", "paper": "51 against 50", "ours": "new", "against": "plain"}
        PaperClaims(run).compared("new is better", **words, **settings)

    return lesson


@pytest.mark.parametrize(("gap", "verdict"), [(2, HOLDS), (-2, FAILS), (0.01, UNDECIDED)])
def test_a_comparison_decides(gap, verdict):
    (claim,) = teach(one(gap))
    assert claim.verdict == verdict
    assert (claim.claim, claim.source, claim.paper) == ("new is better", "§1", "51 against 50")
    assert claim.ours.startswith("new: ")
    assert "±" in claim.ours
    assert claim.against.startswith("plain: ")


@pytest.mark.parametrize(("gap", "verdict"), [(0.0, HOLDS), (3.0, FAILS), (-3.0, FAILS), (1.0, UNDECIDED)])
def test_no_difference_is_shown_by_an_interval_within_the_margin_not_by_a_test_that_finds_none(gap, verdict):
    assert teach(one(gap, expects="level", margin=1.0))[0].verdict == verdict
    assert teach(one(0.0, noise=40.0, expects="level", margin=1.0))[0].verdict == UNDECIDED


def test_a_comparison_is_asked_for_once_a_seed_whoever_asks_first():
    seen = []

    def lesson(run):
        score(run, "new", 52)
        score(run, "plain", 50)
        run.compare("plain", "new")
        claims = PaperClaims(run)
        for name in ("first", "second"):
            claims.compared(name, source="", paper="", ours="new", against="plain")
        seen.append({key: len(pair.seeds) for key, pair in run.pairs.items()})

    assert [claim.verdict for claim in teach(lesson)] == [HOLDS, HOLDS]
    assert seen == [{("plain", "new", "mark"): n} for n in (1, 2, 3)]


def test_a_comparison_without_item_scores_is_a_mistake():
    def lesson(run):
        for name in ("new", "plain"):
            with run.method(name, kind="deep") as method:
                method.measure("mark", 1.0, n=3)
        PaperClaims(run).compared("", source="", paper="", ours="new", against="plain", metric="mark")

    with pytest.raises(ValueError, match="no paired test"):
        teach(lesson)


def measured(values, **settings):
    def lesson(run):
        for name, of_seeds in values.items():
            run.fact(name, of_seeds[run.seed], "steps")
        PaperClaims(run).measured("faster", source="", paper="", ours="a", against="b", **settings)

    return lesson


@pytest.mark.parametrize(
    ("values", "expects", "verdict"),
    [
        ({"a": (10, 11, 12), "b": (30, 32, 31)}, "lower", HOLDS),
        ({"a": (10, 11, 12), "b": (30, 32, 31)}, "higher", FAILS),
        ({"a": (10, 31, 12), "b": (30, 12, 31)}, "lower", UNDECIDED),
        ({"a": (10, 10, 10), "b": (10, 10, 10)}, "lower", UNDECIDED),
        ({"a": (10, 10, 10), "b": (11, 11, 11)}, "lower", HOLDS),
    ],
)
def test_facts_are_compared_over_seeds(values, expects, verdict):
    assert teach(measured(values, expects=expects))[0].verdict == verdict


def test_one_seed_of_a_fact_decides_nothing():
    assert teach(measured({"a": (1,), "b": (9,)}, expects="lower"), seeds=1)[0].verdict == UNDECIDED


def test_ratios_are_tested_on_a_logarithmic_scale():
    values = {"a": (1e-6, 1e-5, 1e-4), "b": (1e-5, 1e-4, 1e-3 * 1.1)}
    assert teach(measured(values, expects="lower"))[0].verdict == UNDECIDED
    assert teach(measured(values, expects="lower", as_ratio=True))[0].verdict == HOLDS
    with pytest.raises(ValueError, match="not all positive"):
        teach(measured({"a": (0.0, 1.0, 2.0), "b": (1.0, 2.0, 3.0)}, expects="lower", as_ratio=True))


def test_several_claims_on_facts_are_corrected_for_their_number():
    values = {"a": (10.0, 11.0, 12.0), "b": (30.0, 29.0, 41.0)}
    alone = paired_p(np.subtract(*values.values()))
    assert 0.025 < 2 * alone < 0.05 < 4 * alone

    def lesson(run):
        for number in range(4):
            for name, of_seeds in values.items():
                run.fact(f"{name}{number}", of_seeds[run.seed])
        claims = PaperClaims(run)
        for number in range(4):
            settings = {"ours": f"a{number}", "against": f"b{number}", "expects": "lower"}
            claims.measured("", source="", paper="", **settings)

    assert {claim.verdict for claim in teach(lesson)} == {UNDECIDED}


def test_a_fact_that_is_missing_and_words_that_are_none_are_mistakes():
    with pytest.raises(ValueError, match="measured 3 and 0 times"):
        teach(measured({"a": (1, 2, 3)}, expects="lower"))
    with pytest.raises(ValueError, match="'lower' or 'higher', not 'less'"):
        teach(measured({"a": (1, 2, 3), "b": (1, 2, 3)}, expects="less"))
    with pytest.raises(ValueError, match="'better' or 'level', not 'worse'"):
        teach(one(1, expects="worse"))


def test_what_is_counted_needs_no_test_and_smoke_claims_nothing():
    def lesson(run):
        PaperClaims(run).counted("smaller", source="§2", paper="45 %", ours="27 C²", against="49 C²", holds=27 < 49)

    assert teach(lesson, seeds=1) == [PaperClaim("smaller", "§2", "45 %", "27 C²", "49 C²", HOLDS)]
    assert teach(lesson, seeds=1, preset="smoke") == []


# --- Where claims are shown -------------------------------------------------------------------------------------------

CLAIM = PaperClaim("new is better", "§1", "6 times", "new: 3", "plain: 2", HOLDS)


@pytest.fixture
def page(monkeypatch):
    made = ChapterRecord("ch07_toy", "Toys", {"preset": "lecture", "seeds": 1}, {"packages": {}})
    claims = [CLAIM, replace(CLAIM, verdict=UNDECIDED)]
    made.lessons = {
        "colour/net": LessonRecord("", "", claims=claims, seconds=[20.4]),
        "colour/deep": LessonRecord("", "", claims=[replace(CLAIM, claim="deeper is better")], seconds=[30.2]),
        "style/net": LessonRecord("", "", seconds=[9.0]),
    }
    monkeypatch.setattr(readme, "chapter", {"ch07_toy": made}.__getitem__)
    return made


def test_claims_come_back_from_the_file(page, tmp_path):
    page.save(tmp_path / "results.json")
    assert load(tmp_path / "results.json") == page


def test_a_page_shows_the_claims_of_a_lesson_or_of_a_task(page):
    of_lesson = readme.fill("<!-- claims: ch07_toy/colour/net -->\n<!-- end -->")
    assert "| new is better (§1) | 6 times | new: 3 | plain: 2 | holds |" in of_lesson
    assert "deeper" not in of_lesson
    of_task = readme.fill("<!-- claims: ch07_toy/colour -->\n<!-- end -->")
    assert "| net | new is better (§1)" in of_task
    assert "| deep | deeper is better (§1)" in of_task
    for what in ("style", "style/net", "none"):
        with pytest.raises(readme.Problem, match="names nothing that was measured"):
            readme.fill(f"<!-- claims: ch07_toy/{what} -->\n<!-- end -->")


def test_a_gallery_counts_claims_and_seconds(page):
    assert "2 of 3 hold, 1 undecided" in readme.fill("<!-- tally: ch07_toy/colour --><!-- end -->")
    assert "51 s" in readme.fill("<!-- tasktime: ch07_toy/colour --><!-- end -->")
    assert tally([CLAIM, replace(CLAIM, verdict=FAILS)]) == "1 of 2 hold"
    assert tally([CLAIM]) == "1 of 1 holds"


@pytest.mark.parametrize(
    ("source", "paper", "ours"),
    [
        ("§4, Table 1", "71.7 %", False),
        ("§4, Table 1", "–", False),  # claimed, without a number
        ("§4", "no number", False),
        ("Table 2", "67.8 %, rival not measured", False),
        ("authors' code", "65.4", False),
        ("–", "–", True),
        ("–", "not compared", True),
        ("not tested", "no number", True),
        ("not in the paper", "–", True),
        ("the lecture's question", "not compared", True),
        ("§1", "not measured", True),
        ("ours", "–", True),
    ],
)
def test_what_no_paper_claims_is_our_own_question(source, paper, ours):
    assert replace(CLAIM, source=source, paper=paper).is_ours == ours


def test_our_own_questions_stand_apart_and_are_counted_apart(page):
    asked = replace(CLAIM, claim="… and than old", source="not tested", verdict=FAILS)
    page.lessons["colour/net"].claims += [asked, replace(asked, claim="… and than nothing", source="–", verdict=HOLDS)]
    page.lessons["style/net"].claims = [asked]
    above, _, below = readme.fill("<!-- claims: ch07_toy/colour -->\n<!-- end -->").partition("*Our own questions*")
    assert "than old" not in above
    assert "| system | claim |" in above
    assert [line.split(" | ")[1] for line in below.splitlines() if line.startswith("| ")] == [
        "our own question",
        "---",
        "[new is better] … and than old (not tested)",  # what it goes on from stands in the other table
        "… and than nothing",
    ]
    assert "of 3 hold" in readme.fill("<!-- tally: ch07_toy/colour --><!-- end -->")
    assert "-->1 of 2 hold<!--" in readme.fill("<!-- ourtally: ch07_toy/colour --><!-- end -->")
    assert "-->1 of 3 hold<!--" in readme.fill("<!-- ourtally: ch07_toy --><!-- end -->")
    for mark in ("tally: ch07_toy/style", "ourtally: ch07_toy/colour/deep"):
        with pytest.raises(readme.Problem, match="names nothing that was measured"):
            readme.fill(f"<!-- {mark} --><!-- end -->")
    assert claim_line(asked) == "our own question: … and than old: does not hold (new: 3; plain: 2)"
    assert claim_line(CLAIM).startswith("claim: new is better (§1): holds")

"""Digits that the spread supports, one scoreboard layout everywhere, and verdicts that claim no more than the test."""

import json
import math
from dataclasses import replace

import pytest

from common import readme, tables
from common.console import Console
from common.paired import Comparison
from common.results import Interval, Row
from common.tables import (
    LONG,
    Sheet,
    count,
    fact_sheet,
    markdown,
    number,
    plus_minus,
    scoreboard,
    scoreboards,
    seconds,
    spread,
    verdicts,
)

NAN = math.nan


def row(method="line", metric="RMSE", value=4.6804, half=0.7421, **changes):
    settings = {"lesson": "l", "method": method, "kind": "from scratch", "metric": metric, "value": value}
    return Row(**{**settings, "low": value - half, "high": value + half, "n": 98, **changes})


def comparison(**changes):
    settings = {"a": "line", "b": "mean", "metric": "RMSE", "difference": -3.0212, "low": -3.9, "high": -2.2}
    return Comparison(**{**settings, "p_value": 0.0004, "test": "paired bootstrap", "n": 98, "unit": "mpg", **changes})


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (4.6804, 0.7421, "4.68"),
        (4.6804, 0.0421, "4.680"),
        (57.123, 7.4, "57.1"),
        (96.349, 12.0, "96"),
        (1234.5, 150.0, "1,234"),
        (0.9731, NAN, "0.9731"),
        (12.3456, NAN, "12.35"),
        (123456.7, NAN, "123,457"),
        (0.0, NAN, "0"),
        (1.3e-9, NAN, "1.3e-09"),
        (6.0712e6, NAN, "6,071,200"),
        (-0.0254, 0.066, "−0.025"),
        (1.0, 0.0, "1"),
        (150.0, NAN, "150"),
        (-14.0, NAN, "−14"),
        (9298.0, NAN, "9,298"),
        (14.5, NAN, "14.50"),
        (14.0, 0.6, "14.00"),  # a mean over seeds that happens to be whole
        (1.3e-9, 2e-10, "1.3e-09"),
        (1.0, math.inf, "1.000"),
        (NAN, NAN, "–"),
        (None, NAN, "–"),
    ],
)
def test_number(value, spread, text):
    assert number(value, spread) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(4.6804, 4.0, 5.4), "4.68 ± 0.70"),
        (Interval(97.25, 96.5, 98.0), "97.25 ± 0.75"),
        (Interval(1500.0, 1380.0, 1620.0), "1,500 ± 120"),
        (Interval(0.5), "0.5000"),
        (Interval(1.0, 1.0, 1.0), "1"),
        (Interval(14.0), "14"),
        (Interval(14.0, 11.5, 16.5), "14.0 ± 2.5"),
    ],
)
def test_plus_minus(interval, text):
    assert plus_minus(interval) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (12.34, "12.3"), (1.0, "1.0"), (0.0754, "0.075"), (0.0004, "<0.001")]
)
def test_seconds(value, text):
    assert seconds(value) == text


def test_count():
    assert (count(None), count(1234567)) == ("–", "1,234,567")


def test_scoreboard_has_a_line_a_method_and_a_column_a_metric():
    rows = [
        row(unit="mpg", parameters=2, fit_seconds=0.5, predict_seconds=0.0001),
        row(metric="R²", value=0.62, half=0.11, higher_is_better=True, parameters=2, fit_seconds=0.5),
        row("forest", value=3.2, half=1.2, unit="mpg", parameters=4585),
    ]
    sheet = scoreboard(rows)
    assert sheet.header == ["method", "kind", "RMSE ↓ (mpg)", "R² ↑", "n", "numbers kept", "fit s", "predict s"]
    assert sheet.cells == [
        ["line", "from scratch", "4.68 ± 0.74", "0.62 ± 0.11", "98", "2", "0.5", "<0.001"],
        ["forest", "from scratch", "3.2 ± 1.2", "–", "98", "4,585", "–", "–"],
    ]


def test_a_long_scoreboard_is_split_where_methods_are_judged_on_different_items():
    test = [row(f"method {k}") for k in range(LONG - 2)]
    choices = [row(f"choice {k}, validation") for k in range(2)]
    others = [replace(row(f"photographs, {k}", metric="PSNR"), n=12) for k in range(2)]
    alone = replace(row("on every third item"), n=40)
    rows = [*test[:4], *choices, *others, alone, *test[4:]]
    first, second, third = scoreboards(rows)
    assert [line[0] for line in first.cells] == [r.method for r in rows if r in test or r is alone]
    assert [line[0] for line in second.cells] == [r.method for r in choices]
    assert [line[0] for line in third.cells] == [r.method for r in others]
    assert "PSNR ↓" not in first.header
    assert scoreboards(rows[:LONG]) == [scoreboard(rows[:LONG])]  # short: one table
    assert len(scoreboards([row(f"method {k}") for k in range(2 * LONG)])) == 1  # judged alike: one table


def test_fact_sheet():
    sheet = fact_sheet({"theta_1": (Interval(-7.66), "mpg per 1000 lb"), "λ": (Interval(2.0, 1.5, 2.5), "")})
    assert sheet.cells == [["theta_1", "−7.660 mpg per 1000 lb"], ["λ", "2.00 ± 0.50"]]


def test_markdown():
    sheet = Sheet(["method", "kind", "RMSE ↓"], [["line", "from scratch", "4.68"]])
    assert markdown(sheet).splitlines() == [
        "| method | kind | RMSE ↓ |",
        "| --- | --- | ---: |",
        "| line | from scratch | 4.68 |",
    ]


def test_verdict_of_a_significant_test_names_the_winner():
    assert verdicts([comparison()]) == [
        "line beats mean: RMSE lower by 3.02 ± 0.85 mpg, p < 0.001 (paired bootstrap, 98 items)."
    ]
    other = comparison(difference=3.0212, low=2.2, high=3.9, p_value=0.012, seeds=5)
    assert verdicts([other]) == [
        "mean beats line: RMSE lower by 3.02 ± 0.85 mpg, p = 0.012 (t over 5 seeds and 98 items)."
    ]
    better = comparison(metric="accuracy", unit="%", higher_is_better=True, difference=3.0212, low=2.2, high=3.9)
    assert verdicts([better])[0].startswith("line beats mean: accuracy higher by 3.02 ± 0.85 %")


def test_verdict_without_significance_never_says_beats():
    assert verdicts([comparison(p_value=0.051)]) == [
        "line and mean: not significantly different in RMSE (−3.02 ± 0.85 mpg, p = 0.051; paired bootstrap, 98 items)."
    ]


def test_verdict_names_groups_and_the_family_of_its_correction():
    (verdict,) = verdicts([comparison(groups=8, family=5, raw_p=0.0002, test="t over groups")])
    assert verdict.endswith("p < 0.001 (t over groups, 98 items in 8 groups, Holm over 5).")


def test_scoreboard_tells_runs_where_some_methods_have_fewer():
    rows = [replace(row(), seeds=(0, 1, 2)), row("forest")]
    sheet = scoreboard(rows)
    assert sheet.header == ["method", "kind", "RMSE ↓", "n", "runs"]
    assert [cells[-1] for cells in sheet.cells] == ["3", "1"]
    assert "runs" not in scoreboard([row(), row("forest")]).header


def test_a_metric_without_a_better_direction_has_no_arrow():
    assert scoreboard([row(metric="coverage", unit="%", higher_is_better=None)]).header[2] == "coverage (%)"


def test_spread_says_what_the_interval_means():
    assert "test set" in spread(1)
    assert "5 seeds" in spread(5)


def test_plural():
    assert (tables.plural(1, "seed"), tables.plural(2, "seed")) == ("1 seed", "2 seeds")


def test_terminal_shows_every_cell_as_it_is(capsys):
    # Brackets in a method's name are not markup.
    Console().say(tables.terminal(Sheet(["method", "kind", "RMSE ↓"], [["SVM [linear]", "deep", "4.68"]]), "ridge"))
    text = capsys.readouterr().out
    for word in ("ridge", "method", "SVM [linear]", "deep", "4.68"):
        assert word in text


# --- Benchmarks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1 / 3, "0.33×"),
        (0.909091, "0.91×"),
        (0.5, "0.5×"),
        (0.999, "1×"),
        (1.16, "1.2×"),
        (9.97, "10×"),
        (47.13, "47×"),
        (20, "20×"),
        (18653.1, "18,653×"),
    ],
)
def test_a_factor_has_two_digits_that_count(ratio, text):
    assert tables.times(ratio) == text


def test_telling_benchmarks_stand_first_and_the_others_are_folded(monkeypatch):
    monkeypatch.setattr(tables, "TELLING", (("b", "theirs"), ("a", "theirs")))
    rows = [
        {"name": name, "peer": peer, "ratio": 2.04, "at_least": 1 / 3}
        for name, peer in (("a", "theirs"), ("b", "loops"), ("b", "theirs"))
    ]
    above, _, below = tables.bench_markdown(rows).partition("<details><summary>The other 1</summary>\n\n")
    assert above.splitlines()[2:] == ["| b | theirs | 2× | 0.33× |", "| a | theirs | 2× | 0.33× |", ""]
    assert below.splitlines()[2:] == ["| b | loops | 2× | 0.33× |", "", "</details>"]
    assert "details" not in tables.bench_markdown(rows[:1])


def test_the_telling_benchmarks_are_measured_and_some_of_them_lost():
    rows = {(row["name"], row["peer"]): row["ratio"] for row in json.loads(readme.BENCH.read_text("utf-8"))["rows"]}
    ratios = [rows[named] for named in tables.TELLING]
    assert min(ratios) < 1 < max(ratios)

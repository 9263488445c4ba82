"""Markdown files as pages: marks, links, pictures, glossary; and what is broken is named with its file and line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from book.contents import Contents, Page
from book.glossary import Finder, entries, glossary_page, term_anchor
from book.links import Links, heading_anchor, identifier
from book.readme_page import text_page
from book.results import Results
from common.errors import Problem

MARKS = """# Lines

Above. It is <!-- score: ch01_regression/line/line/RMSE -->1 mpg<!-- end --> off.

<!-- scoreboard: ch01_regression/line -->

| old |
| --- |
| 1 |

<!-- end -->

Below.
"""


@pytest.fixture
def lines(contents: Contents, tmp_path: Path):
    """A text of chapter 1 as its page; `contents` knows no other text of it."""

    def page(text: str, results: Results) -> str:
        at = Page("ch01_regression/README.md", "ch01_regression/index", "text")
        mine = Contents(contents.root, contents.chapters)
        mine.text = lambda source: text if source == at.source else contents.text(source)
        return text_page(at, mine, results)

    return page


def test_marks_are_filled_and_gone(lines, results: Results) -> None:
    page = lines(MARKS, results)
    assert "<!--" not in page
    assert "1 mpg" not in page
    assert "| old |" not in page
    assert "from scratch" in page
    assert "stale" not in page.lower()


def test_stale_results_are_said_to_be(lines, results: Results) -> None:
    results.stale = {"ch01_regression": {"line": "measured by other code"}}
    page = lines(MARKS, results)
    assert "from scratch" in page
    assert page.count(":::{admonition} Stale") == 2  # on top, and at the table
    assert "`ch01_regression/line`: measured by other code" in page


def test_without_results_the_page_keeps_what_stands_there(lines, results: Results) -> None:
    results.records = {}
    page = lines(MARKS, results)
    assert "1 mpg" in page
    assert "| old |" in page
    assert "not measured" in page


def test_stale_results_and_those_that_cannot_be_read_are_named(contents: Contents, monkeypatch) -> None:
    stale = Results(contents.chapters[:1])
    stale.stale = {"ch01_regression": {"line": "measured by other code"}}
    assert stale.faults() == ["ch01_regression: stale results of line; the pages say so"]

    def damaged(package: str) -> None:
        raise Problem(f"{package}/results.json is damaged")

    monkeypatch.setattr("common.readme.chapter", damaged)
    first, *rest = Results(contents.chapters[:1]).faults()
    assert first == "ch01_regression/results.json is damaged: the pages say that nothing is measured"
    assert rest == [f"ch01_regression: stale results of {', '.join(contents.chapters[0].lessons)}; the pages say so"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("It is <!-- tea: time -->5<!-- end -->.", "no such mark"),
        ("It is <!-- score: ch01_regression/line/line/charm -->5<!-- end -->.", "names nothing that was measured"),
        ("It is <!-- score: ch01_regression/line/line/RMSE -->5.", "broken mark"),
        ("It is 5<!-- end -->.", "broken mark"),
        ("A [link](nowhere.py).", "a link to nowhere.py, which does not exist"),
        ("A [link](line.py) and\n[another](nothing.md).", "line 16: a link to nothing.md"),
        ("A [term](../GLOSSARY.md#term-riddle).", "no term of the glossary"),
        ("A [heading](../README.md#no-such).", "no heading there"),
        ("![A line](figures/none.png)", "a picture figures/none.png, which does not exist"),
    ],
)
def test_what_is_broken_is_named_with_file_and_line(lines, results: Results, line: str, said: str) -> None:
    with pytest.raises(Problem, match=r"ch01_regression/README\.md, line 1[56]: ") as problem:
        lines(f"{MARKS}\n{line}\n", results)
    assert said in str(problem.value)


def test_what_stands_in_code_is_no_link(lines, results: Results) -> None:
    page = lines(f"{MARKS}\n```\n[a](none.md)\n```\n\n`[a](none.md)` and [`line.py`](line.py).\n", results)
    assert page.count("[a](none.md)") == 2
    assert "[`line.py`](line.html)" in page


def test_links_lead_from_page_to_page(contents: Contents) -> None:
    task = contents.pages["ch07_applications/segmentation/README.md"]
    links = Links(contents, task)
    assert links.url("fcn.py", 1) == "fcn.html"
    assert links.url("../README.md#how-to-read-a-claims-table", 1) == "../index.html#how-to-read-a-claims-table"
    assert links.url("../../GLOSSARY.md#term-iou", 1) == "../../glossary.html#term-iou"
    assert links.url("../../README.md", 1) == "../../index.html"


def test_a_picture_becomes_a_figure_with_its_caption(lines, results: Results) -> None:
    page = lines(f"{MARKS}\n![A guess](figures/line_squares.png)\n\n*Two lines.*\n", results)
    found = re.search(r"<figure><a class=\"large\" href=\"figures/line_squares.png\">.*?</figure>", page, re.DOTALL)
    assert 'alt="A guess"' in found[0]
    assert "Two lines." in found[0]


@pytest.mark.parametrize(
    ("heading", "anchor"),  # as GitHub makes them
    [
        ("How to read a claims table", "how-to-read-a-claims-table"),
        ("0–9", "09"),
        ("`boxes.py`, twice", "boxespy-twice"),
    ],
)
def test_anchors_of_headings(heading: str, anchor: str) -> None:
    assert heading_anchor(heading) == anchor


GLOSSARY = "# Glossary\n\n## A\n\n" + "\n\n".join(
    f"{term}. It is so. [`ch01_regression/line`](ch01_regression/line.py)"
    for term in (
        "**Adam**",
        "**bias** (also: slip)",
        "**lapse** (also: slip)",
        "**graph of steps** (also: graph)",
        "**loss**",
    )
)


def test_a_glossary_with_a_line_that_is_no_entry() -> None:
    with pytest.raises(Problem, match=r"G\.md, line 3: no entry"):
        entries("## A\n\n**Adam** is a rule.\n", "G.md")


def test_terms_are_found_at_their_first_use() -> None:
    finder, used = Finder(entries(GLOSSARY, "G.md")), set()
    text = "Losses grow. A loss adams Adam; the slip, a graph, and Adam."
    found = finder.first_uses(text, used)
    assert [(text[a:b], entry.term) for a, b, entry in found] == [("Losses", "loss"), ("Adam", "Adam")]
    assert finder.first_uses("A loss and a graph of\nsteps.", used)[0][2].term == "graph of steps"


def test_every_term_has_an_anchor_of_its_own(contents: Contents) -> None:
    found = entries(contents.text("GLOSSARY.md"), "GLOSSARY.md")
    assert len({term_anchor(entry.term) for entry in found}) == len(found) > 100
    page = glossary_page(contents.pages["GLOSSARY.md"], contents)
    assert all(f'id="{term_anchor(entry.term)}"' in page for entry in found)
    assert replace(found[0]) == found[0]


def test_an_anchor_loses_accents_and_doubled_hyphens():
    assert identifier("hypercolumns-hariharan-arbeláez-girshick--malik-2015") == (
        "hypercolumns-hariharan-arbelaez-girshick-malik-2015"
    )
    assert identifier("penalties") == "penalties"

"""The papers that docstrings cite, and where they can be read: by DOI or at arXiv (papers.csv)."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from book.results import escaped

LISTED = Path(__file__).parent / "papers.csv"
PLACES = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}


@dataclass(frozen=True)
class Paper:
    """cited: authors and year as docstrings have them, with "and". place: "arXiv:1512.02325" or "doi:10.1023/…".

    only: the files and folders in which these authors and this year mean this paper; empty where they always do.
    """

    cited: str
    title: str
    place: str
    only: tuple[str, ...]

    @property
    def url(self) -> str:
        kind, _, number = self.place.partition(":")
        return PLACES[kind] + number

    def cited_in(self, source: str, text: str) -> bool:
        """Whether a file's docstring cites it. text: with "and" for "&", in one line."""
        if self.only and not source.startswith(self.only):
            return False
        authors, _, year = self.cited.partition(re.search(r"\d{4}", self.cited)[0])
        year = self.cited[len(authors) : len(authors) + 4] + year
        return re.search(rf"(?<![\w-]){re.escape(authors.strip())},? \(?{re.escape(year)}", text) is not None


@cache
def papers() -> tuple[Paper, ...]:
    """All papers of the list."""
    with LISTED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE))
    return tuple(Paper(cited, title, place, tuple(only.split())) for cited, title, place, only in rows[1:])


def one_line(text: str) -> str:
    """A docstring in one line, with "and" between authors."""
    return re.sub(r",? & ", " and ", " ".join(text.split()))


def papers_table(source: str, text: str) -> str:
    """The papers that a file's docstring names, with their links, as a Markdown table; "" where it names none."""
    flat = one_line(text)
    found = {paper.url: paper for paper in papers() if paper.cited_in(source, flat)}
    rows = [f"| {escaped(p.cited)} | [{escaped(p.title)}]({p.url}) | {p.place} |" for p in found.values()]
    return "\n".join(["| paper | title | |", "| --- | --- | --- |", *rows]) if rows else ""

"""The newest results of every chapter: the committed ones, and in their place what a run has measured since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common import record
from common.errors import Problem
from common.record import ChapterRecord

Say = Callable[[str], object]


def newest_results(root: Path, out: Path, own: str, say: Say) -> dict[str, ChapterRecord]:
    """The chapters' records by package, in the course's order. root: of the repository. out: the run's --out.

    Lesson by lesson, a record of `out` takes the place of the committed one, unless it was made at the preset smoke,
    which measures too little. own: the lesson that asks, whose own results are not read. What is missing or can't be
    read is left out, and say is called with a sentence on it.
    """
    found = {}
    for package in sorted(path.parent.name for path in root.glob("ch0*/main.py")):
        committed = _read(root / package / "results.json", f"the results of {package}", say)
        fresh = _read(out / package / "results.json", f"what this run left of {package}", say)
        if fresh is not None and fresh.configuration["preset"] == "smoke":
            fresh = None
        newest = committed or fresh
        if newest is None:
            say(f"Left out: {package}, of which there are no results.")
            continue
        if fresh is not None:
            newest.lessons = {**newest.lessons, **fresh.lessons}
        newest.lessons.pop(own, None)
        found[package] = newest
    return found


def _read(path: Path, what: str, say: Say) -> ChapterRecord | None:
    """A results file; None where there is none, or where it is damaged, which is said without the path."""
    if not path.exists():
        return None
    try:
        return record.load(path)
    except Problem:
        say(f"Left out: {what}, which are damaged or of another version.")
        return None

"""The newest results of every chapter: the committed ones, replaced by a run's later measurements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common import record
from common.errors import Problem
from common.record import ChapterRecord

Say = Callable[[str], object]


def newest_results(root: Path, out: Path, own: str, say: Say) -> dict[str, ChapterRecord]:
    """The chapters' records by package, in the course's order. root: of the repository. out: the run's --out.

    A record of `out` replaces the committed one, lesson by lesson, unless it was made at the preset smoke, which
    measures too little. own: the lesson that asks, whose own results are not read. Missing or unreadable results are
    left out, and say is called with a sentence on it.
    """
    found = {}
    for package in sorted(path.parent.name for path in root.glob("ch0*/main.py")):
        paths = [folder / package / "results.json" for folder in (root, out)]
        committed, fresh = (_read(path, package, say) for path in paths)
        if fresh is not None and fresh.configuration["preset"] == "smoke":
            fresh = None
        newest = committed or fresh
        if newest is not None:
            newest.lessons = {**newest.lessons, **(fresh.lessons if fresh else {})}
            newest.lessons.pop(own, None)
            found[package] = newest
        elif not any(path.exists() for path in paths):
            say(f"Left out: {package}, of which there are no results.")
    return found


def _read(path: Path, package: str, say: Say) -> ChapterRecord | None:
    """A results file; None if there is none, or if it can't be read, which is reported without the path."""
    if not path.exists():
        return None
    try:
        return record.load(path)
    except Problem:
        say(f"Left out: a results file of {package}, which is damaged or of another version.")
        return None

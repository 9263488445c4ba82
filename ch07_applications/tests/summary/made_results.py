"""Results made up for the tests: methods with scores, and the verdicts of their paired tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from common.console import Console
from common.data import Scale
from common.paired import Comparison
from common.record import ChapterRecord, LessonRecord
from common.results import Row
from common.run import Run


def row(method: str, kind: str, value: float, metric: str = "accuracy", **more: object) -> Row:
    """A method's score under one seed."""
    return Row("", method, kind, metric, value, value - 1, value + 1, 100, unit="%", **more)


def compared(a: str, b: str, winner: str | None, metric: str = "accuracy", higher: bool = True) -> Comparison:
    """A paired test that the winner won."""
    difference = 1.0 if (winner == a) == higher else -1.0
    p = 1.0 if winner is None else 0.001
    return Comparison(a, b, metric, difference, difference - 0.5, difference + 0.5, p, "t", 100, "%", higher)


def chapter(
    package: str, lesson: str, rows: Iterable[Row], comparisons: Iterable[Comparison], preset: str = "lecture"
) -> ChapterRecord:
    """A chapter of one lesson."""
    made = LessonRecord("A lesson.", "", rows=list(rows), comparisons=list(comparisons), seconds=[1.0])
    configuration = {"preset": preset, "seed": 0, "seeds": 1, "device": "auto"}
    return ChapterRecord(package, "Made up", configuration, {"packages": {}}, {lesson: made})


def put(root: Path, *chapters: ChapterRecord) -> None:
    """A repository's chapters, with their results."""
    for made in chapters:
        (root / made.chapter).mkdir(parents=True, exist_ok=True)
        (root / made.chapter / "main.py").touch()
        made.save(root / made.chapter / "results.json")


def a_run(out: Path, preset: str = "lecture") -> Run:
    """A silent run of whole_course."""
    record, folder = LessonRecord("", ""), out / "ch07_applications"
    return Run("whole_course", 0, Scale(preset), record, folder, Console(quiet=True))

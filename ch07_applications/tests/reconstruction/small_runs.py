"""A run at smoke in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run


def a_run(folder: Path, lesson: str = "reconstruction/partial_convolutions", **changes: object) -> Run:
    data = folder / "data"
    return Run(lesson, 0, Scale("smoke", data), LessonRecord("", ""), folder, Console(quiet=True), **changes)

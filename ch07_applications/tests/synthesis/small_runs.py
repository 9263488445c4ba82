"""A run at smoke for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run


def run_of(lesson: str, folder: Path | None, **more: Any) -> Run:
    """A lesson's silent run."""
    return Run(lesson, 0, Scale("smoke"), LessonRecord("", ""), folder or Path(), Console(quiet=True), **more)

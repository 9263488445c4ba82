"""Taking a run's results as the committed ones: lesson by lesson, and only those that were stale."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from common import record
from common.chapter import Chapter
from common.errors import Problem
from common.record import ChapterRecord

ROOT = Path(__file__).parent.parent
FIGURE = re.compile(r"\]\(((?:[\w./-]+/)?figures/[\w.-]+\.png)\)")  # an image, or a link around one


def chapters() -> list[Chapter]:
    """The project's chapters, as their main.py has them."""
    found = sorted(path.parent.name for path in ROOT.glob("ch0*/main.py"))
    return [importlib.import_module(f"{name}.main").CHAPTER for name in found]


def adopt(chapter: Chapter, out: Path, pages: Iterable[Path], say: Callable[[str], object] = print) -> list[str]:
    """Add to a chapter's committed results the stale lessons that the run in `out` has measured anew.

    The pictures of those lessons that one of the pages shows are copied to where it shows them. Returns the lessons.
    The memory is the largest of the runs that the record is made of. Raises Problem for a run with other flags than
    --stale has.
    """
    source, target = out / chapter.package / "results.json", chapter.folder / "results.json"
    if not source.exists():
        return []
    run = record.load(source)
    if run.configuration != chapter.configuration:
        raise Problem(
            f"{source} was measured with other flags than the committed results: run the chapter with --stale"
        )
    kept = record.load(target) if target.exists() else ChapterRecord("", "", {}, {})
    stale, taken = chapter.stale(), []
    for name in (name for name in stale if name in run.lessons):
        if run.lessons[name].digest == chapter.digest(name):
            taken.append(name)
        else:
            say(f"{chapter.package}: {name} is left out, for the code has changed since it ran")
    if taken:
        lessons = {**kept.lessons, **{name: run.lessons[name] for name in taken}}
        peaks = [run.peak_memory_mib, None if len(taken) == len(chapter.lessons) else kept.peak_memory_mib]
        together = replace(run, lessons={name: lessons[name] for name in chapter.lessons if name in lessons})
        replace(together, tour=False, peak_memory_mib=max(filter(None, peaks), default=None)).save(target)
        drawn = {picture.file for name in taken for picture in run.lessons[name].pictures}
        _copy_pictures(source.parent, drawn, chapter.folder, pages)
    return taken


def _copy_pictures(source: Path, drawn: set[str], home: Path, pages: Iterable[Path]) -> None:
    for page in pages:
        for link in FIGURE.findall(page.read_text(encoding="utf-8")):
            target = (page.parent / link).resolve()
            if target.is_relative_to(home.resolve()) and target.name in drawn:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / target.name, target)

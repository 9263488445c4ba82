"""out/index.html: every chapter's scoreboards and pictures on one page that needs no network.

Its pictures are in it, and open large within it at a tap. A link below each leads to its file, beside the page."""

from __future__ import annotations

import base64
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from common import record, tables
from common.claims_tables import claims_sheets
from common.errors import Problem
from common.files import locked, write_whole
from common.record import ChapterRecord, LessonRecord


def write(out: Path, say: Callable[[str], object] = print) -> Path:
    """Make the page from every <chapter>/results.json below out. Returns the page's path.

    What is no results file, or can't be read, is left out, and `say` gets a line about it.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("common", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    path = out / "index.html"
    with locked(out):  # two runs that end at once both stand on the page
        chapters = []
        for results in sorted(out.glob("*/results.json")):
            try:
                if (chapter := record.load(results)).lessons:
                    chapters.append((_chapter(chapter, results.parent, say), _machine(chapter)))
            except Problem as problem:
                say(f"left out of {path}: {problem}")
        shown, there_are = (sum(chapter[key] for chapter, _ in chapters) for key in ("shown", "lessons_in_all"))
        page = pages.get_template("report.html.j2").render(
            chapters=[chapter for chapter, _ in chapters],
            shown=shown,
            lessons_in_all=there_are,
            tour=all(chapter["tour"] for chapter, _ in chapters),
            machines=list(dict.fromkeys(machine for _, machine in chapters)),
        )
        write_whole(path, page)
    return path


def _chapter(chapter: ChapterRecord, folder: Path, say: Callable[[str], object]) -> dict:
    lessons = [_lesson(name, lesson, folder, say) for name, lesson in chapter.lessons.items()]
    return {
        "id": folder.name,
        "number": int("".join(c for c in folder.name.split("_")[0] if c.isdigit()) or 0),
        "title": chapter.title,
        "preset": chapter.configuration["preset"],
        "spread": tables.spread(chapter.configuration["seeds"]),
        "seconds": chapter.one_seed_seconds,
        "lessons": lessons,
        "shown": len(lessons),
        "lessons_in_all": max(chapter.lessons_in_all, len(lessons)),
        "tour": chapter.tour,
        "tasks": [(task, list(some)) for task, some in groupby(lessons, key=lambda lesson: lesson["task"])],
    }


def _lesson(name: str, lesson: LessonRecord, folder: Path, say: Callable[[str], object]) -> dict:
    task, _, leaf = name.rpartition("/")
    own = f"{folder.name}-{name.replace('/', '-')}"
    return {
        "id": own,
        "task": task,
        "name": leaf,
        "file": f"{folder.name}/{name}.py",
        "title": lesson.title,
        "notes": lesson.notes,
        "pictures": [
            {
                "id": f"{own}-picture-{number}",
                "caption": p.caption,
                "name": p.name.replace("_", " "),
                "link": quote(f"{folder.name}/{p.file}"),
                "source": _inline(folder, p.file, say),
            }
            for number, p in enumerate(lesson.pictures, start=1)
        ],
        "scoreboards": tables.scoreboards(scores) if (scores := lesson.scores()) else [],
        "verdicts": tables.verdicts(lesson.comparisons),
        "claims": claims_sheets({name: lesson.claims}),
        "facts": tables.fact_sheet(lesson.findings()) if lesson.facts else None,
    }


def _machine(chapter: ChapterRecord) -> str:
    m = chapter.machine
    packages = ", ".join(f"{name} {version}" for name, version in m["packages"].items())
    commit = f"; commit {m['git_commit']}" if m.get("git_commit") else ""
    hardware = f"{m.get('processor')}, {m.get('cores')} cores, {m.get('system')}, Python {m.get('python')}"
    return f"{hardware}; {packages}{commit}"


def _inline(folder: Path, file: str, say: Callable[[str], object]) -> str | None:
    """A picture beside the results as a data URI; None where it is gone."""
    try:
        if Path(file).name != file:
            raise OSError("it does not lie beside its results")
        return "data:image/png;base64," + base64.b64encode((folder / file).read_bytes()).decode()
    except OSError as error:
        say(f"{folder / file} is left out of the page: {error.strerror or error}; its chapter draws it again")
        return None

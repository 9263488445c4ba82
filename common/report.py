"""out/index.html: every chapter's scoreboards and pictures on one page that needs no network and no other file."""

from __future__ import annotations

import base64
from pathlib import Path

from common import record, tables
from common.errors import Problem
from common.files import write_whole
from common.record import ChapterRecord


def write(out: Path) -> Path:
    """Make the page from every <chapter>/results.json below out. Returns the page's path."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("common", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    chapters = [record.load(path) for path in sorted(out.glob("*/results.json"))]
    chapters = [chapter for chapter in chapters if chapter.lessons]
    page = pages.get_template("report.html.j2").render(
        chapters=[_chapter(chapter, out / chapter.chapter) for chapter in chapters],
        machines=list(dict.fromkeys(_machine(chapter) for chapter in chapters)),
    )
    path = out / "index.html"
    write_whole(path, page)
    return path


def _chapter(chapter: ChapterRecord, folder: Path) -> dict:
    seeds = chapter.configuration["seeds"]
    return {
        "id": chapter.chapter,
        "number": int("".join(c for c in chapter.chapter.split("_")[0] if c.isdigit()) or 0),
        "title": chapter.title,
        "preset": chapter.configuration["preset"],
        "spread": tables.spread(seeds),
        "seconds": chapter.one_seed_seconds,
        "lessons": [
            {
                "id": f"{chapter.chapter}-{name}",
                "name": name,
                "title": lesson.title,
                "notes": lesson.notes,
                "pictures": [
                    {"name": p.name, "caption": p.caption, "source": _inline(folder / p.file)} for p in lesson.pictures
                ],
                "scoreboard": tables.scoreboard(scores) if (scores := lesson.scores()) else None,
                "verdicts": tables.verdicts(lesson.comparisons),
                "facts": tables.fact_sheet(lesson.findings()) if lesson.facts else None,
            }
            for name, lesson in chapter.lessons.items()
        ],
    }


def _machine(chapter: ChapterRecord) -> str:
    m = chapter.machine
    packages = ", ".join(f"{name} {version}" for name, version in m["packages"].items())
    commit = f"; commit {m['git_commit']}" if m.get("git_commit") else ""
    return f"{m['processor']}, {m['cores']} cores, {m['system']}, Python {m['python']}; {packages}{commit}"


def _inline(picture: Path) -> str:
    try:
        return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
    except OSError as error:
        raise Problem(f"cannot read {picture}: {error.strerror}; run its chapter again to draw it") from error

"""The Markdown of all pages, in a folder that Sphinx reads: texts, lessons, parts, and the lists that lead to them."""

from __future__ import annotations

import posixpath
import shutil
from collections import defaultdict
from html import escape
from pathlib import Path

from book import results as shown
from book.contents import Contents, Page
from book.glossary import glossary_page
from book.lesson_page import lesson_page, part_page
from book.links import anchor_of_folder
from book.names import Names
from book.readme_page import text_page
from book.results import Results
from common import claims_tables

PARTS = Page("", "parts", "made")
CLAIMS = Page("", "claims", "made")


def write_pages(contents: Contents, results: Results, folder: Path) -> list[Page]:
    """Write every page's Markdown below the folder, which is emptied first. Returns the pages.

    Raises Problem, with file and line, for a mark, a link or an entry of the glossary that is broken.
    """
    shutil.rmtree(folder, ignore_errors=True)
    names = Names(contents)
    written: dict[Page, str] = {}
    for page in [page for page in contents.pages.values() if page.kind == "text"]:
        glossary = page.source == "GLOSSARY.md"
        text = glossary_page(page, contents) if glossary else text_page(page, contents, results)
        written[page] = text + _beneath(page, contents)
    for chapter, lesson in contents.lessons():
        page = contents.pages[f"{chapter.package}/{lesson}.py"]
        written[page] = lesson_page(page, chapter, lesson, contents=contents, names=names, results=results)
    users = _users(contents, names)
    parts = [page for page in contents.pages.values() if page.kind == "part"]
    for page in parts:
        written[page] = part_page(page, users[page.source], contents, names)
    written[CLAIMS] = claims_page(contents, results)
    written[PARTS] = parts_page(parts, contents)
    for page in contents.linked.values():
        written[page] = part_page(page, [], contents, names)
    for page, text in written.items():
        path = folder / f"{page.name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(written)


def claims_page(contents: Contents, results: Results) -> str:
    """All claims of papers that lessons tested, in one table, and our own questions in another."""
    claims = {}
    for chapter, lesson in contents.lessons():
        record = results.lesson(chapter.package, lesson)
        if record and record.claims:
            page, leaf = contents.pages[f"{chapter.package}/{lesson}.py"], posixpath.basename(lesson)
            claims[f"[{leaf.replace('_', ' ')}]({CLAIMS.to(page)})"] = record.claims
    stale = [f"`{c.package}/{name}`" for c in contents.chapters for name in results.stale_below(c.package)]
    how = CLAIMS.to(contents.pages["ch07_applications/README.md"], "how-to-read-a-claims-table")
    everything = [claim for some in claims.values() for claim in some]
    parts = [
        "# The claims, and what became of them",
        f"Of the claims that the lessons tested, {claims_tables.tally(everything)}; of our own questions, "
        f"{claims_tables.tally(everything, ours=True)}. [How to read these tables]({how}).",
        shown.stale_note(f"{', '.join(stale)} was changed or not measured", "Some numbers are") if stale else "",
        claims_tables.claims_markdown(claims) if claims else "",
    ]
    return "\n\n".join(filter(None, parts))


def parts_page(parts: list[Page], contents: Contents) -> str:
    """The modules that are no lessons, by folder."""
    folders = defaultdict(list)
    for page in parts:
        folders[posixpath.dirname(page.source)].append(page)
    lines = ["# Parts", "", "What lessons share: the modules of `common`, and of each chapter, by folder.", ""]
    for folder, some in folders.items():
        lines += [f'<span id="{anchor_of_folder(folder)}"></span>', "", f"## `{folder}`", ""]
        for page in some:
            line = shown.escaped(contents.title(page.source))
            lines.append(f"- [`{posixpath.basename(page.source)}`]({PARTS.to(page)}): {line}")
        lines.append("")
    return "\n".join(lines)


def _users(contents: Contents, names: Names) -> dict[str, list[Page]]:
    """Which pages import a module, by its source."""
    users = defaultdict(list)
    for page in contents.pages.values():
        if page.kind in ("lesson", "part"):
            for source in dict.fromkeys(target for target, _ in names.module(page.source).imported.values()):
                users[source].append(page)
    return users


def _beneath(page: Page, contents: Contents) -> str:
    """What leads on from a page: the book's contents under the front page, a chapter's lessons under the chapter."""
    if page.source == "README.md":
        chapters = [f"{c.package}/index" for c in contents.chapters]
        more = ["claims", "how_to_read_tables", "glossary", "parts", "contributing", *_others(contents)]
        return _toctree(chapters, "Chapters") + _toctree(more, "Reference")
    folder = posixpath.dirname(page.source)
    chapter = next((c for c in contents.chapters if folder.split("/")[0] == c.package), None)
    if chapter is None or not page.source.endswith("README.md"):
        return ""
    task = folder.removeprefix(chapter.package).strip("/")
    if task:
        inside = [name for name in chapter.lessons if posixpath.dirname(name) == task]
    else:
        tasks = dict.fromkeys(posixpath.dirname(name) or name for name in chapter.lessons)
        inside = [f"{name}/index" if (contents.root / folder / name).is_dir() else name for name in tasks]
        inside = [name for name in inside if "/index" in name or name in chapter.lessons]
    entries = []
    for name in inside:
        full = f"{chapter.package}/{name}"
        if name.endswith("/index"):
            entries.append(f"/{full}")
        else:
            entries.append(f"{posixpath.basename(name).replace('_', ' ')} </{full}>")
    return _toctree(entries)


def _others(contents: Contents) -> list[str]:
    known = {"index", "claims", "how_to_read_tables", "glossary", "parts", "contributing"}
    texts = [page.name for page in contents.pages.values() if page.kind == "text"]
    return [name for name in texts if name not in known and not name.endswith("/index")]


def _toctree(entries: list[str], caption: str = "") -> str:
    options = f":caption: {escape(caption)}\n" if caption else ""
    listed = "\n".join(entry if entry.startswith("/") or "<" in entry else f"/{entry}" for entry in entries)
    return f"\n\n```{{toctree}}\n:hidden:\n{options}\n{listed}\n```\n"

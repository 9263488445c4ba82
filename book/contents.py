"""Which pages the book has, and where each lies: a page per text, per lesson, per part, in reading order.

A page lies where its source lies in the repository, so that links between files become links between pages.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from common.chapter import Chapter
from common.lesson_text import split_code

LEFT_OUT = {"tests", "__pycache__"}
LEFT_OUT_AT_ROOT = {"build", "dist", "out", "site", "book", "notebooks"}  # what is made, and the book's own code
TEXTS = {
    "README.md": "index",
    "HOW_TO_READ_TABLES.md": "how_to_read_tables",
    "GLOSSARY.md": "glossary",
    "CONTRIBUTING.md": "contributing",
}


@dataclass(frozen=True)
class Page:
    """A page. source: the file that it is made from, from the root, with slashes. name: the page's, without ".html".

    kind: "text" (Markdown), "lesson", "part" (a module that lessons use) or "file" (any other that a page links to).
    """

    source: str
    name: str
    kind: str

    def to(self, other: Page, anchor: str = "") -> str:
        """The link from this page to another."""
        folder = posixpath.dirname(self.name) or "."
        return posixpath.relpath(f"{other.name}.html", folder) + (f"#{anchor}" if anchor else "")


@dataclass
class Contents:
    """All pages of the course below root. chapters: in their order, each with its lessons in reading order."""

    root: Path
    chapters: list[Chapter]
    linked: dict[str, Page] = field(default_factory=dict)  # files that are pages because another page links to them
    read: dict[str, str] = field(default_factory=dict)
    parsed: dict[str, ast.Module] = field(default_factory=dict)

    @cached_property
    def pages(self) -> dict[str, Page]:
        """By source."""
        found = {}
        for chapter in self.chapters:
            for lesson in chapter.lessons:
                source = f"{chapter.package}/{lesson}.py"
                found[source] = Page(source, source.removesuffix(".py"), "lesson")
        for path in self._files(".md"):
            name = TEXTS.get(path, path.removesuffix(".md").replace("README", "index"))
            found[path] = Page(path, name, "text")
        for path in self._files(".py"):
            if path not in found and path.split("/")[0] in self.packages and self._holds_code(path):
                found[path] = Page(path, path.removesuffix(".py").replace("__init__", "package"), "part")
        return found

    @cached_property
    def packages(self) -> list[str]:
        """What a page's code may import with a link: common and the chapters."""
        return ["common", *(chapter.package for chapter in self.chapters)]

    def page(self, source: str) -> Page | None:
        """The page of a file; for a file that has none yet, a new one. None where there is no such file."""
        if found := self.pages.get(source) or self.linked.get(source):
            return found
        if (self.root / source).is_file():
            self.linked[source] = Page(source, source.removesuffix(".py").replace(".", "_"), "file")
        return self.linked.get(source)

    def module(self, name: str) -> str | None:
        """The source of a module of the project by its dotted name: its file, or its package's __init__.py."""
        if name.split(".", maxsplit=1)[0] not in self.packages:
            return None
        path = name.replace(".", "/")
        return next((p for p in (f"{path}.py", f"{path}/__init__.py") if (self.root / p).is_file()), None)

    def lessons(self) -> list[tuple[Chapter, str]]:
        """Every lesson with its chapter, in reading order."""
        return [(chapter, lesson) for chapter in self.chapters for lesson in chapter.lessons]

    @cached_property
    def alternatives(self) -> dict[str, str]:
        """What the pictures show, by source, as the texts say it."""
        found = {}
        for page in (page for page in self.pages.values() if page.kind == "text"):
            folder = posixpath.dirname(page.source)
            for alt, file in re.findall(r"!\[([^\]]+)\]\(([^()\s]+)\)", self.text(page.source)):
                found[posixpath.normpath(posixpath.join(folder, file))] = alt
        return found

    def text(self, source: str) -> str:
        """What stands in a file, read once."""
        if source not in self.read:
            self.read[source] = (self.root / source).read_text(encoding="utf-8")
        return self.read[source]

    def tree(self, source: str) -> ast.Module:
        """A module's syntax tree, parsed once."""
        if source not in self.parsed:
            self.parsed[source] = ast.parse(self.text(source))
        return self.parsed[source]

    def docstring(self, source: str) -> str:
        """A module's."""
        return ast.get_docstring(self.tree(source)) or ""

    def title(self, source: str) -> str:
        """The first lines of a module's docstring, or its name; of a Markdown file its heading."""
        name = posixpath.basename(source)
        if source.endswith(".md"):
            lines = self.text(source).splitlines()
            return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), name)
        return " ".join(self.docstring(source).partition("\n\n")[0].split()) or name

    def _holds_code(self, path: str) -> bool:
        return not path.endswith("__init__.py") or bool(split_code(self.text(path)))

    def _files(self, ending: str) -> list[str]:
        found = []
        for folder, inside, names in os.walk(self.root):
            left_out = LEFT_OUT | (LEFT_OUT_AT_ROOT if Path(folder) == self.root else set())
            inside[:] = [name for name in inside if name not in left_out and not name.startswith(".")]
            found += [
                (Path(folder) / name).relative_to(self.root).as_posix() for name in names if name.endswith(ending)
            ]
        return sorted(found)

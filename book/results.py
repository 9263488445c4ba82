"""The committed results as a page shows them, and which of them other code measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from common import readme, tables
from common.chapter import Chapter
from common.claims_tables import claims_markdown
from common.errors import Problem
from common.record import ChapterRecord, LessonRecord
from common.tables import Sheet

AGAIN = "`make results` measures it."
SHOWN = 8  # facts; more of them are folded


@dataclass
class Results:
    """What is measured of all chapters."""

    chapters: list[Chapter]
    problems: list[str] = field(default_factory=list)

    @cached_property
    def records(self) -> dict[str, ChapterRecord]:
        """By package. A chapter without results, or whose results can't be read, is left out, and a problem."""
        found = {}
        for chapter in self.chapters:
            try:
                found[chapter.package] = readme.chapter(chapter.package)
            except Problem as problem:
                self.problems.append(str(problem))
        return found

    @cached_property
    def stale(self) -> dict[str, dict[str, str]]:
        """By package: the lessons whose results are stale, and why."""
        return {c.package: c.stale() if c.package in self.records else {} for c in self.chapters}

    def lesson(self, package: str, name: str) -> LessonRecord | None:
        """What a lesson measured; None where nothing."""
        chapter = self.records.get(package)
        return chapter.lessons.get(name) if chapter else None

    def why_stale(self, package: str, name: str) -> str:
        """Why the lesson's numbers may be wrong; "" where they may not."""
        if self.lesson(package, name) is None:
            return "not measured"
        return self.stale[package].get(name, "")

    def stale_below(self, package: str, task: str = "") -> list[str]:
        """The stale lessons of a chapter, or of a task of it."""
        chapter = next(c for c in self.chapters if c.package == package)
        named = [name for name in chapter.lessons if not task or name == task or name.startswith(f"{task}/")]
        return [name for name in named if self.why_stale(package, name)]

    def faults(self) -> list[str]:
        """A line per chapter whose results can't be read, and per chapter that has stale ones."""
        stale = {chapter.package: self.stale_below(chapter.package) for chapter in self.chapters}
        unread = [f"{problem}: the pages say that nothing is measured" for problem in self.problems]
        return unread + [
            f"{package}: stale results of {', '.join(names)}; the pages say so"
            for package, names in stale.items()
            if names
        ]


def stale_note(reason: str, what: str = "These numbers are") -> str:
    """The line above numbers that may be wrong, as Markdown."""
    return f":::{{admonition}} Stale\n:class: warning\n{what} stale: {reason}. {AGAIN}\n:::"


def board(lesson: LessonRecord) -> str:
    """The scoreboard, as Markdown; "" where nothing was scored."""
    return tables.markdowns(tables.scoreboards(scores)) if (scores := lesson.scores()) else ""


def facts(lesson: LessonRecord) -> str:
    """The facts; many of them folded."""
    if not lesson.facts:
        return ""
    sheet = tables.fact_sheet(lesson.findings())
    first, rest = (Sheet(sheet.header, cells, sheet.words) for cells in (sheet.cells[:SHOWN], sheet.cells[SHOWN:]))
    shown = tables.markdown(first)
    return shown + (f"\n\n{folded(f'{len(rest.cells)} more', tables.markdown(rest))}" if rest.cells else "")


def verdicts(lesson: LessonRecord) -> str:
    """The paired tests, folded."""
    found = [f"- {escaped(verdict)}" for verdict in tables.verdicts(lesson.comparisons)]
    return folded(tables.plural(len(found), "paired test"), "\n".join(found)) if found else ""


def claims(lesson: LessonRecord, name: str) -> str:
    """What the paper claims, and what became of it."""
    return claims_markdown({name: lesson.claims}) if lesson.claims else ""


def folded(summary: str, content: str) -> str:
    """Content that a tap opens."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def escaped(text: str) -> str:
    """Letters that mean something to Markdown as letters."""
    for sign in "\\*_`[]<$":
        text = text.replace(sign, f"\\{sign}")
    return text

"""A Markdown file of the course as a page: marks filled from the results, links between pages, figures that open."""

from __future__ import annotations

import re

from book.contents import Contents, Page
from book.links import Links
from book.results import Results, stale_note
from common import readme
from common.errors import Problem

COMMENT = re.compile(r"<!-- .*?-->", re.DOTALL)
FIGURE = re.compile(
    r"^(?P<picture><a class=\"large\"[^\n]*</a>)\n\n\*(?P<caption>[^\n]+)\*(?P<after>[^\n*]*)$", re.MULTILINE
)
FENCE = re.compile(r" {0,3}(```+|~~~+)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
TABLES = ("scoreboard", "facts", "verdicts", "claims")


def text_page(page: Page, contents: Contents, results: Results) -> str:
    """The Markdown of a page. Raises Problem, with file and line, for a broken mark or link."""
    text, stale = _filled(page, contents.text(page.source), results)
    links, pieces = Links(contents, page), []
    for code, run in _runs(text):
        numbers, content = [n for n, _ in run], "\n".join(line for _, line in run)
        pieces.append(content if code else links.rewrite(content, numbers))
    body = FIGURE.sub(_figure, "\n".join(pieces))
    if stale:
        names = ", ".join(f"`{name}`" for name in stale)
        note = stale_note("other code measured them, or nothing did", f"Numbers of {names} on this page are")
        heading, _, rest = body.partition("\n")
        body = f"{heading}\n\n{note}\n{rest}"
    return body


def _runs(lines: list[tuple[int, str]]) -> list[tuple[bool, list[tuple[int, str]]]]:
    """Lines of code, and lines of text, in turn."""
    found: list[tuple[bool, list[tuple[int, str]]]] = []
    fence = ""
    for number, line in lines:
        mark = FENCE.match(line)
        code = bool(fence or mark)
        if mark:
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
        if found and found[-1][0] == code:
            found[-1][1].append((number, line))
        else:
            found.append((code, [(number, line)]))
    return found


def _filled(page: Page, text: str, results: Results) -> tuple[list[tuple[int, str]], list[str]]:
    """The lines with what belongs between marks, and without the marks, each with its number; and the stale lessons.

    Where a chapter has no results, what stands between its marks stays.
    """
    lines: list[tuple[int, str]] = []
    stale: dict[str, None] = {}
    end, number = 0, 1

    def add(piece: str, advance: bool = True) -> None:
        nonlocal number
        for k, part in enumerate(piece.split("\n")):
            if k:
                number += advance
                lines.append((number, part))
            elif lines:
                lines[-1] = (lines[-1][0], lines[-1][1] + part)
            else:
                lines.append((number, part))

    def plain(start: int, stop: int) -> None:
        left = next((m for m in COMMENT.finditer(text, start, stop) if not within(m)), None)
        if left:
            line = number + text.count("\n", start, left.start())
            raise Problem(f"{page.source}, line {line}: {left[0]} is a broken mark: it has no end, or no beginning")
        add(text[start:stop])

    spans = [m.span() for m in CODE.finditer(text)]

    def within(match: re.Match) -> bool:
        return any(a <= match.start() < b for a, b in spans)

    for mark in (m for m in readme.MARK.finditer(text) if not within(m)):
        plain(end, mark.start())
        if "<!--" in mark["content"]:
            raise Problem(f"{page.source}, line {number}: {mark[1]} is a broken mark: it has no end")
        names = _stale(mark, results)
        stale |= dict.fromkeys(names)
        try:
            content = mark["content"] if _unmeasured(mark, results) else readme.between(mark)
        except Problem as problem:
            raise Problem(f"{page.source}, line {number}: {problem}") from problem
        if names and mark["kind"] in TABLES:
            package = mark["what"].partition("/")[0]
            why = "; ".join(f"`{name}`: {results.why_stale(package, name.partition('/')[2])}" for name in names)
            content = f"\n\n{stale_note(why)}{content}"
        add(content, advance=False)
        number += mark["content"].count("\n")
        end = mark.end()
    plain(end, len(text))
    return lines, list(stale)


def _unmeasured(mark: re.Match, results: Results) -> bool:
    """Whether the mark is on a chapter that has no results, or on all chapters and one has none."""
    package, known = (mark["what"] or "").partition("/")[0], [c.package for c in results.chapters]
    if package in known:
        return package not in results.records or bool(_stale_names(mark, results, "not measured"))
    return not mark["what"] and len(results.records) < len(known)


def _stale(mark: re.Match, results: Results) -> list[str]:
    return [] if mark["kind"] in ("machine", "caption") else _stale_names(mark, results)


def _stale_names(mark: re.Match, results: Results, reason: str = "") -> list[str]:
    """The stale lessons that a mark's numbers come from, with their chapter: "ch01_regression/line"."""
    package, _, rest = (mark["what"] or "").partition("/")
    chapter = next((c for c in results.chapters if c.package == package), None)
    if chapter is None or not rest:
        return []
    lessons = [name for name in chapter.lessons if f"{rest}/".startswith(f"{name}/") or name.startswith(f"{rest}/")]
    found = {name: results.why_stale(package, name) for name in lessons}
    return [f"{package}/{name}" for name, why in found.items() if why and (not reason or why == reason)]


def _figure(match: re.Match) -> str:
    after = f"\n\n{match['after'].strip()}" if match["after"].strip() else ""
    return f"<figure>{match['picture']}<figcaption>\n\n{match['caption']}\n\n</figcaption></figure>{after}"

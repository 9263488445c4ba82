"""A lesson's file as the cells of a notebook: its text, its definitions in groups, and its story step by step."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from common.lesson_text import Block, parse_docstring, split_code
from common.notebooks.story import FOR_TOOLS, story_cells

GROUP = 45  # lines: so far functions that follow one another share a cell
HEADING = re.compile(r"# --- (.+?) -+")
ITEM = re.compile(r"(?:\d+\.|[-–•]) ")
SPECIAL = re.compile(r"([\\*_\[\]<>$#~|])")  # what Markdown would take for a sign of its own

INSTALL = """\
# Installs the course and its libraries where they are missing, as in a fresh Colab.
# That takes some minutes; where they are there, this cell does nothing.
import importlib.util

if importlib.util.find_spec("{package}") is None:
    %pip install --quiet "{source}"
    importlib.invalidate_caches()"""

RUN = """\
from common.notebooks.run import notebook_run

run = notebook_run({arguments})"""

ABOUT_RUN = """\
## The lesson, step by step

`run` measures, tests and draws, at seed 0 as the command line does. `preset="smoke"` takes seconds and shows that all
works, `"lecture"` is what the course's numbers come from{costs}, and `"full"` takes the full data. A cell that you
change and run again replaces what it measured before; all cells from here on give the numbers of the command line."""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook: Markdown or code, and its text."""

    kind: Literal["markdown", "code"]
    text: str


def lesson_cells(
    source: str, package: str, lesson: str, *, preset: str, install_from: str, seconds: float | None
) -> list[Cell]:
    """A lesson file's cells. install_from: for pip, where the course is missing. seconds: of the lecture preset.

    Raises Problem where the lesson's story can't be told in cells.
    """
    cells = [Cell("markdown", f"{introduction(source)}\n\nThis notebook is made from `{package}/{lesson}.py`.")]
    cells.append(Cell("code", INSTALL.format(package=package, source=install_from)))
    definitions = definition_cells(source)
    cells += [Cell("markdown", "## Definitions")] * bool(definitions) + definitions
    arguments = f'"{package}", "{lesson}"' + (f', preset="{preset}"' if preset != "lecture" else "")
    costs = f" (about {seconds:.0f} s)" if seconds is not None else ""
    cells += [Cell("markdown", ABOUT_RUN.format(costs=costs)), Cell("code", RUN.format(arguments=arguments))]
    cells += [Cell("code", text) for text in story_cells(source)]
    cells += [Cell("markdown", "## Verdicts and scoreboard"), Cell("code", "run.finish();")]
    return cells


def introduction(source: str) -> str:
    """The docstring as Markdown: the title, what stands beneath it, and the sections with their names in bold."""
    sections = parse_docstring(ast.get_docstring(ast.parse(source)) or "")
    title, _, rest = sections.pop("").partition("\n")
    paragraphs = [f"# {escaped(title)}"] + [markdown(rest)] * bool(rest.strip())
    paragraphs += [f"**{name}.** {markdown(text)}" for name, text in sections.items()]
    return "\n\n".join(paragraphs)


def markdown(text: str) -> str:
    """Plain text as Markdown. Items of a list stay items, other indented lines are equations and keep their columns."""
    kind, kinds, lines = "text", [], text.strip("\n").splitlines()
    for line in lines:
        indented = line[:1].isspace() or (kind != "text" and not line)
        if ITEM.match(line):
            kind = "item"
        elif not indented or kind == "text":
            kind = "equation" if indented else "text"
        kinds.append(kind)
    parts = []
    for kind, some in groupby(zip(kinds, lines, strict=True), lambda pair: pair[0]):
        part = "\n".join(line for _, line in some).rstrip()
        parts.append(f"```text\n{part}\n```" if kind == "equation" else escaped(part))
    return "\n\n".join(parts)


def escaped(text: str) -> str:
    """Text without signs that Markdown takes for its own, but for the backquotes around code."""
    pieces = text.split("`")
    return "`".join(piece if i % 2 else SPECIAL.sub(r"\\\1", piece) for i, piece in enumerate(pieces))


def definition_cells(source: str) -> list[Cell]:
    """Imports, constants, functions and classes, up to the lesson itself. Comments that part the file are headings."""
    lines, above, cells = source.splitlines(), 0, []
    group: list[str] = []
    kinds: set[str] = set()

    def close() -> Iterator[Cell]:
        if group:
            yield Cell("code", FOR_TOOLS.sub("", "\n\n\n".join(group)))
        group.clear()
        kinds.clear()

    for block in split_code(source)[:-1]:
        parting = [line for line in lines[above : block.line - 1] if line.startswith("#")] if above else []
        above = block.line - 1 + len(block.code.splitlines())
        size = sum(text.count("\n") + 3 for text in group) + block.code.count("\n")
        if parting or (kinds and (size > GROUP or kind_of(block) not in kinds)):
            cells += close()
        if parting:
            cells.append(Cell("markdown", heading(parting)))
        group.append(block.code)
        kinds.add(kind_of(block))
    return [*cells, *close()]


def kind_of(block: Block) -> str:
    """What shares a cell: imports with constants, functions that draw, other functions; each class is by itself."""
    if block.kind in ("imports", "code"):
        return "head"
    if block.kind == "class":
        return f"class {block.name}"
    return "drawing" if block.name.startswith("draw") else "function"


def heading(comments: list[str]) -> str:
    """Comments between definitions as Markdown: a ruled one as a heading, others as text."""
    if ruled := HEADING.match(comments[0]):
        return f"### {escaped(ruled[1])}"
    return escaped(" ".join(line.lstrip("# ") for line in comments))

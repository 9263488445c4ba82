"""A lesson's page, and a part's: what its docstring says, its code as text with code between, its results."""

from __future__ import annotations

import ast
import posixpath
from html import escape

from book import results as shown
from book.code import highlight
from book.contents import Contents, Page
from book.docstrings import Linker, inline, markdown
from book.links import figure
from book.names import Names
from book.papers import papers_table
from book.results import Results, stale_note
from common.chapter import Chapter
from common.lesson_text import Block, parse_docstring, split_class, split_code
from common.record import LessonRecord

SECTIONS = ("Question", "Method", "Rival", "Differs", "Costs")
KEPT_OPEN = 3  # lines of imports that are not folded
ORPHAN = "---\norphan: true\n---\n\n"  # Sphinx: the page is in no list of contents; links lead to it


def lesson_page(
    page: Page, chapter: Chapter, lesson: str, *, contents: Contents, names: Names, results: Results
) -> str:
    """The Markdown of a lesson's page."""
    linker = Linker(contents, names, page)
    text = contents.docstring(page.source)
    parts = [
        _heading(page, linker, contents),
        f'<p class="where">{_where(page, chapter, lesson, contents)}</p>',
        _sections(text, linker),
        papers_table(page.source, text),
        "## Run this lesson",
        _command(page, chapter, lesson, contents),
        "## The code",
        _code(page, linker, contents, names),
        "## What it measured",
        _results(page, chapter, lesson, contents, results),
    ]
    return "\n\n".join(filter(None, parts))


def part_page(page: Page, users: list[Page], contents: Contents, names: Names) -> str:
    """The Markdown of a part's page: users are the pages whose code imports it."""
    linker = Linker(contents, names, page)
    if page.kind == "file":
        from book.code import plain

        code = plain(contents.text(page.source).strip())
        return f"{ORPHAN}# {_letters(page.source)}\n\n```{{raw}} html\n{code}\n```"
    text = contents.docstring(page.source)
    used = ", ".join(f"[`{user.source}`]({page.to(user)})" for user in users)
    parts = [
        _heading(page, linker, contents),
        f'<p class="where">A part of the course: <code>{page.source}</code></p>',
        _sections(text, linker),
        papers_table(page.source, text),
        f"Used by {used}." if used else "",
        "## The code",
        _code(page, linker, contents, names),
    ]
    return ORPHAN + "\n\n".join(filter(None, parts))


def _letters(text: str) -> str:
    return shown.escaped(text)


def _heading(page: Page, linker: Linker, contents: Contents) -> str:
    sentence = contents.title(page.source)
    return f"# {inline(sentence.removesuffix('.'), linker)}"


def _where(page: Page, chapter: Chapter, lesson: str, contents: Contents) -> str:
    readme = contents.pages[f"{chapter.package}/README.md"]
    number = int(chapter.package[2:4])
    steps = [f'<a href="{page.to(readme)}">Chapter {number}, {escape(chapter.title.lower())}</a>']
    if "/" in lesson:
        task = contents.pages[f"{chapter.package}/{posixpath.dirname(lesson)}/README.md"]
        steps.append(f'<a href="{page.to(task)}">{escape(contents.title(task.source)).lower()}</a>')
    place = f"lesson {chapter.lessons.index(lesson) + 1} of {len(chapter.lessons)}"
    return " · ".join([*steps, place, f"<code>{page.source}</code>"])


def _sections(text: str, linker: Linker) -> str:
    """What stands under the first line, and the sections with their names beside them."""
    said = parse_docstring(text)
    _, _, rest = said.pop("").partition("\n\n")
    parts = [
        f'<div class="section {name.lower()}">\n<p>{name}</p>\n<div>\n\n{markdown(content, linker)}\n\n</div></div>'
        for name, content in said.items()
    ]
    order = f'<div class="sections">\n\n{"".join(f"{part}{chr(10)}{chr(10)}" for part in parts)}</div>' if parts else ""
    return "\n\n".join(filter(None, [order, markdown(rest, linker) if rest else ""]))


def _command(page: Page, chapter: Chapter, lesson: str, contents: Contents) -> str:
    seconds = chapter.seconds().get(lesson)
    command = f"```text\npython -m {chapter.package}.main --only {lesson}\n```"
    if seconds is None:
        return f"{command}\n\nHow long it takes was not measured."
    front = page.to(contents.pages["README.md"], "the-chapters")
    took = f"{seconds:.0f} seconds" if seconds >= 1.5 else "about a second"
    return f"{command}\n\nOne seed took {took} on the machine that the [front page]({front}) names."


def _code(page: Page, linker: Linker, contents: Contents, names: Names) -> str:
    source, links = contents.text(page.source), names.links(page.source)

    def code(block: Block) -> str:
        return _raw(highlight(block.bare, links, linker.url)) if block.bare else ""

    parts = []
    for block in split_code(source):
        if block.kind == "imports":
            parts.append(shown.folded("Imports", code(block)) if len(block.bare) > KEPT_OPEN else code(block))
        elif block.kind == "code":
            anchors = "".join(f'<span id="{name}"></span>' for name in _assigned(block))
            parts.append(f"{anchors}\n\n{code(block)}" if anchors else code(block))
        elif block.kind == "class":
            pieces = split_class(source, block)
            parts += [_definition(piece, linker, code(piece), 4 if k else 3) for k, piece in enumerate(pieces)]
        else:
            parts.append(_definition(block, linker, code(block), 3))
    return "\n\n".join(parts)


def _definition(block: Block, linker: Linker, code: str, level: int) -> str:
    shows = block.name.rpartition(".")[2]
    anchors = f'<span id="{block.name}"></span>'
    anchors += "".join(f'<span id="{block.name}.{name}"></span>' for name in block.short)
    owner = block.name.partition(".")[0]
    text = markdown(block.text, linker, owner) if block.text else ""
    return "\n\n".join(filter(None, [anchors, f"{'#' * level} `{shows}`", text, code]))


def _assigned(block: Block) -> list[str]:
    found = []
    for node in ast.parse(block.code).body:
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        found += [n.id for t in filter(None, targets) for n in ast.walk(t) if isinstance(n, ast.Name)]
    return found


def _results(page: Page, chapter: Chapter, lesson: str, contents: Contents, results: Results) -> str:
    record = results.lesson(chapter.package, lesson)
    if record is None:
        return stale_note("not measured yet", "This lesson's numbers are")
    why = results.why_stale(chapter.package, lesson)
    seeds, how = len(record.seconds), page.to(contents.pages["HOW_TO_READ_TABLES.md"])
    below = f"Mean over {seeds} seeds ± its 95 % interval." if seeds > 1 else "One seed; ± is the test set's interval."
    board, claims = shown.board(record), shown.claims(record, lesson)
    parts = [
        stale_note(why) if why else "",
        _figures(page, chapter, record, contents),
        f"{board}\n\n{below} [How to read this table]({how})." if board else "",
        shown.verdicts(record),
        shown.facts(record),
        f"### What the paper claims\n\n{claims}" if claims else "",
    ]
    return "\n\n".join(filter(None, parts)) or "It measures nothing that is kept."


def _figures(page: Page, chapter: Chapter, record: LessonRecord, contents: Contents) -> str:
    """The pictures of a lesson that are kept, with their captions."""
    kept = []
    for picture in record.pictures:
        source = f"{chapter.package}/figures/{picture.file}"
        if (contents.root / source).is_file():
            alt = contents.alternatives.get(source) or picture.caption
            kept.append(figure(contents.root, page, source, alt, _letters(picture.caption)))
    return "\n\n".join(kept)


def _raw(html: str) -> str:
    return f"```{{raw}} html\n{html}\n```"

"""A docstring as Markdown: sentences as sentences, equations set, names and files linked."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from book.code import plain
from book.contents import Contents, Page
from book.equations import equations, is_code, is_equation, scripts
from book.names import Names, Place

SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|$~])")
FILE = re.compile(r"(?<![\w/.])(?:[\w-]+/)*[a-z_]\w*\.py\b")
ITEM = re.compile(r"[-*] |\d+\. ")


@dataclass(frozen=True)
class Linker:
    """Finds the pages that a docstring of one page names."""

    contents: Contents
    names: Names
    page: Page

    def url(self, place: Place) -> str:
        """The link to a place from this page."""
        source, anchor = place
        return self.page.to(self.contents.page(source), anchor)

    def name(self, text: str, owner: str = "") -> str | None:
        """The link to what `text` names: a function, a class, a method of the owner. None where nothing."""
        bare = text.removesuffix("()")
        if not re.fullmatch(r"[A-Za-z_][\w.]*", bare) or not self.page.source.endswith(".py"):
            return None
        for name in (bare, f"{owner}.{bare}" if owner else bare):
            if (place := self.names.place(self.page.source, name)) and place != (self.page.source, owner):
                return self.url(place)
        return None

    def file(self, name: str) -> str | None:
        """The link to a file by its path from this page's folder, from those around it, or from the root."""
        folder = posixpath.dirname(self.page.source)
        while True:
            source = posixpath.join(folder, name) if folder else name
            if source in self.contents.pages and source != self.page.source:
                return self.url((source, ""))
            if not folder:
                return None
            folder = posixpath.dirname(folder)


def markdown(text: str, linker: Linker, owner: str = "") -> str:
    """The text as Markdown. owner: the class or function that it belongs to."""
    blocks: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        for set_apart, lines in _runs(paragraph.splitlines()):
            if set_apart:
                blocks.append(_raw(plain("\n".join(map(str.strip, lines))) if is_code(lines) else equations(lines)))
            elif ITEM.match(lines[0].strip()):
                blocks.append("\n".join(_item(line, linker, owner) for line in lines))
            else:
                blocks.append(inline(" ".join(line.strip() for line in lines), linker, owner))
    return "\n\n".join(blocks)


def inline(text: str, linker: Linker, owner: str = "") -> str:
    """A sentence: what stands between backticks is code, everything else letters; both with links."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        _code(part[1:-1], linker, owner, after=parts[k - 1]) if k % 2 else _words(part, linker)
        for k, part in enumerate(parts)
    )


def _code(text: str, linker: Linker, owner: str, after: str) -> str:
    file = f"{text}.py" if re.search(r"\blessons?\s*$", after) else text  # "lesson `comparison`"
    link = (linker.file(file) if file.endswith(".py") else None) or linker.name(text, owner)
    return f"[`{text}`]({link})" if link else f"`{text}`"


def _words(text: str, linker: Linker) -> str:
    pieces, end = [], 0
    for match in FILE.finditer(text):
        if link := linker.file(match[0]):
            pieces += [_escaped(text[end : match.start()]), f"[{_escaped(match[0])}]({link})"]
            end = match.end()
    return "".join([*pieces, _escaped(text[end:])])


def _escaped(text: str) -> str:
    """Markdown's signs as letters; x_k as a subscript."""
    whole = re.split(r"(</?(?:i|sub|sup)>)", scripts(text))
    return "".join(part if k % 2 else _entities(part) for k, part in enumerate(whole))


def _entities(html: str) -> str:
    return re.sub(r"&(?:amp|lt|gt);|[^&]+|&", lambda m: m[0] if m[0][0] == "&" else SPECIAL.sub(r"\\\1", m[0]), html)


def _item(line: str, linker: Linker, owner: str) -> str:
    mark, _, rest = line.strip().partition(" ")
    return f"{mark} {inline(rest, linker, owner)}" if ITEM.match(line.strip()) else f"  {inline(line.strip(), linker)}"


def _runs(lines: list[str]) -> list[tuple[bool, list[str]]]:
    """Lines that are set apart, and those that run on, in turn."""
    found: list[tuple[bool, list[str]]] = []
    margin = not lines[0].startswith(" ") or bool(ITEM.match(lines[0].strip()))
    for line in lines:
        indented = line.startswith("    ") or not margin
        apart = is_equation(line, indented) and not ITEM.match(line.strip())
        if found and found[-1][0] == apart and not (not apart and ITEM.match(line) and not ITEM.match(found[-1][1][0])):
            found[-1][1].append(line)
        else:
            found.append((apart, [line]))
    return found


def _raw(html: str) -> str:
    """HTML that Markdown leaves alone: it must have no empty line."""
    return f"```{{raw}} html\n{html}\n```"

"""The glossary: its entries, its page, and the pattern that finds its terms in a text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from book.contents import Contents, Page
from book.links import Links
from common.errors import Problem

ENTRY = re.compile(
    r"\*\*(?P<term>[^*]+)\*\*(?: \(also: (?P<also>[^)]+)\))?\. (?P<meaning>.+) "
    r"\[`(?P<shown>[\w/]+)`\]\((?P<link>[\w/]+\.py)\)"
)
START = re.compile(r"(?<![\w/.])\w")


@dataclass(frozen=True)
class Entry:
    """A term, its other names, its definition, the file of the lesson that teaches it, and its line in the glossary."""

    term: str
    names: tuple[str, ...]
    meaning: str
    link: str
    line: int


def entries(text: str, source: str) -> list[Entry]:
    """The entries of a glossary. Raises Problem, with the line, for one that is none."""
    found, begun = [], False
    for number, line in enumerate(text.splitlines(), start=1):
        begun |= line.startswith("## ")
        if begun and line and not line.startswith("## "):
            if not (match := ENTRY.fullmatch(line)):
                raise Problem(f"{source}, line {number}: no entry of a glossary: {line[:60]}")
            also = match["also"].split(", ") if match["also"] else []
            found.append(Entry(match["term"], (match["term"], *also), match["meaning"], match["link"], number))
    return found


def term_anchor(term: str) -> str:
    """The anchor of a term on the glossary's page."""
    return "term-" + re.sub(r"\W+", "-", term.lower().replace("²", "2")).strip("-")


def glossary_page(page: Page, contents: Contents) -> str:
    """The Markdown of the glossary: an anchor per term, and a place for the pages that use it."""
    text = contents.text(page.source)
    links, by_line = Links(contents, page), {entry.line: entry for entry in entries(text, page.source)}
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        if entry := by_line.get(number):
            anchor = term_anchor(entry.term)
            lines.append(
                f'<div class="term" id="{anchor}">\n\n{links.rewrite(line, [number])}\n\n{place(anchor)}\n</div>'
            )
        else:
            lines.append(links.rewrite(line, [number]))
    return "\n".join(lines)


def place(anchor: str) -> str:
    """Where the pages that use a term are written in, once all pages are read."""
    return f'<p class="uses" data-term="{escape(anchor)}"></p>'


class Finder:
    """Finds terms in prose. A name of several entries stands for none of them, nor does a single word out of a longer
    term ("graph" for "computational graph"), which would be found where it means something else."""

    def __init__(self, found: Sequence[Entry]) -> None:
        heads = {entry.term: entry for entry in found}
        count = Counter(name for entry in found for name in entry.names)
        self.names: dict[str, Entry] = dict(heads)
        for entry in found:
            for name in entry.names[1:]:
                within = name.islower() and " " not in name and re.search(rf"\b{re.escape(name)}\b", entry.term)
                if count[name] == 1 and not within:
                    self.names[name] = entry
        self.folded = {name.lower(): entry for name, entry in self.names.items() if name == name.lower()}
        self.by_start: dict[str, list[re.Pattern]] = defaultdict(list)  # the longest first
        for name in sorted(self.names, key=len, reverse=True):
            words = r"[\s-]".join(map(re.escape, re.split(r"[\s-]", name)))
            pattern = re.compile(rf"(?P<name>{words})(?:s|es)?(?!\w)", re.IGNORECASE)
            self.by_start[name[:2].lower()].append(pattern)

    def first_uses(self, text: str, used: set[str]) -> list[tuple[int, int, Entry]]:
        """Where terms stand that `used` does not have yet; it has them afterwards."""
        found, end = [], 0
        for start in (match.start() for match in START.finditer(text)):
            if start < end:
                continue
            for pattern in self.by_start.get(text[start : start + 2].lower(), ()):
                if (match := pattern.match(text, start)) and (entry := self._entry(match["name"])):
                    end = match.end()
                    if entry.term not in used:
                        used.add(entry.term)
                        found.append((start, end, entry))
                    break
        return found

    def _entry(self, name: str) -> Entry | None:
        """The entry of a name as it stands in a text: perhaps with a capital at the start of a sentence."""
        name = re.sub(r"\s+", " ", name)
        plain = name[0].lower() + name[1:]
        spellings = (plain, plain.replace("-", " "), plain.replace(" ", "-"))
        return self.names.get(name) or next((self.folded[p] for p in spellings if p in self.folded), None)

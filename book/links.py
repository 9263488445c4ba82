"""Links of a Markdown file as links between pages. A link that leads nowhere is a Problem, with its file and line."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from book.contents import Contents, Page
from common.errors import Problem

PICTURE = re.compile(r"!\[(?P<alt>(?:\\.|[^\]\\])*)\]\((?P<file>[^()\s]+)\)")
LINK = r"(?<!\\)\[(?P<text>(?:\\.|`[^`]*`|!\[[^\]]*\]\([^)]*\)|[^\[\]\\`])*)\]\((?P<target>[^()\s]+)\)"
EITHER = re.compile(rf"(?P<code>`[^`\n]+`)(?!\])|{PICTURE.pattern}|{LINK}")
HEADING = re.compile(r"#{1,6} +(.+)")


@dataclass(frozen=True)
class Links:
    """Rewrites the links of one text."""

    contents: Contents
    page: Page

    def rewrite(self, text: str, numbers: Sequence[int]) -> str:
        """Text with its links between pages, and its pictures as images that open large. numbers: of its lines."""

        def line(at: int) -> int:
            return numbers[text.count("\n", 0, at)]

        def replaced(match: re.Match) -> str:
            if match["code"]:
                return match[0]
            if match["file"]:
                return self.picture(match, line(match.start()))
            inner, target = match["text"], match["target"]
            if re.match(r"[a-z]+:", target):
                return match[0]
            url = self.url(target, line(match.start()))
            if alone := PICTURE.fullmatch(inner):
                return f'<a href="{url}">{self.image(alone, line(match.start()))}</a>'
            return f"[{inner}]({url})"

        return EITHER.sub(replaced, text)

    def url(self, target: str, number: int) -> str:
        """The link to a file's page, given from this text. Raises Problem where there is none."""
        file, _, anchor = target.partition("#")
        source = posixpath.normpath(posixpath.join(posixpath.dirname(self.page.source), file))
        source = self.page.source if not file else source
        if (self.contents.root / source).is_dir() and file:
            return self.url_of_folder(source)
        page = self.contents.page(source)
        if page is None:
            raise Problem(f"{self.page.source}, line {number}: a link to {target}, which does not exist")
        if anchor and page.kind == "text" and anchor not in anchors(self.contents.root / source):
            what = "no term of the glossary" if source == "GLOSSARY.md" else "no heading there"
            raise Problem(f"{self.page.source}, line {number}: a link to {target}, but #{anchor} is {what}")
        anchor = anchor if source == "GLOSSARY.md" else identifier(anchor)
        return self.page.to(page, anchor) if file else f"#{anchor}"

    def url_of_folder(self, folder: str) -> str:
        """Where the parts of a folder are listed."""
        readme = self.contents.pages.get(f"{folder}/README.md")
        return self.page.to(readme) if readme else self.page.to(Page("", "parts", "made"), anchor_of_folder(folder))

    def file(self, name: str, number: int) -> str:
        """The source of a picture. Raises Problem where it does not exist."""
        source = posixpath.normpath(posixpath.join(posixpath.dirname(self.page.source), name))
        if not (self.contents.root / source).is_file():
            raise Problem(f"{self.page.source}, line {number}: a picture {name}, which does not exist")
        return source

    def picture(self, match: re.Match, number: int) -> str:
        """An image that opens large at a tap."""
        return picture(self.contents.root, self.page, self.file(match["file"], number), match["alt"])

    def image(self, match: re.Match, number: int) -> str:
        """An image alone."""
        return image(self.contents.root, self.page, self.file(match["file"], number), match["alt"])


def picture(root: Path, page: Page, source: str, alt: str) -> str:
    """An image that opens large at a tap, as HTML in a line."""
    return f'<a class="large" href="{_beside(page, source)}">{image(root, page, source, alt)}</a>'


def image(root: Path, page: Page, source: str, alt: str) -> str:
    """An image with the room that it takes, as HTML in a line."""
    from PIL import Image

    with Image.open(root / source) as opened:
        width, height = opened.size
    alt = escape(re.sub(r"\\(.)", r"\1", alt))
    size = f'width="{width}" height="{height}"'
    return f'<img src="{_beside(page, source)}" alt="{alt}" {size} loading="lazy">'


def figure(root: Path, page: Page, source: str, alt: str, caption: str) -> str:
    """A figure with its caption, which is Markdown."""
    shown = picture(root, page, source, alt)
    return f"<figure>{shown}<figcaption>\n\n{caption}\n\n</figcaption></figure>"


def anchor_of_folder(folder: str) -> str:
    """The anchor of a folder on the page of parts."""
    return folder.replace("/", "-")


def anchors(path: Path) -> set[str]:
    """The anchors of a Markdown file's headings; of the glossary, those of its terms, too."""
    from book.glossary import entries, term_anchor

    text = path.read_text(encoding="utf-8")
    found = {heading_anchor(m[1]) for line in text.splitlines() if (m := HEADING.fullmatch(line))}
    if path.name == "GLOSSARY.md":
        found |= {term_anchor(entry.term) for entry in entries(text, path.name)}
    return found


def heading_anchor(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    words = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower())
    return words.strip().replace(" ", "-")


def identifier(anchor: str) -> str:
    """A heading's anchor as Sphinx writes it: no accents, and one hyphen where GitHub has two."""
    plain = unicodedata.normalize("NFKD", anchor).encode("ascii", "ignore").decode()
    return re.sub("-{2,}", "-", plain)


def _beside(page: Page, source: str) -> str:
    return posixpath.relpath(source, posixpath.dirname(page.name) or ".")

"""Every term of the glossary is a link at its first use on a page, and the glossary names the pages that use it."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING, Any

from book.contents import Contents, Page
from book.glossary import Entry, Finder, entries, term_anchor

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

GLOSSARY = "GLOSSARY.md"


class GlossaryLinks:
    """Listens to Sphinx while it reads and writes the pages."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.page = contents.pages[GLOSSARY]
        self.finder = Finder(entries(contents.text(GLOSSARY), GLOSSARY))
        self.by_name = {page.name: page for page in contents.pages.values()}
        self.used: dict[str, list[str]] = defaultdict(list)  # the names of the pages, by the anchor of a term

    def listen(self, app: Sphinx) -> None:
        """Be told of every page that is read and written."""
        app.connect("doctree-read", self.link)
        app.connect("html-page-context", self.write_uses)

    def link(self, app: Sphinx, doctree: nodes.document) -> None:
        """Make links of the first uses of terms on a page, outside code, formulas, headings and other links."""
        from docutils import nodes

        name = app.env.docname
        if name == self.page.name:
            return
        others = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.raw, nodes.math)
        used: set[str] = set()
        for text in list(doctree.findall(nodes.Text)):
            if not any(isinstance(node, (*others, nodes.math_block)) for node in _above(text)):
                self._replace(text, self.finder.first_uses(str(text), used), name)

    def _replace(self, text: nodes.Text, found: list[tuple[int, int, Entry]], name: str) -> None:
        from docutils import nodes

        pieces, end = [], 0
        for start, stop, entry in found:
            url = posixpath.relpath(f"{self.page.name}.html", posixpath.dirname(name) or ".")
            link = nodes.reference("", str(text)[start:stop], refuri=f"{url}#{term_anchor(entry.term)}")
            link["classes"].append("term")
            link["reftitle"] = re.sub(r"[*`\\]", "", entry.meaning)
            link["internal"] = True
            pieces += [nodes.Text(str(text)[end:start]), link]
            end = stop
            self.used[term_anchor(entry.term)].append(name)
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(str(text)[end:])])

    def write_uses(self, app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: object) -> None:
        """Under each term of the glossary, write the texts and lessons that use it."""
        if name == self.page.name:
            context["body"] = re.sub(
                r'<p class="uses" data-term="([^"]+)"></p>', lambda match: self._uses(match[1]), context["body"]
            )

    def _uses(self, anchor: str) -> str:
        pages = [self.by_name[name] for name in self.used[anchor] if name in self.by_name]
        shown = [page for page in pages if page.kind != "part"]
        links = ", ".join(f'<a href="{self.page.to(page)}">{escape(_short(page))}</a>' for page in shown)
        if not shown:
            return ""
        count = f"{len(shown)} page" + "s" * (len(shown) > 1)
        return f'<details class="uses"><summary>Used on {count}</summary><p>{links}</p></details>'


def _above(node: nodes.Node) -> list[nodes.Node]:
    found = []
    while node is not None:
        found.append(node)
        node = node.parent
    return found


def _short(page: Page) -> str:
    """A page's name in a list of many."""
    return page.name.removesuffix("/index").replace("index", "front page")

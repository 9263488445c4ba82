"""What a lesson shows in a notebook: tables, captions and notes as HTML, and one progress line that changes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from common.console import Console
from common.tables import Sheet

EVERY = 0.2  # seconds between two changes of the progress line


def table(sheet: Sheet, title: str = "") -> str:
    """The sheet as an HTML table under its title: words left, numbers right."""
    sides = ["left" if i < sheet.words else "right" for i in range(len(sheet.header))]

    def line(tag: str, cells: list[str]) -> str:
        pairs = zip(cells, sides, strict=True)
        return "<tr>" + "".join(f'<{tag} style="text-align:{side}">{escape(c)}</{tag}>' for c, side in pairs) + "</tr>"

    body = "".join(line("td", cells) for cells in sheet.cells)
    caption = f"<p><b>{escape(title)}</b></p>" if title else ""
    return f"{caption}<table><thead>{line('th', sheet.header)}</thead><tbody>{body}</tbody></table>"


def paragraph(text: str, style: str = "max-width:75ch") -> str:
    """A sentence as an HTML paragraph."""
    return f'<p style="{style}">{escape(text.strip())}</p>'


def bullets(lines: Iterable[str]) -> str:
    """Sentences as an HTML list."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


class NotebookConsole(Console):
    """say() shows text under the cell; step() and track() write the cell's progress line, which clear() empties."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.silent = False
        self._line: Any = None  # the handle of the progress line, once this cell has one
        self._shown = 0.0

    def show(self, html: str) -> None:
        """HTML under the cell."""
        from IPython.display import HTML, display

        display(HTML(html))

    def say(self, what: Any = "", style: str | None = None, wrap: bool = True) -> None:
        """Show text as a paragraph."""
        if not self.silent and str(what).strip():
            self.show(paragraph(str(what)))

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """Nothing is said while the block runs: what it would say is shown in another way."""
        self.silent = True
        try:
            yield
        finally:
            self.silent = False

    def step(self, what: str) -> None:
        """Change the progress line, five times per second at most."""
        from IPython.display import HTML, display

        if self._line is not None and time.monotonic() - self._shown < EVERY:
            return
        html = HTML(paragraph(f"{what} …", "color:gray"))
        if self._line is None:
            self._line = display(html, display_id=True)
        else:
            self._line.update(html)
        self._shown = time.monotonic()

    def clear(self) -> None:
        """Empty the progress line: the next cell has one of its own."""
        from IPython.display import HTML

        if self._line is not None:
            self._line.update(HTML(""))
        self._line = None

    def track(self, items: Iterable, what: str, total: int | None = None) -> Iterator:
        """Yield items; the progress line counts them."""
        total = total if total is not None else (len(items) if hasattr(items, "__len__") else None)
        for count, item in enumerate(items, start=1):
            yield item
            self.step(f"{what}: {count}" + (f" of {total}" if total else ""))

"""What a run prints: rich on a terminal; plain lines where there is none, or where NO_COLOR or CI is set."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PLAIN_WIDTH = 120
PLAIN_EVERY = 10  # seconds between two progress lines of one loop


class Console:
    """say() lines and tables, show which step runs, track() loops."""

    def __init__(self, quiet: bool = False) -> None:
        self.plain = bool(os.environ.get("NO_COLOR") or os.environ.get("CI")) or not RichConsole().is_terminal
        for stream in (sys.stdout, sys.stderr):  # where a letter can't be shown, a question mark stands for it
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        settings = {"width": PLAIN_WIDTH, "no_color": True, "force_terminal": False} if self.plain else {}
        self._rich = RichConsole(highlight=False, quiet=quiet, **settings)
        self._progress: Progress | None = None
        self._step = None

    def say(self, what: RenderableType = "", style: str | None = None, wrap: bool = True) -> None:
        """Print text (rich markup is not read: brackets stay brackets) or a renderable such as a table."""
        self._rich.print(
            what,
            style=None if self.plain else style,
            markup=False,
            soft_wrap=not wrap or (self.plain and isinstance(what, str)),
        )

    def rule(self, title: str) -> None:
        """A heading across the page."""
        if self.plain:
            self.say(f"== {title}")
        else:
            self._rich.rule(f"[bold]{title}", align="left")

    @contextmanager
    def steps(self, total: int) -> Iterator[None]:
        """Show progress through total steps while the block runs; step() names the one under way, done() ends it."""
        if self.plain:
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self._rich, transient=True) as self._progress:
            self._step = self._progress.add_task("", total=total)
            try:
                yield
            finally:
                self._progress = self._step = None

    def step(self, what: str) -> None:
        if self._progress is not None:
            self._progress.update(self._step, description=what)

    def done(self, steps: int = 1) -> None:
        if self._progress is not None:
            self._progress.advance(self._step, steps)

    def track(self, items: Iterable, what: str, total: int | None = None) -> Iterator:
        """Yield items, showing how many of total are done: a bar, or a plain line every ten seconds."""
        total = total if total is not None else (len(items) if hasattr(items, "__len__") else None)
        if (progress := self._progress) is not None:
            task = progress.add_task(f"  {what}", total=total)
            try:
                for item in items:
                    yield item
                    progress.advance(task)
            finally:  # also where the loop is left early
                progress.remove_task(task)
            return
        last = time.monotonic()
        for count, item in enumerate(items, start=1):
            yield item
            if time.monotonic() - last > PLAIN_EVERY:
                last = time.monotonic()
                self.say(f"   {what}: {count}" + (f" of {total}" if total else ""))

"""Lessons run once at smoke, with a Run that draws and keeps what is said: captions, notes, claims with conditions.

test_canary.py runs every lesson of a chapter anyway: it leaves these runs here, so that test_claims.py, on the same
worker (see `worker`), need not run them again. Where it has not, `recorded` runs a lesson by itself.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from threadpoolctl import threadpool_limits

from common.console import Console
from common.data import Scale
from common.paired import corrected
from common.record import LessonRecord
from common.run import Run

KEPT: dict[tuple[str, str], Recording] = {}


@dataclass
class Recording(Run):
    """A Run that keeps captions, claims with their conditions, and pictures to be drawn once the lesson is over: some
    fit models, which are none of what the lesson fitted."""

    captions: list[str] = field(default_factory=list)
    claims: list[tuple] = field(default_factory=list)
    pictures: list[Callable[[], None]] = field(default_factory=list)

    def _draw(self, name, draw, *args, caption, **kwargs):
        self.captions.append(caption)
        self.pictures.append(partial(super()._draw, name, draw, *args, caption=caption, **kwargs))

    def claim(self, text, *conditions):
        self.claims.append((text, conditions))


def worker(chapter: str) -> pytest.MarkDecorator:
    """One worker runs all tests that need a chapter's lessons in its own process."""
    return pytest.mark.xdist_group(f"lessons of {chapter}")


def recording(name: str, folder: Path, shared: dict) -> Recording:
    """For a lesson of that name, at smoke."""
    record, console = LessonRecord("", ""), Console(quiet=True)
    return Recording(name, 0, Scale("smoke"), record, folder, console, device_name="cpu", shared=shared)


def keep(chapter: str, run: Recording) -> Recording:
    """A run whose lesson is over: with its comparisons in the record and its pictures drawn. Its models are let go."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.record.comparisons = corrected(pair.compare() for pair in run.pairs.values())
        run.finish()
        for draw in run.pictures:
            draw()
    run.methods, run.shared, run.last, run.pictures = {}, {}, [], []
    return KEPT.setdefault((chapter, run.lesson), run)


@cache
def recorded(chapter: str, name: str) -> Recording:
    """The lesson's run at smoke."""
    if (chapter, name) in KEPT:
        return KEPT[chapter, name]
    with TemporaryDirectory() as folder, warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        run = recording(name, Path(folder), {})
        importlib.import_module(f"{chapter}.{name.replace('/', '.')}").lesson(run)
        return keep(chapter, run)

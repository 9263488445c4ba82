"""A lesson at one seed: its generator, its methods, and what it records: comparisons, facts, figures, notes, claims."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, UInt8

from common.console import Console
from common.data import Scale
from common.errors import Problem
from common.files import write_whole
from common.method import KINDS, Method
from common.paired import Pair
from common.record import Fact, Floor, LessonRecord, Picture

Answer = TypeVar("Answer")


@dataclass
class Run:
    """One lesson at one seed. rng is its own generator; pictures and notes are made for the first seed only."""

    lesson: str
    seed: int
    scale: Scale
    record: LessonRecord
    folder: Path
    console: Console
    first: bool = True
    device_name: str = "auto"
    checkpoints: Path | None = None  # the folder of checkpoints, where it isn't in `folder`
    pairs: dict[tuple[str, str, str], Pair] = field(default_factory=dict)  # shared by the seeds
    shared: dict[tuple[str, int], tuple[Any, float]] = field(default_factory=dict)  # by the lessons: fitted models
    methods: dict[str, Method] = field(default_factory=dict)
    last: list[Callable[[], None]] = field(default_factory=list)  # what is done after the last seed
    photo: UInt8[np.ndarray, "height width 3"] | None = None  # the reader's own, of --photo
    mask: Bool[np.ndarray, "height width"] | None = None  # of --mask: True where the photo is to be filled in

    @property
    def file_name(self) -> str:
        """The lesson's name in the names of files: without a slash."""
        return self.lesson.replace("/", "_")

    @cached_property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(self.lesson.encode())])

    @cached_property
    def device(self) -> Any:
        """The torch device of --device; auto takes a GPU if there is one. Raises Problem if there is none."""
        import torch

        there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if self.device_name == "auto":
            return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
        if not there[self.device_name]:
            raise Problem(f"--device {self.device_name}: torch finds no such device here; try --device auto")
        return torch.device(self.device_name)

    def pick(self, *, smoke: Answer, lecture: Answer, full: Answer | None = None) -> Answer:
        """The value for this run's preset; full is lecture's unless told."""
        return {"smoke": smoke, "lecture": lecture, "full": lecture if full is None else full}[self.scale.preset]

    @contextmanager
    def method(self, name: str, *, kind: str) -> Iterator[Method]:
        """A method's block: its name stands on the progress line while the block runs."""
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
        self.console.step(f"{self.lesson} · {name}" + (f" · seed {self.seed}" if not self.first else ""))
        self.methods[name] = Method(self, name, kind)
        yield self.methods[name]

    def compare(self, a: str, b: str, metric: str | None = None) -> None:
        """Ask for a paired test of two methods that scored the same test items, by their first metric by default.

        The verdict is given after the last seed, corrected for all comparisons of the lesson.
        """
        metric = metric or next(iter(self.methods[a].items))
        pair = self.pairs.setdefault((a, b, metric), Pair(a, b))
        pair.add(self.methods[a].items[metric], self.methods[b].items[metric])

    def fact(self, name: str, value: float | np.floating, unit: str = "") -> float:
        """Keep a measured number that belongs to no method. Returns it."""
        if not math.isfinite(value):
            raise Problem(f"{self.lesson}, seed {self.seed}: {name} is {value}")
        self.record.facts.append(Fact(name, float(value), unit, self.seed))
        return float(value)

    def floor(self, method: str, metric: str, *, at_least: float | None = None, at_most: float | None = None) -> None:
        """State what --check holds the lesson to: a limit for the mean over seeds."""
        if self.first:
            self.record.floors.append(Floor(method, metric, at_least, at_most))

    def figure(self, name: str, draw: Callable, *args: Any, caption: str, **kwargs: Any) -> None:
        """Draw a figure, draw(*args, **kwargs) -> Figure, and keep it as a PNG with the sentence under it.

        A list of Figures becomes a picture that moves.
        """
        if self.first:
            self._draw(name, draw, *args, caption=caption, **kwargs)

    def figure_over_seeds(self, name: str, draw: Callable, *args: Any, caption: str, **kwargs: Any) -> None:
        """Draw a figure after the last seed, draw(record, *args, **kwargs) -> Figure, from the rows, facts and verdicts
        of all seeds: the numbers that the tables show."""
        if self.first:
            self.last.append(lambda: self._draw(name, draw, self.record, *args, caption=caption, **kwargs))

    def _draw(self, name: str, draw: Callable, *args: Any, caption: str, **kwargs: Any) -> None:
        from common import plots

        self.console.step(f"{self.lesson} · drawing {name}")
        with plots.style():
            drawn, draft = draw(*args, **kwargs), self.scale.preset == "smoke"
            png = plots.moving_png(drawn, draft) if isinstance(drawn, list) else plots.png(drawn, draft)
        file = f"{self.file_name}_{name}.png"
        write_whole(self.folder / file, png)
        self.record.pictures.append(Picture(name, file, caption))

    def note(self, text: str) -> None:
        """State this run's numbers in a sentence, in the terminal and in the report. What they show is a claim."""
        if self.first:
            self.record.notes.append(text)
            self.console.say(f"   {text}")

    def claim(self, text: str | Callable[[LessonRecord], str], *conditions: Callable[[LessonRecord], bool]) -> None:
        """A sentence that is noted after the last seed if every condition holds of what all seeds measured.

        text: or a function of the record, for a sentence with numbers over all seeds. conditions: see common/claims.py.
        At smoke nothing is claimed: it is too small to show anything.
        """
        if self.first and self.scale.preset != "smoke":
            self.last.append(lambda: self._claim(text, conditions))

    def _claim(self, text: str | Callable, conditions: Iterable[Callable[[LessonRecord], bool]]) -> None:
        if all(holds(self.record) for holds in conditions):
            self.note(text if isinstance(text, str) else text(self.record))

    def finish(self) -> None:
        """After the last seed, and with its verdicts in the record: say the claims that hold, draw what spans seeds."""
        for do in self.last:
            do()

    def say_step(self, text: str) -> None:
        """Say on the progress line what is under way within the lesson: an epoch, a fold."""
        self.console.step(f"{self.lesson} · {text}" + (f" · seed {self.seed}" if not self.first else ""))

    def checkpoint(self, name: str) -> Path:
        """Where this lesson's training of that name keeps its checkpoint: --resume goes on from it."""
        return (self.checkpoints or self.folder / "checkpoints") / f"{self.file_name}-{name}-seed{self.seed}.pt"

    def forget_checkpoints(self) -> None:
        """Delete what this lesson's trainings at this seed have kept."""
        for kept in self.checkpoint("any").parent.glob(f"{self.file_name}-*-seed{self.seed}.pt"):
            kept.unlink(missing_ok=True)
        with suppress(OSError):  # not there, or another training's are in it
            self.checkpoint("any").parent.rmdir()

    def track(self, items: Iterable, what: str, total: int | None = None) -> Iterator:
        """Yield items with a progress bar."""
        return self.console.track(items, what, total)

"""What a lesson holds in its hand: one seed's Run, and in it the methods that are fitted, scored and compared."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Shaped

from common import results
from common.console import Console
from common.data import Scale
from common.data.parts import Part
from common.errors import Problem
from common.files import write_whole
from common.model_size import model_size
from common.paired import ItemScores, Pair
from common.record import Fact, Floor, LessonRecord, Picture
from common.results import Interval, Row

KINDS = ("classical", "from scratch", "deep", "reference")
Answer = TypeVar("Answer")


@dataclass
class Method:
    """One way to answer the lesson's question. Made by run.method(); kind is one of KINDS."""

    run: Run
    name: str
    kind: str
    model: Any = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    predictions: np.ndarray | None = None
    items: dict[str, ItemScores] = field(default_factory=dict)  # by metric

    def time(self, work: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """Call work; what it takes counts as time to fit."""
        start = time.perf_counter()
        answer = work(*args, **kwargs)
        self.fit_seconds = (self.fit_seconds or 0.0) + time.perf_counter() - start
        return answer

    def fit(self, model: Any, part: Part) -> Any:
        """model.fit on the part, timed. Returns the model."""
        self.model = self.time(model.fit, part.inputs, part.answers)
        return self.model

    def fit_shared(self, name: str, build: Callable[[], Any], part: Part) -> Any:
        """fit(build(), part), once a run and seed: a later lesson that asks for the same name is given that model.

        Its seconds come with it, as they were when it was fitted. name: says all that the model depends on.
        """
        key = (name, self.run.seed)
        if key in self.run.shared:
            self.model, self.fit_seconds = self.run.shared[key]
        else:
            self.share(name, self.fit(build(), part))
        return self.model

    def share(self, name: str, model: Any) -> None:
        """Let later lessons that ask fit_shared for the name have this fitted model, and its seconds."""
        self.run.shared[name, self.run.seed] = model, self.fit_seconds

    def score(self, part: Part, predict: Callable | None = None) -> Shaped[np.ndarray, "items"]:
        """Predict the part (model.predict unless told), timed; measure the accuracy of classes, RMSE and R² else.

        Returns the predictions.
        """
        start = time.perf_counter()
        self.predictions = np.asarray((predict or self.model.predict)(part.inputs))
        self.predict_seconds = time.perf_counter() - start
        if np.issubdtype(part.answers.dtype, np.integer):
            correct = self.predictions == part.answers
            share = results.wilson_interval(int(correct.sum()), len(part))
            self.items["accuracy"] = ItemScores("accuracy", part.ids, 100.0 * correct, "%", higher_is_better=True)
            percent = Interval(100 * share.value, 100 * share.low, 100 * share.high)
            self.measure("accuracy", percent, n=len(part), unit="%", higher_is_better=True)
        else:
            self.score_items("RMSE", (self.predictions - part.answers) ** 2, part, unit=part.unit)
            explained = results.bootstrap_interval(results.r2, part.answers, self.predictions)
            self.measure("R²", explained, n=len(part), higher_is_better=True)
        return self.predictions

    def score_items(
        self,
        metric: str,
        values: Float[np.ndarray, "items"],
        part: Part,
        *,
        unit: str = "",
        higher_is_better: bool = False,
    ) -> None:
        """A metric that is the mean of a value an item of the part (RMSE: its root), with a bootstrap interval."""
        items = self.items[metric] = ItemScores(metric, part.ids, values, unit, higher_is_better)
        interval = results.bootstrap_interval(items.statistic, values)
        self.measure(metric, interval, n=len(part), unit=unit, higher_is_better=higher_is_better)

    def measure(
        self, metric: str, value: float | Interval, *, n: int, unit: str = "", higher_is_better: bool = False
    ) -> None:
        """Put a metric of this method on the scoreboard. n: how many test items it was measured on."""
        interval = value if isinstance(value, Interval) else Interval(float(value))
        if not math.isfinite(interval.value):
            where = f"{self.run.lesson}, seed {self.run.seed}"
            raise Problem(f"{where}: the {metric} of {self.name} is {interval.value}")
        self.run.record.rows.append(
            Row(
                lesson=self.run.lesson,
                method=self.name,
                kind=self.kind,
                metric=metric,
                value=interval.value,
                low=interval.low,
                high=interval.high,
                n=int(n),
                unit=unit,
                higher_is_better=higher_is_better,
                parameters=model_size(self.model),
                fit_seconds=self.fit_seconds,
                predict_seconds=self.predict_seconds,
                seeds=(self.run.seed,),
            )
        )


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
        """Ask for a paired test of two methods that scored the same test items, by their first metric unless told.

        The verdict is pronounced after the last seed.
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
        if not self.first:
            return
        from common import plots

        self.console.step(f"{self.lesson} · drawing {name}")
        with plots.style():
            drawn, draft = draw(*args, **kwargs), self.scale.preset == "smoke"
            png = plots.moving_png(drawn, draft) if isinstance(drawn, list) else plots.png(drawn, draft)
        file = f"{self.lesson}_{name}.png"
        write_whole(self.folder / file, png)
        self.record.pictures.append(Picture(name, file, caption))

    def note(self, text: str) -> None:
        """Say what was seen, in the terminal and in the report."""
        if self.first:
            self.record.notes.append(text)
            self.console.say(f"   {text}")

    def say_step(self, text: str) -> None:
        """Say on the progress line what is under way within the lesson: an epoch, a fold."""
        self.console.step(f"{self.lesson} · {text}" + (f" · seed {self.seed}" if not self.first else ""))

    def checkpoint(self, name: str) -> Path:
        """Where this lesson's training of that name keeps its checkpoint: --resume goes on from it."""
        return (self.checkpoints or self.folder / "checkpoints") / f"{self.lesson}_{name}_seed{self.seed}.pt"

    def forget_checkpoints(self) -> None:
        """Delete what this lesson's trainings at this seed have kept."""
        for kept in self.checkpoint("any").parent.glob(f"{self.lesson}_*_seed{self.seed}.pt"):
            kept.unlink(missing_ok=True)
        with suppress(OSError):  # not there, or another training's are in it
            self.checkpoint("any").parent.rmdir()

    def track(self, items: Iterable, what: str, total: int | None = None) -> Iterator:
        """Yield items with a progress bar."""
        return self.console.track(items, what, total)

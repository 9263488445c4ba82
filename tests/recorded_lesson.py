"""A lesson that is run at smoke, and what it did: what it chose, fitted, timed, scored and would have drawn."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from common import method
from common.console import Console
from common.data import Scale
from common.method import Method
from common.record import LessonRecord
from common.run import Run


@dataclass(frozen=True)
class Choice:
    """One call of common.tuning.choose."""

    options: list
    scores: np.ndarray
    highest: bool
    taken: Any


@dataclass(frozen=True)
class Call:
    """Something that a lesson called: its arguments, and what it was given back."""

    args: tuple
    kwargs: dict
    answer: Any


@dataclass
class Recorded:
    """What a lesson did. choices: in order. fitted, timed, scored: by the method's name. figures: arguments by name."""

    run: Run
    choices: list[Choice] = field(default_factory=list)
    fitted: dict[str, list[Call]] = field(default_factory=dict)
    timed: dict[str, list[Call]] = field(default_factory=dict)
    scored: dict[str, list[Call]] = field(default_factory=dict)
    figures: dict[str, tuple] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, float]:
        return {fact.name: fact.value for fact in self.run.record.facts}

    def value(self, method: str, metric: str) -> float:
        return next(row.value for row in self.run.record.rows if (row.method, row.metric) == (method, metric))


def recorded(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, *, events: list | None = None, lists: str = "smoke"
) -> Recorded:
    """Run module.lesson at smoke, without drawing, and tell what it did.

    events: a list for the choices, where others may note what happens between them. lists: the preset by which lists
    are picked, of rates to try, say.
    """
    name = module.__name__.rpartition(".")[2]
    folder = Path(tempfile.mkdtemp())  # for checkpoints of trainings
    run = Run(name, 0, Scale("smoke"), LessonRecord("", ""), folder, Console(quiet=True), device_name="cpu")
    found = Recorded(run, [] if events is None else events)
    if lists != "smoke":
        run.pick = lambda smoke, **others: others[lists] if isinstance(smoke, list) else smoke
    run.figure = lambda name, draw, *args, **kwargs: found.figures.update({name: args})
    run.figure_over_seeds = run.figure
    with monkeypatch.context() as patch:
        patch.setattr(method, "QUICK", 0.0)  # nothing is fitted again only to time it
        for each in [m for m in sys.modules.values() if m.__name__.startswith("ch0") and hasattr(m, "choose")]:
            patch.setattr(each, "choose", noting_choice(each.choose, found.choices))
        for what, calls in (("fit", found.fitted), ("time", found.timed), ("score", found.scored)):
            patch.setattr(Method, what, noting_calls(getattr(Method, what), calls))
        torch.manual_seed(0)
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module.lesson(run)
    return found


def noting_choice(choose: Callable, choices: list[Choice]) -> Callable:
    """choose, which also keeps what it was asked."""

    def noted(options: Any, scores: Any, *, highest: bool = False) -> Any:
        taken = choose(options, scores, highest=highest)
        choices.append(Choice(list(options), np.asarray(scores, float), highest, taken))
        return taken

    return noted


def noting_calls(work: Callable, calls: dict[str, list[Call]]) -> Callable:
    """A Method's method, which also keeps its calls by the Method's name."""

    def noted(self: Method, *args: Any, **kwargs: Any) -> Any:
        answer = work(self, *args, **kwargs)
        calls.setdefault(self.name, []).append(Call(args, kwargs, answer))
        return answer

    return noted

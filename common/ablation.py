"""An ablation study: change one thing at a time, repeat over seeds, and say what the change did and how sure that is.

Why one seed is not enough: Bouthillier et al. 2021. All variants see the same seeds, so that a difference is taken
between runs that share their data, their first weights and their batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Int

from common import plots, results
from common.data import Images, Table
from common.method import groups_of
from common.paired import Comparison, ItemScores, Pair
from common.record import LessonRecord
from common.run import Run
from common.tables import plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Settings = TypeVar("Settings")  # a frozen dataclass
Experiment = Callable[[Settings, int], tuple[Any, Int[np.ndarray, "items"]]]  # settings, seed -> model, predictions
BASE = "base"


def one_at_a_time(factors: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, Any]]:
    """{"width": (64, 256)} as changes with names: {"width 64": {"width": 64}, "width 256": {"width": 256}}."""
    return {
        f"{factor.replace('_', ' ')} {getattr(level, '__name__', level)}": {factor: level}
        for factor, levels in factors.items()
        for level in levels
    }


@dataclass
class Ablation:
    """Variants of one experiment, all of them scored by accuracy on the same test part.

    base: the settings that the variants differ from. experiment: trains under settings and a seed, and returns the
    model and its predictions of the part. seeds: how many, all of them children of the run's own seed.
    """

    run: Run
    part: Images | Table
    base: Settings
    experiment: Experiment
    seeds: int = 5
    kind: str = "from scratch"
    scores: dict[str, list[ItemScores]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.measure(BASE)

    def measure(self, name: str, **change: Any) -> None:
        """Run the experiment under the base's settings with this change; its mean over seeds is scored."""
        settings, own = replace(self.base, **change), []
        children = np.random.SeedSequence(self.run.seed).generate_state(self.seeds)
        with self.run.method(name, kind=self.kind) as method:
            for seed in children:
                method.model, predicted = method.time(self.experiment, settings, int(seed))
                correct = 100.0 * (predicted == self.part.answers)
                groups = groups_of(self.part)
                own.append(ItemScores("accuracy", self.part.ids, correct, "%", higher_is_better=True, groups=groups))
            method.fit_seconds /= self.seeds
            accuracy = results.mean_interval([scores.values.mean() for scores in own])
            method.measure("accuracy", accuracy, n=len(self.part), unit="%", higher_is_better=True)
        self.scores[name] = own

    def compare(self, name: str, other: str = BASE) -> Comparison:
        """The paired test of two variants, whose verdict the run gives after its last seed; returned for this seed."""
        pairs = Pair(name, other), self.run.pairs.setdefault((name, other, "accuracy"), Pair(name, other))
        for a, b in zip(self.scores[name], self.scores[other], strict=True):
            for pair in pairs:
                pair.add(a, b)
        return pairs[0].compare()

    def study(self, changes: Mapping[str, Mapping[str, Any]]) -> list[Comparison]:
        """Measure every change and compare it with the base."""
        for name, change in changes.items():
            self.measure(name, **change)
        return [self.compare(name) for name in changes]


def draw_effects(record: LessonRecord, metric: str = "accuracy", height: float = 0.26) -> Figure:
    """draw_differences of the lesson's verdicts in this metric, over all seeds: for run.figure_over_seeds."""
    return draw_differences([c for c in record.comparisons if c.metric == metric], height)


def draw_differences(comparisons: Sequence[Comparison], height: float = 0.26) -> Figure:
    """Each change's effect with its interval: filled and coloured where significant, hollow where not."""
    names = [c.a if c.b == BASE else f"{c.a}  (against: {c.b})" for c in comparisons]
    width = 4.9 + max(map(len, names)) / 16  # inches
    figure, axis = plots.panels(width=width, height=max(1.6, 1.0 + height * len(comparisons)))
    for row, c in enumerate(comparisons):
        sure = c.winner is not None
        colour = plots.GREY if not sure else plots.GREEN if c.winner == c.a else plots.RED
        axis.plot([c.low, c.high], [row, row], color=colour, linewidth=2)
        axis.plot(c.difference, row, "o", color=colour, markersize=6, markerfacecolor=colour if sure else "white")
    axis.axvline(0, color=plots.INK, linewidth=0.8)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    first = comparisons[0]
    unit = {"%": "points"}.get(first.unit, first.unit)
    axis.set(xlabel=f"change of {first.metric} ({unit}) on {first.n} items, {plural(first.seeds, 'seed')}")
    return figure

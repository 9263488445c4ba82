"""Thirty years of improvements, added to the network of 1989 one at a time: which of them helps?

Question   LeNet of 1989 is trained in batches, and then changed step by step into what one would write today. What does
           each step do to the error, and how reliable is that?
Method     A ladder of changes, each on top of those before it (modern_recipes.py), over seeds, with a paired test of
           every rung against the one below. ReLU comes with the start that was made for it. Beside the ladder: dropout
           on top of it.
Rival      Each rung's is the rung below; the whole ladder's is the network of 1989.
Differs    Few epochs: changes that speed up learning look better here than they would after long training. Learning
           rates were chosen for squared error, cross-entropy and Adam, of three on validation digits; other steps keep
           the rate.
Costs      12 s on two cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from operator import or_
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from torch import nn

from ch05_cnn.modern_recipes import Recipe, taught
from ch05_cnn.sixteen_pixels import box_reduced
from ch05_cnn.zip_code_network import read
from common import data, plots
from common.ablation import BASE, Ablation, draw_differences
from common.paired import Comparison
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord

STEPS: dict[str, dict[str, Any]] = {
    "+ cross-entropy": {"cross_entropy": True},
    "+ ReLU": {"relu": True},
    "+ Adam": {"adam": True},
    "+ plain convolutions": {"layers": "plain"},
    "+ max pooling": {"layers": "pooled"},
    "+ moved digits": {"moved": True},
}
TOP = "+ moved digits"
BESIDE = {"+ dropout": {"dropout": 0.2}}  # on the whole ladder


def ladder(steps: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every step with all those before it."""
    return dict(zip(steps, accumulate(steps.values(), or_), strict=True))


def verdicts(comparisons: Sequence[Comparison]) -> str:
    """What helped, what did harm, and what made no significant difference, in a sentence."""
    told: dict[str, list[str]] = {"helps": [], "does harm": [], "no significant difference": []}
    for c in comparisons:
        kind = {c.a: "helps", c.b: "does harm"}.get(c.winner, "no significant difference")
        told[kind].append(f"{c.a.removeprefix('+ ')} ({c.difference:+.1f})")
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in told.items() if names)


def steps_and_whole(record: LessonRecord) -> tuple[list[Comparison], Comparison]:
    """The verdicts on every step, dropout's included, and on all steps together, under a name of its own."""
    whole = {TOP, BASE}
    steps = [c for c in record.comparisons if {c.a, c.b} != whole]
    (together,) = (c for c in record.comparisons if {c.a, c.b} == whole)
    return steps, replace(together, a="all steps together")


def draw_steps(record: LessonRecord) -> Figure:
    """What each step changes, and all of them together, over all seeds."""
    steps, whole = steps_and_whole(record)
    return draw_differences([*steps, whole])


def errors_of_rungs(record: LessonRecord) -> dict[str, Float[np.ndarray, "seeds"]]:
    """The test error of the base and of every rung under each seed, in %."""
    errors = {name: [] for name in (BASE, *STEPS)}
    for row in record.rows:
        if row.method in errors:
            errors[row.method].append(100 - row.value)
    return {name: np.array(values) for name, values in errors.items()}


def draw_ladder(record: LessonRecord) -> Figure:
    """The error of every rung: a dot per seed, a line through the means."""
    figure, axis = plots.panels(width=6.4, height=3.4)
    errors = errors_of_rungs(record)
    rungs = range(len(errors))
    for rung, values in zip(rungs, errors.values(), strict=True):
        axis.plot(np.full(len(values), rung), values, "o", color=plots.BLUE, alpha=0.5, markersize=5)
    axis.plot(rungs, [values.mean() for values in errors.values()], color=plots.BLUE)
    axis.set_xticks(rungs, ["1989, in batches" if name == BASE else name for name in errors], rotation=30, ha="right")
    axis.set(title="From 1989 to today, step upon step", ylabel="test digits read wrongly (%)", ylim=(0, None))
    return figure


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    x, x_test = (box_reduced(part.images) for part in (digits.train, digits.test))

    def experiment(recipe: Recipe, seed: int) -> tuple[nn.Module, Int[np.ndarray, "n"]]:
        network = taught(recipe, x, digits.train.labels, seed, device=run.device)
        return network, read(network, x_test)

    base = Recipe(epochs=run.pick(smoke=1, lecture=3, full=12))
    ablation = Ablation(run, digits.test, base, experiment, seeds=run.pick(smoke=1, lecture=2, full=5), kind="deep")
    rungs = ladder(STEPS)
    for name, change in rungs.items():
        ablation.measure(name, **change)
    for name, change in BESIDE.items():
        ablation.measure(name, **rungs[TOP] | change)
    for name, below in zip(rungs, [BASE, *rungs], strict=False):
        ablation.compare(name, below)
    for name in BESIDE:
        ablation.compare(name, TOP)
    ablation.compare(TOP)
    run.floor(TOP, "accuracy", at_least=97.0)

    run.figure_over_seeds(
        "ladder",
        draw_ladder,
        caption="Test digits read wrongly after every step: dots are seeds, the line their mean.",
    )
    run.figure_over_seeds(
        "differences",
        draw_steps,
        caption="The change of accuracy by each step, against the one before it or the one named, with its 95 % "
        "interval over seeds and test digits. Filled: p < 0.05 after Holm's correction.",
    )
    errors = {name: 100 - np.mean([each.values.mean() for each in ablation.scores[name]]) for name in (BASE, TOP)}
    run.note(
        f"Test digits read wrongly: {errors[BASE]:.1f} % before the first step, {errors[TOP]:.1f} % after the last, "
        f"with {base.epochs} epochs either way."
    )
    run.claim(
        lambda record: f"Step upon step, in points of accuracy: {verdicts(steps_and_whole(record)[0])}.",
        lambda record: any(c.winner for c in record.comparisons),
    )

"""The ladder is climbed step upon step, every rung against the one below, and statements agree with measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.testing import assert_allclose
from torch import nn

from ch05_cnn import modernised
from ch05_cnn.drawings.modernised import draw_ladder
from ch05_cnn.modernised import STEPS, TOP, Variant, draw_steps, errors_of_rungs, ladder, lesson, summarise_verdicts
from common.console import Console
from common.data import Scale
from common.paired import Comparison
from common.record import LessonRecord
from common.results import Row
from common.run import Run


def test_a_rung_has_all_changes_below_it_and_the_later_one_counts():
    rungs = ladder({"a": {"x": 1}, "b": {"y": 2}, "c": {"x": 3}})
    assert rungs == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 3, "y": 2}}
    assert list(STEPS)[-1] == TOP
    today = Variant(**ladder(STEPS)[TOP])
    assert today == Variant(cross_entropy=True, relu=True, adam=True, layers="pooled", moved=True)


def comparison(a: str, difference: float, p_value: float, b: str = "base") -> Comparison:
    return Comparison(
        a, b, "accuracy", difference, difference - 1, difference + 1, p_value, test="t", n=9, higher_is_better=True
    )


def test_verdicts_follow_the_test():
    found = [comparison("+ a", 1.0, 0.01), comparison("+ b", -2.0, 0.01), comparison("c", 0.5, 0.4)]
    assert summarise_verdicts(found) == "helps: a (+1.0); does harm: b (-2.0); no significant difference: c (+0.5)"
    assert summarise_verdicts(found[:1]) == "helps: a (+1.0)"


def test_the_ladder_is_drawn_over_all_seeds():
    settings = {"lesson": "modernised", "kind": "deep", "metric": "accuracy", "low": 0.0, "high": 100.0, "n": 9}
    errors = {name: (5.0 - rung, 4.0 - rung / 2) for rung, name in enumerate(("base", *STEPS))}
    rows = [
        Row(method=name, value=100 - error, seeds=(seed,), **settings)
        for name, both in (errors | {"+ dropout": (50.0, 60.0)}).items()
        for seed, error in enumerate(both)
    ]
    axis = draw_ladder(errors_of_rungs(LessonRecord("", "", rows=rows)), "base").axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1989, in batches", *STEPS]
    assert_allclose(axis.lines[-1].get_ydata(), np.mean(list(errors.values()), axis=1))
    assert_allclose(axis.lines[0].get_ydata(), [5, 4])


def test_the_differences_drawn_are_the_verdicts():
    found = [comparison("+ ReLU", 1.0, 0.01, "+ cross-entropy"), comparison("+ dropout", -0.6, 0.2, TOP)]
    found.append(comparison(TOP, 3.6, 0.001))
    axis = draw_steps(LessonRecord("", "", comparisons=found)).axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["+ ReLU  (against: + cross-entropy)", f"+ dropout  (against: {TOP})", "all steps together"]
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [1.0, -0.6, 3.6]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [False, True, False]


def test_every_rung_is_held_against_the_one_below(monkeypatch):
    """A network that always predicts 8 replaces every variant; only the requested trainings count."""
    asked = []

    def train(variant, x, labels, seed, device):
        asked.append((variant, len(x)))
        return nn.Identity()

    monkeypatch.setattr(modernised, "train_variant", train)
    monkeypatch.setattr(modernised, "read_digits", lambda network, images: np.full(len(images), 8))
    run = Run("modernised", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())
    monkeypatch.setattr(run, "figure", lambda *args, **kwargs: None)
    lesson(run)
    assert {n for _, n in asked} == {1000}  # training digits, all of them and no others
    variants = [variant for variant, _ in asked]
    assert len(set(variants)) == len(variants) == 8
    names = list(STEPS)
    wanted = [(names[0], "base"), *zip(names[1:], names, strict=False)]
    wanted += [("+ dropout", TOP), (TOP, "base")]
    assert {pair[:2] for pair in run.pairs} == set(wanted)

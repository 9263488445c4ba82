"""The ladder is climbed step upon step, every rung against the one below, and what is said is what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.testing import assert_allclose
from torch import nn

from ch05_cnn import modernised
from ch05_cnn.modern_recipes import Recipe
from ch05_cnn.modernised import STEPS, TOP, draw_ladder, ladder, lesson, verdicts
from common.console import Console
from common.data import Scale
from common.paired import Comparison
from common.record import LessonRecord
from common.run import Run


def test_a_rung_has_all_changes_below_it_and_the_later_one_counts():
    rungs = ladder({"a": {"x": 1}, "b": {"y": 2}, "c": {"x": 3}})
    assert rungs == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 3, "y": 2}}
    assert list(STEPS)[-1] == TOP
    today = Recipe(**ladder(STEPS)[TOP])
    assert today == Recipe(cross_entropy=True, relu=True, adam=True, layers="pooled", moved=True)


def comparison(a: str, difference: float, p_value: float, b: str = "base") -> Comparison:
    return Comparison(
        a, b, "accuracy", difference, difference - 1, difference + 1, p_value, test="t", n=9, higher_is_better=True
    )


def test_verdicts_follow_the_test():
    found = [comparison("+ a", 1.0, 0.01), comparison("+ b", -2.0, 0.01), comparison("c", 0.5, 0.4)]
    assert verdicts(found) == "helps: a (+1.0); does harm: b (-2.0); no difference that the test sees: c (+0.5)"
    assert verdicts(found[:1]) == "helps: a (+1.0)"


def test_the_ladder_is_drawn_as_it_is():
    errors = {"base": np.array([4.0, 5.0]), "+ a": np.array([2.0, 2.5])}
    axis = draw_ladder(errors).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1989, in batches", "+ a"]
    assert_allclose(axis.lines[-1].get_ydata(), [4.5, 2.25])
    assert_allclose(axis.lines[0].get_ydata(), [4, 5])


def test_every_rung_is_held_against_the_one_below(monkeypatch):
    """A network that is always 8 is taught by no recipe; what was asked for is what counts."""
    asked = []

    def taught(recipe, x, labels, seed, device):
        asked.append((recipe, len(x)))
        return nn.Identity()

    monkeypatch.setattr(modernised, "taught", taught)
    monkeypatch.setattr(modernised, "read", lambda network, images: np.full(len(images), 8))
    run = Run("modernised", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())
    monkeypatch.setattr(run, "figure", lambda *args, **kwargs: None)
    lesson(run)
    assert {n for _, n in asked} == {1000}  # training digits, all of them and no others
    recipes = [recipe for recipe, _ in asked]
    assert len(set(recipes)) == len(recipes) == 8
    names = list(STEPS)
    wanted = [(names[0], "base"), *zip(names[1:], names, strict=False)]
    wanted += [("+ dropout", TOP), (TOP, "base")]
    assert {pair[:2] for pair in run.pairs} == set(wanted)

"""The choices: each change differs from the base in one thing, and is scored on photographs that score nothing else."""

from dataclasses import fields

import numpy as np
import pytest

from ch07_applications.style import choices
from ch07_applications.style.choices import BASE, CHANGES, CLAIMS
from ch07_applications.style.gatys import Recipe
from ch07_applications.style.styles import choosing_pairs, judged_pairs
from ch07_applications.tests.style.small_networks import small_judge, small_vgg
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run


def test_every_change_is_one_and_is_a_change():
    base = Recipe()
    for change in CHANGES.values():
        ((name, value),) = change.items()
        assert name in {field.name for field in fields(Recipe)}
        assert getattr(base, name) != value


def test_claims_are_of_methods_that_are_there():
    for *_, better, worse, _ in CLAIMS:
        assert {better, worse} <= {BASE, *CHANGES}


def test_no_photograph_is_both_chosen_on_and_judged():
    chosen, judged = choosing_pairs(32), judged_pairs(32)
    assert not {each.tobytes() for each in chosen.inputs} & {each.tobytes() for each in judged.inputs}
    assert len(judged) == 7
    assert len(chosen) == 12
    assert len(np.unique(judged.groups)) == 6  # dogs and mountains are one photographer's
    assert judged.groups[1] == judged.groups[2]
    assert set(judged.names) == set(chosen.names) == {"painting", "moss", "stained glass"}


@pytest.mark.parametrize("there", [True, False])
def test_the_lesson_runs_with_networks_and_says_what_is_missing_without(there, tmp_path, monkeypatch):
    if there:
        monkeypatch.setattr(choices, "vgg_or_none", lambda *_: small_vgg())
        monkeypatch.setattr(choices, "squeezenet_or_none", lambda *_: small_judge())
    run = Run("style/choices", 0, Scale("smoke", tmp_path), LessonRecord("", ""), tmp_path, Console(quiet=True))
    choices.lesson(run)
    assert list(run.methods) == ([BASE, *CHANGES] if there else [])
    assert any("Left out" in note for note in run.record.notes) != there

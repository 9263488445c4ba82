"""The ablation runner: one change at a time, the same seeds for all, and a verdict that needs seeds and items."""

from dataclasses import dataclass

import numpy as np
import pytest

from common import ablation, plots
from common.ablation import BASE, Ablation, one_at_a_time
from common.console import Console
from common.data import Images, Scale
from common.record import LessonRecord
from common.run import Run


@dataclass(frozen=True)
class Settings:
    skill: float = 0.8
    luck: float = 0.0


N = 400
PART = Images(np.zeros((N, 2, 2), np.uint8), np.arange(N) % 2)
SEEN = []


def experiment(settings, seed):
    """A model that is right as often as its skill says; what is hard is so under every setting."""
    SEEN.append((settings, seed))
    hardness = np.random.default_rng(0).random(N)
    noise = 0.1 * np.random.default_rng(seed).normal(size=N)
    right = hardness + noise < settings.skill + settings.luck
    return np.zeros(7), np.where(right, PART.answers, 1 - PART.answers)


@pytest.fixture
def study(tmp_path):
    SEEN.clear()
    record = LessonRecord("", "")
    run = Run("ablation", 3, Scale("smoke"), record=record, folder=tmp_path, console=Console())
    return Ablation(run, PART, Settings(), experiment, seeds=4)


def test_factors_become_named_changes():
    assert one_at_a_time({"skill": (0.5, 0.9), "batch_size": (32,)}) == {
        "skill 0.5": {"skill": 0.5},
        "skill 0.9": {"skill": 0.9},
        "batch size 32": {"batch_size": 32},
    }
    assert list(one_at_a_time({"model": (Settings,)})) == ["model Settings"]


def test_every_variant_changes_one_thing_and_sees_the_same_seeds(study):
    study.study({"better": {"skill": 0.9}, "lucky": {"luck": 0.05}})
    settings = list(dict.fromkeys(s for s, _ in SEEN))
    assert settings == [Settings(), Settings(skill=0.9), Settings(luck=0.05)]
    seeds = [[seed for s, seed in SEEN if s == own] for own in settings]
    assert seeds[0] == seeds[1] == seeds[2]
    assert len(set(seeds[0])) == 4


def test_other_runs_have_other_seeds(study, tmp_path):
    mine = {seed for _, seed in SEEN}
    run = Run("ablation", 4, Scale("smoke"), record=LessonRecord("", ""), folder=tmp_path, console=Console())
    SEEN.clear()
    Ablation(run, PART, Settings(), experiment, seeds=4)
    assert mine.isdisjoint(seed for _, seed in SEEN)


def test_the_scoreboard_has_each_variant_s_mean_and_interval(study):
    study.study({"better": {"skill": 0.9}})
    base, better = study.run.record.rows
    assert (base.method, better.method, base.metric, base.n, base.parameters) == (BASE, "better", "accuracy", N, 7)
    means = [scores.values.mean() for scores in study.scores["better"]]
    assert better.value == pytest.approx(np.mean(means))
    assert better.low < better.value < better.high


def test_a_large_effect_is_found_and_none_is_not(study):
    better, same = study.study({"better": {"skill": 0.95}, "same": {"luck": 0.0}})
    assert better.winner == "better"
    assert better.seeds == 4
    assert better.difference == pytest.approx(
        np.mean([a.values - b.values for a, b in zip(study.scores["better"], study.scores[BASE], strict=True)])
    )
    assert same.winner is None
    assert same.difference == 0


def test_the_run_pronounces_what_the_study_found(study):
    found = study.study({"better": {"skill": 0.95}})
    pronounced = [pair.compare() for pair in study.run.pairs.values()]
    assert pronounced == found


def test_two_changes_can_be_compared_with_each_other(study):
    study.study({"better": {"skill": 0.9}, "best": {"skill": 0.99}})
    found = study.compare("best", "better")
    assert (found.a, found.b, found.winner) == ("best", "better", "best")


def test_unknown_settings_are_an_error(study):
    with pytest.raises(TypeError, match="charm"):
        study.measure("charming", charm=1)


def test_the_picture_tells_the_sure_from_the_unsure(study):
    with plots.style():
        figure = ablation.draw_differences(study.study({"better": {"skill": 0.95}, "same": {"luck": 0.0}}))
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["better", "same"]
    points = [line for line in axis.lines if line.get_marker() == "o"]
    assert [point.get_markerfacecolor() for point in points] == [plots.GREEN, "white"]

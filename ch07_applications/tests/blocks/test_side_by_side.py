"""Work side by side gives the same results as in sequence, and runs here if no process can be started."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from ch07_applications.blocks import side_by_side as module
from ch07_applications.blocks.side_by_side import side_by_side
from common.console import Console
from common.data import Scale
from common.errors import LossNotFinite
from common.record import LessonRecord
from common.run import Run


def run_of(folder: Path) -> Run:
    """A silent run at smoke."""
    return Run("images_and_text/alignments", 0, Scale("smoke"), LessonRecord("", ""), folder, Console(quiet=True))


def draw(run: Run, count: int) -> tuple[torch.Tensor, int]:
    """Numbers of the run's own generator, and the process that drew them."""
    return torch.from_numpy(run.rng.random(count)), os.getpid()


def run_away(run: Run) -> None:
    raise LossNotFinite(float("inf"), 7)


WORKS = {"three": partial(draw, count=3), "two": partial(draw, count=2)}


def lecture_run(tmp_path):
    return replace(run_of(tmp_path), scale=Scale("lecture"), device_name="cpu")


def refuse(*_: object) -> None:
    raise OSError("no more processes")


def test_other_processes_give_what_this_one_gives_under_the_same_names(tmp_path, monkeypatch):
    elsewhere = side_by_side(lecture_run(tmp_path), WORKS)
    monkeypatch.setattr(module, "processes", refuse)
    for name, ((numbers, process), seconds) in side_by_side(lecture_run(tmp_path), {"three": WORKS["three"]}).items():
        torch.testing.assert_close(elsewhere[name][0][0], numbers, rtol=0, atol=0)
        assert process == os.getpid() != elsewhere[name][0][1]
        assert min(seconds, elsewhere[name][1]) >= 0
    assert list(elsewhere) == ["three", "two"]
    assert len(elsewhere["two"][0][0]) == 2


def test_what_goes_wrong_elsewhere_is_raised_here(tmp_path):
    with pytest.raises(LossNotFinite, match="inf at step 7") as raised:
        side_by_side(lecture_run(tmp_path), {"one": run_away})
    assert raised.value.step == 7


def test_at_smoke_all_is_done_here_with_the_run_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "processes", None)
    run = run_of(tmp_path)
    assert side_by_side(run, {"same": lambda given: given is run})["same"][0]

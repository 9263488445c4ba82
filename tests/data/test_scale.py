"""Presets, and the folder of the full sets."""

from pathlib import Path

import pytest

from common import data
from common.data.scale import default_folder
from common.errors import Problem


def test_an_unknown_preset_is_refused():
    with pytest.raises(Problem, match="unknown preset 'big': choose one of smoke, lecture, full"):
        data.Scale("big")


def test_the_default_is_the_lecture():
    assert data.Scale() == data.Scale("lecture")
    assert len(data.mnist().train) == len(data.mnist(data.Scale("lecture")).train) == 7291


def test_the_cache_follows_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "vision-by-reading-code" == data.Scale().cache
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    assert default_folder() == Path.home() / ".cache" / "vision-by-reading-code"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_folder() == tmp_path / "local" / "vision-by-reading-code"


def test_a_given_folder_wins(tmp_path):
    assert data.Scale("full", str(tmp_path)).cache == tmp_path
    assert data.Scale("full", "~/sets").cache == Path.home() / "sets"

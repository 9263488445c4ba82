"""What several of these tests are given."""

import sys

import pytest

from tests.common.toy_chapter import NUMBERS, Toy


@pytest.fixture
def toy(tmp_path, monkeypatch, capsys):
    package = f"ch9{next(NUMBERS)}_toy"
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # lessons are rewritten within a second
    yield Toy(tmp_path, package, capsys)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]

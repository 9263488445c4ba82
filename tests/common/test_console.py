"""Plain lines where there is no terminal; brackets stay brackets; a loop yields everything, shown or not."""

import pytest
from rich.console import Console as RichConsole

from common import console
from common.console import Console


@pytest.fixture
def terminal(monkeypatch):
    """A world that has a terminal and asks for no plainness."""
    for name in ("NO_COLOR", "CI", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(RichConsole, "is_terminal", property(lambda self: self._force_terminal is not False))


def test_not_plain_on_a_terminal(terminal):
    assert not Console().plain


@pytest.mark.parametrize("name", ["CI", "NO_COLOR"])
def test_plain_where_asked_for(terminal, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert Console().plain


def test_plain_without_a_terminal(monkeypatch):
    for name in ("NO_COLOR", "CI", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert Console().plain  # pytest captures the output


@pytest.mark.parametrize("name", ["CI", "NO_COLOR"])
def test_plain_output_has_no_escape_sequences(terminal, monkeypatch, capsys, name):
    monkeypatch.setenv(name, "1")
    said = Console()
    said.rule("Title")
    with said.steps(2):
        said.step("one")
        said.say("bold words", style="bold")
        assert list(said.track([1, 2], "loop")) == [1, 2]
        said.done()
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\r" not in out
    assert out == "== Title\nbold words\n"


def test_a_terminal_gets_style_and_a_bar(terminal, capsys):
    said = Console()
    with said.steps(2):
        said.step("fitting ridge")
        said.say("bold words", style="bold")
        assert list(said.track([1, 2], "epochs")) == [1, 2]
        said.done(2)
    out = capsys.readouterr().out
    assert "\x1b[1mbold words" in out
    assert "fitting ridge" in out
    assert "2/2" in out


@pytest.mark.parametrize("plain", [True, False])
def test_brackets_are_not_markup(terminal, monkeypatch, capsys, plain):
    if plain:
        monkeypatch.setenv("NO_COLOR", "1")
    Console().say("f[x] [bold]y[/bold] [/red] [0, 1]")
    assert "f[x] [bold]y[/bold] [/red] [0, 1]" in capsys.readouterr().out


def test_lines_that_are_not_wrapped(capsys):
    Console().say("word " * 60, wrap=False)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_track_says_a_plain_line_every_ten_seconds(monkeypatch, capsys):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    assert list(Console().track(range(7), "epochs")) == list(range(7))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["   epochs: 3 of 7", "   epochs: 6 of 7"]


def test_track_of_unknown_length(monkeypatch, capsys):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    assert list(Console().track(iter("ab"), "batches")) == ["a", "b"]
    assert capsys.readouterr().out.splitlines() == ["   batches: 1", "   batches: 2"]


def test_track_with_a_total_that_is_told(monkeypatch, capsys):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    list(Console().track(iter("a"), "batches", total=9))
    assert capsys.readouterr().out.splitlines() == ["   batches: 1 of 9"]


def test_a_loop_that_is_left_takes_its_bar_along(terminal):
    said = Console()
    with said.steps(1):
        for item in said.track(range(5), "epochs"):
            if item == 2:
                break
        assert len(said._progress.tasks) == 1, "the bar of the loop is still shown"


def test_plain_text_is_not_wrapped(capsys):
    Console().say("word " * 60)  # a path or a command must survive being copied
    assert len(capsys.readouterr().out.splitlines()) == 1

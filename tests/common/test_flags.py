"""The command line: its defaults, its one-line refusals, and the command that asks for the same again."""

import shlex
from pathlib import Path

import pytest

from common.errors import Problem
from common.flags import Flags, parse

LESSONS = ("line", "design_matrix", "ridge")


def flags(*arguments):
    return parse("ch01_toy", "Toys", LESSONS, arguments)


def refusal(*arguments):
    with pytest.raises(Problem) as caught:
        flags(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_flags_are_the_defaults():
    assert flags() == Flags()
    assert Flags().preset == "lecture"
    assert list(Flags().all_seeds) == [0]


def test_every_flag():
    given = "--preset full --only ridge line --seed 5 --seeds 3 --device cpu --data d --out o --check --resume --list"
    assert flags(*given.split()) == Flags(
        preset="full", only=("ridge", "line"), list=True, seed=5, seeds=3, device="cpu",
        data=Path("d"), out=Path("o"), check=True, resume=True,
    )  # fmt: skip
    assert list(flags("--seed", "5", "--seeds", "3").all_seeds) == [5, 6, 7]


def test_an_unknown_lesson_gets_a_suggestion():
    assert refusal("--only", "rigde") == "ch01_toy has no lesson rigde; did you mean ridge?"
    assert refusal("--only", "line", "xyzzy").endswith("there are: line, design_matrix, ridge")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--sedes", "3"], "--sedes"),
        (["--seeds", "many"], "many"),
        (["--preset", "huge"], "huge"),
        (["--device", "tpu"], "tpu"),
        (["--pre", "smoke"], "--pre"),  # no abbreviations: they would change meaning when a flag is added
        (["ridge"], "ridge"),
        (["--only"], "--only"),
    ],
)
def test_an_unknown_flag_or_value_is_named(arguments, named):
    assert named in refusal(*arguments)
    assert "--help" in refusal(*arguments)


@pytest.mark.parametrize("arguments", [["--seed", "-1"], ["--seeds", "0"], ["--seeds", "-2"]])
def test_seeds_that_make_no_sense(arguments):
    assert "--seed" in refusal(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "--preset smoke --only line ridge --seed 3 --seeds 2",
        "--check --resume --device cpu --out elsewhere --data sets",
    ],
)
def test_the_command_asks_for_the_same_again(arguments):
    asked = flags(*arguments.split())
    words = shlex.split(asked.command("ch01_toy"))
    assert words[:3] == ["python", "-m", "ch01_toy.main"]
    assert flags(*words[3:]) == asked


def test_the_command_quotes_what_a_shell_would_split():
    asked = flags("--out", "my results")
    assert flags(*shlex.split(asked.command("ch01_toy"))[3:]) == asked


def test_configuration_is_what_results_depend_on():
    same = [["--check"], ["--out", "o"], ["--only", "line"], ["--resume"]]
    other = [["--preset", "smoke"], ["--seed", "1"], ["--seeds", "2"], ["--device", "cpu"]]
    assert all(flags(*a).configuration == Flags().configuration for a in same)
    assert all(flags(*a).configuration != Flags().configuration for a in other)


def test_help_names_every_flag(capsys):
    with pytest.raises(SystemExit) as caught:
        flags("--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for flag in ("preset", "only", "list", "seed", "seeds", "device", "data", "out", "check", "resume"):
        assert f"--{flag}" in text

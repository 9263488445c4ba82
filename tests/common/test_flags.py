"""The command line: its defaults, its one-line refusals, and the command that asks for the same again."""

import shlex
from pathlib import Path

import pytest

from common.errors import Problem
from common.flags import Flags, chosen, parse

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
    given += " --photo p --mask m"
    assert flags(*given.split()) == Flags(
        preset="full", only=("line", "ridge"), list=True, seed=5, seeds=3, device="cpu",
        data=Path("d"), out=Path("o"), check=True, resume=True, photo=Path("p"), mask=Path("m"),
    )  # fmt: skip
    assert list(flags("--seed", "5", "--seeds", "3").all_seeds) == [5, 6, 7]
    assert flags("--stale") == Flags(stale=True)


def test_an_unknown_lesson_gets_a_suggestion():
    assert refusal("--only", "rigde") == "ch01_toy has no lesson rigde; did you mean ridge?"
    assert refusal("--only", "line", "xyzzy").endswith("there are: line, design_matrix, ridge")


def test_only_may_be_given_several_times():
    assert flags("--only", "ridge", "--only", "line").only == ("line", "ridge")
    assert flags().only == ()  # and one command line leaves nothing to the next


@pytest.mark.parametrize("word", ["", " ", "/"])
def test_an_empty_name_of_a_lesson_is_asked_for(word):
    assert refusal("--only", word) == (
        "--only needs the name of a lesson of ch01_toy; there are: line, design_matrix, ridge"
    )


def test_data_has_to_be_a_folder_or_a_place_for_one(tmp_path):
    (tmp_path / "file").touch()
    assert refusal("--data", str(tmp_path / "file")) == f"--data {tmp_path / 'file'} is not a folder"
    for folder in (tmp_path, tmp_path / "new"):
        assert flags("--data", str(folder)).data == folder


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seed", "-1"],
        ["--seeds", "0"],
        ["--seeds", "-2"],
        ["--seeds", "1001"],
        ["--seeds", "1000000000"],
        ["--seed", "4294967296"],
        ["--seed", "4294967290", "--seeds", "7"],
    ],
)
def test_seeds_out_of_range(arguments):
    assert refusal(*arguments) == "seeds go from 0 to 4294967295, and --seeds from 1 to 1000"


def test_the_largest_seeds():
    assert list(flags("--seed", "4294967290", "--seeds", "6").all_seeds)[-1] == 4294967295
    assert len(flags("--seeds", "1000").all_seeds) == 1000


@pytest.mark.parametrize(
    "other", [["--preset", "smoke"], ["--seed", "1"], ["--seeds", "2"], ["--device", "cpu"], ["--photo", "p"]]
)
def test_stale_lessons_are_measured_as_the_committed_ones(other):
    said = "--stale measures as the committed results were measured: leave out"
    assert refusal("--stale", "--only", "line", *other) == f"{said} {other[0]}"
    assert refusal("--stale", "--preset", "full", "--seed", "3") == f"{said} --preset and --seed"


def test_a_mask_belongs_to_a_photo():
    assert "it needs --photo" in refusal("--mask", "m.png")


FOLDERS = ("look", "colour/fit", "colour/net", "style/net", "style/paint", "fit_all")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["look"], ("look",)),
        (["colour"], ("colour/fit", "colour/net")),
        (["colour/"], ("colour/fit", "colour/net")),
        (["fit"], ("colour/fit",)),
        (["colour/net"], ("colour/net",)),
        (["paint", "look"], ("look", "style/paint")),
        (["style", "paint"], ("style/net", "style/paint")),
    ],
)
def test_lessons_in_folders_go_by_three_names(words, named):
    assert chosen("ch07_toy", words, FOLDERS) == named


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("net", "ch07_toy has several lessons net: colour/net, style/net; which one?"),
        ("paimt", "ch07_toy has no lesson paimt; did you mean paint?"),
        ("colour/ney", "ch07_toy has no lesson colour/ney; did you mean colour/net?"),
        ("styel", "ch07_toy has no lesson styel; did you mean style?"),
    ],
)
def test_a_name_that_is_none_or_several_is_one_line(word, said):
    with pytest.raises(Problem) as caught:
        chosen("ch07_toy", [word], FOLDERS)
    assert str(caught.value) == said


def test_a_folder_comes_before_a_lesson_of_its_name_elsewhere():
    assert chosen("ch07_toy", ["style"], ("colour/style", "style/net")) == ("style/net",)


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
    for flag in (
        "preset",
        "only",
        "list",
        "seed",
        "seeds",
        "device",
        "data",
        "out",
        "check",
        "resume",
        "stale",
        "photo",
        "mask",
    ):
        assert f"--{flag}" in text

"""Lessons that lie in folders: through the command line, into files, onto the page."""

import json

import pytest

from common.chapter import Chapter
from tests.common.toy_chapter import PLAIN

NAMES = ("look", "colour/fit", "colour/net", "style/net")


@pytest.fixture
def tasks(toy):
    for name in NAMES:
        (toy.home / name).parent.mkdir(exist_ok=True)
        toy.write(name, code=PLAIN.format(name=name.replace("/", " "), value=1.0))
    (toy.home / "colour" / "__init__.py").touch()  # style has none: both are packages to Python
    return toy


def test_every_lesson_runs_and_leaves_files_without_folders(tasks):
    assert tasks.run(lessons=NAMES) == 0
    left = {path.name for path in (tasks.out / tasks.package).iterdir()}
    assert left == {"results.json", *(f"{name.replace('/', '_')}_empty.png" for name in NAMES)}
    assert list(tasks.results["lessons"]) == list(NAMES)
    assert tasks.results["lessons"]["colour/net"]["rows"][0]["lesson"] == "colour/net"
    page = (tasks.out / "index.html").read_text(encoding="utf-8")
    for name in NAMES:
        assert f'id="{tasks.package}-{name.replace("/", "-")}"' in page


def test_a_heading_names_the_file_that_runs(tasks):
    tasks.run(lessons=NAMES)
    lines = tasks.said.out.splitlines()
    for number, name in enumerate(NAMES, start=1):
        at = lines.index(f"[{number}/4] What is {name.replace('/', ' ')}?")
        assert lines[at + 1].strip() == f"{tasks.package}/{name}.py"


@pytest.mark.parametrize(
    ("words", "ran"),
    [
        (["colour"], ["colour/fit", "colour/net"]),
        (["fit"], ["colour/fit"]),
        (["style/net", "look"], ["look", "style/net"]),
    ],
)
def test_only(tasks, words, ran):
    assert tasks.run("--only", *words, lessons=NAMES) == 0
    assert list(tasks.results["lessons"]) == ran


def test_a_name_that_several_have_is_one_line(tasks):
    assert tasks.run("--only", "net", lessons=NAMES) == 2
    assert tasks.error() == f"error: {tasks.package} has several lessons net: colour/net, style/net; which one?"


def test_list_groups_by_folder_and_shows_the_committed_seconds(tasks):
    tasks.run(lessons=NAMES)
    made = tasks.results
    made["lessons"]["colour/net"]["seconds"] = [61.7, 50.0]
    del made["lessons"]["style/net"]
    made["lessons"]["look"]["seconds"] = [0.24]
    made["lessons"]["colour/fit"]["seconds"] = [0.26]
    (tasks.home / "results.json").write_text(json.dumps(made))
    assert tasks.run("--list", lessons=NAMES) == 0
    lines = tasks.said.out.splitlines()
    assert lines[0].split() == ["look", "0.2", "s", "What", "is", "look?"]
    assert lines[1:-1] == [
        "colour",
        lines[2],
        "  net   62 s  What is colour net?",
        "style",
        "  net      –  What is style net?",
    ]
    assert lines[-1].startswith("In all about 62 s here (62 s, and 1 lesson of unknown length on the machine")
    assert lines[2].startswith("  fit ")


def test_list_of_damaged_results_shows_no_seconds(tasks):
    (tasks.home / "results.json").write_text('{"lessons": {"look": {"seconds": []}}}')
    assert tasks.run("--list", lessons=("look",)) == 0
    assert tasks.said.out == "look      –  What is look?\n"


def test_a_checkpoint_lies_flat_and_is_that_lesson_s_alone(tasks):
    keep = ["run.checkpoint('net').parent.mkdir(exist_ok=True)", "run.checkpoint('net').touch()"]
    tasks.body("colour/net", *keep, "raise KeyboardInterrupt")
    tasks.body("colour/fit", "run.fact('one', 1)")
    tasks.body("colour", "run.fact('one', 1)")
    kept = tasks.out / tasks.package / "checkpoints" / "colour_net-net-seed0.pt"
    assert tasks.run("--only", "colour/net", lessons=NAMES) == 130
    assert kept.exists()
    assert tasks.run("--only", "colour/fit", lessons=NAMES) == 0
    assert kept.exists(), "another lesson's"


def test_a_lesson_s_checkpoints_outlive_a_lesson_whose_name_begins_alike(toy):
    keep = ["run.checkpoint('net').parent.mkdir(exist_ok=True)", "run.checkpoint('net').touch()"]
    toy.body("one_more", *keep, "raise KeyboardInterrupt")
    toy.body("one", "run.fact('one', 1)")
    toy.run("--only", "one_more", lessons=("one", "one_more"))
    toy.run("--only", "one", lessons=("one", "one_more"))
    assert (toy.out / toy.package / "checkpoints" / "one_more-net-seed0.pt").exists()


def test_resume_follows_digests_into_folders(tasks):
    tasks.write("colour/part", code="STEP = 1\n")
    code = PLAIN.format(name="colour net", value=1.0) + f"    from {tasks.package}.colour import part\n    part.STEP\n"
    tasks.write("colour/net", code=code)
    tasks.run(lessons=NAMES)
    tasks.write("colour/part", code="STEP = 2\n")
    tasks.run("--resume", lessons=NAMES)
    assert "[1/1] What is colour net?" in tasks.said.out
    assert "kept from before: look, colour/fit, style/net" in tasks.said.out


def test_modules_and_questions(tasks):
    chapter = Chapter(tasks.package, "Toys", NAMES)
    assert chapter.module("colour/fit") == f"{tasks.package}.colour.fit"
    assert chapter.question("colour/fit") == "What is colour fit?"

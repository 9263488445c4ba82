"""--tour on one chapter and on a course of two toy chapters: what runs, what stays, what is said, what is refused."""

import json
import os
import shlex
import sys

import pytest

from common import course
from common.chapter import Chapter
from common.estimate import duration
from tests.common.toy_chapter import PLAIN

LESSONS, TOUR = ("one", "two", "three"), ("one", "three")


def tour(toy, *arguments):
    return toy.run("--tour", *arguments, tour=TOUR)


def page(toy):
    return (toy.out / "index.html").read_text(encoding="utf-8")


def test_a_tour_runs_its_lessons_and_says_what_is_left(toy):
    assert tour(toy) == 0
    assert toy.ran == list(TOUR)
    assert list(toy.results["lessons"]) == list(TOUR)
    assert "== Toys, the tour · preset smoke, 1 seed" in toy.said.out
    assert "This was the tour, 2 of 3 lessons. All of them: python -m" in toy.said.out
    assert (toy.results["tour"], toy.results["lessons_in_all"]) == (True, 3)


def test_the_command_that_a_tour_names_runs_the_rest(toy):
    tour(toy, "--seeds", "2")
    command = next(line for line in toy.said.out.splitlines() if "All of them" in line).partition("All of them: ")[2]
    assert Chapter(toy.package, "Toys", LESSONS, tour=TOUR).main(shlex.split(command)[3:]) == 0
    toy.said = toy.capsys.readouterr()
    assert toy.ran == ["two"]
    assert (list(toy.results["lessons"]), toy.results["tour"]) == (list(LESSONS), False)


def test_a_tour_lists_its_share_with_seconds(toy):
    toy.run("--preset", "lecture", "--seeds", "10")
    made = toy.results
    for name, seconds in (("one", 40.0), ("two", 50.0), ("three", 6.0)):
        made["lessons"][name]["seconds"] = [seconds] * 10
    made["machine"].pop("calibration_seconds")
    (toy.home / "results.json").write_text(json.dumps(made))
    assert tour(toy, "--list") == 0
    assert toy.said.out.splitlines() == [
        "one     40 s  What is one?",
        "three  6.0 s  What is three?",
        "In all about 46 s, if this machine is as fast as that of the committed results.",
    ]


@pytest.mark.parametrize("first", [[], ["--only", "two"], ["--resume"]])
def test_a_tour_into_a_folder_with_results_loses_none(toy, first):
    toy.run(*first)
    before = toy.results["lessons"]
    assert "two" in before
    toy.write("one", value=7.0)
    assert tour(toy) == 0
    after = toy.results["lessons"]
    assert list(after) == list(LESSONS)
    assert after["two"] == before["two"]
    assert after["one"]["rows"][0]["value"] == 7.0
    assert "This is the tour" not in page(toy)


def test_and_a_lesson_after_a_tour_loses_none_of_it(toy):
    tour(toy)
    before = toy.results["lessons"]
    assert toy.run("--only", "two") == 0
    assert list(toy.results["lessons"]) == list(LESSONS)
    assert {name: toy.results["lessons"][name] for name in TOUR} == before


@pytest.mark.parametrize("other", [["--seeds", "2"], ["--seed", "3"], ["--preset", "lecture"], ["--device", "cpu"]])
def test_what_was_measured_with_other_flags_is_not_replaced_by_a_tour(toy, other):
    toy.run(*other)
    before = toy.results
    assert tour(toy) == 2
    assert "holds lessons measured with other flags (preset " in toy.error()
    assert toy.error().endswith("give the tour an --out of its own")
    assert toy.results == before


def test_a_tour_takes_the_other_flags(toy):
    assert tour(toy, "--seed", "4", "--seeds", "2", "--check") == 0
    assert toy.results["configuration"] == {"preset": "smoke", "seed": 4, "seeds": 2, "device": "auto"}
    assert tour(toy, "--seed", "4", "--seeds", "2", "--resume") == 0
    assert toy.ran == []
    toy.out = toy.out / "another"
    toy.write("three", value=9.0)
    assert tour(toy, "--preset", "lecture", "--check") == 1
    assert "floor missed: three" in toy.said.out


def test_ctrl_c_in_a_tour_goes_on_as_a_tour(toy):
    toy.body("three", "raise KeyboardInterrupt")
    assert tour(toy) == 130
    words = shlex.split(toy.said.out.splitlines()[-1])
    assert {"--tour", "--resume"} <= set(words)
    toy.write("three")
    assert Chapter(toy.package, "Toys", LESSONS, tour=TOUR).main(words[3:]) == 0
    toy.said = toy.capsys.readouterr()
    assert toy.ran == ["three"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (179, "179 s"), (180, "3 min"), (7100, "118 min"), (7200, "2.0 h")]
)
def test_a_time_to_plan_with(seconds, words):
    assert duration(seconds) == words


# The course


MAIN = """from common.chapter import Chapter

CHAPTER = Chapter({package!r}, "Toys {package}", ("one", "two", "three"), tour=("one", "three"))

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
"""


@pytest.fixture
def two(toy, monkeypatch):
    """A course of two chapters, each run in a process of its own; the second one is the toy's twin."""
    packages = (toy.package, f"{toy.package}_twin")
    for package in packages:
        home = toy.folder / package
        home.mkdir(exist_ok=True)
        (home / "__init__.py").touch()
        (home / "main.py").write_text(MAIN.format(package=package))
        for name in LESSONS:
            (home / f"{name}.py").write_text(PLAIN.format(name=name, value=1.0))
    found = [Chapter(package, f"Toys {package}", LESSONS, tour=TOUR) for package in packages]
    monkeypatch.setattr(course, "chapters", lambda: found)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(toy.folder), *filter(None, sys.path)]))
    return packages


def run(toy, *arguments):
    status = course.main(["--preset", "smoke", "--out", str(toy.out), *arguments])
    toy.said = toy.capsys.readouterr()
    return status


def left(toy, package):
    return json.loads((toy.out / package / "results.json").read_text(encoding="utf-8"))["lessons"]


def test_a_tour_of_the_course(toy, two):
    assert run(toy, "--tour") == 0
    assert toy.said.out.splitlines()[0] == "The tour: 4 lessons of 2 chapters."
    assert toy.said.out.splitlines()[-1].endswith(str((toy.out / "index.html").resolve()))
    assert "`make course` runs every lesson" in toy.said.out
    assert [list(left(toy, package)) for package in two] == [list(TOUR)] * 2
    html = page(toy)
    assert "This is the tour: 4 of the 6 lessons of these chapters." in html
    assert "<code>make course</code> runs every lesson" in html
    assert html.count("2 of 3 lessons, the tour") == 2
    assert run(toy) == 0
    assert [list(left(toy, package)) for package in two] == [list(LESSONS)] * 2
    assert "make course" not in page(toy)


def test_what_takes_how_long_is_said_before_anything_runs(toy, two, monkeypatch):
    monkeypatch.setattr(course, "finished", lambda command: 0)
    for package, seconds in zip(two, (100.0, 130.0), strict=True):
        made = {"machine": {"calibration_seconds": 0.01}, "lessons": {name: {"seconds": [seconds]} for name in LESSONS}}
        (toy.folder / package / "results.json").write_text(json.dumps(made))
    monkeypatch.setattr("common.machine.calibrated", lambda: 0.02)
    assert run(toy, "--tour", "--preset", "lecture") == 0
    first = "The tour: 4 lessons of 2 chapters. This takes about 15 min here (8 min on the machine of the committed"
    assert toy.said.out.startswith(first)
    assert "runs every lesson: about 23 min here (12 min on" in toy.said.out
    assert run(toy, "--preset", "lecture", "--seeds", "10") == 0
    assert toy.said.out.startswith("6 lessons of 2 chapters. This takes about 3.8 h here (115 min on the machine")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tour", "--only", "one"], "--tour and --only both choose lessons"),
        (["--only", "one"], "--only names lessons of one chapter"),
        (["--only=one"], "--only names lessons of one chapter"),
        (["--tuor"], "--tuor"),
        (["--seeds", "0"], "--seeds"),
    ],
)
def test_a_wrong_word_is_one_line_before_any_chapter(toy, two, arguments, words):
    assert run(toy, *arguments) == 2
    assert words in toy.error()
    assert toy.said.out == ""
    assert not toy.out.exists()


def test_results_with_other_flags_in_the_last_chapter_stop_a_tour_before_the_first(toy, two):
    assert Chapter(two[1], "Toys", LESSONS).main(["--preset", "smoke", "--seed", "5", "--out", str(toy.out)]) == 0
    toy.capsys.readouterr()
    assert run(toy, "--tour") == 2
    assert f"{two[1]}/results.json holds lessons measured with other flags" in toy.error()
    assert not (toy.out / two[0]).exists()


def test_ctrl_c_in_a_chapter_ends_the_course_and_says_how_to_go_on(toy, two, monkeypatch):
    commands = []
    monkeypatch.setattr(course, "finished", lambda command: commands.append(command) or 130)
    assert run(toy, "--tour") == 130
    assert len(commands) == 1
    again = shlex.split(toy.said.out.splitlines()[-1])
    assert again[:3] == ["python", "-m", "common.course"]
    monkeypatch.setattr(course, "finished", lambda command: commands.append(command) or 0)
    assert course.main(again[3:]) == 0
    assert all(command[3:] == again[3:] for command in commands[1:])
    assert {"--tour", "--resume", "--preset", "smoke"} <= set(again)


def test_a_chapter_that_fails_ends_the_course(toy, two):
    (toy.home / "one.py").write_text(PLAIN.format(name="one", value=1.0) + "    run.fact('slope', float('nan'))\n")
    assert run(toy, "--tour") == 2
    assert not (toy.out / two[1]).exists()

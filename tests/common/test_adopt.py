"""What `make results` takes: stale lessons measured anew, with their pictures where pages show them, and no others."""

import json

import pytest

from common import adopt as adoption
from common.adopt import adopt
from common.chapter import Chapter
from common.errors import Problem

LESSONS = ("one", "two", "three")


@pytest.fixture
def chapter(toy):
    return Chapter(toy.package, "Toys", LESSONS, seeds=2)


@pytest.fixture
def measure(toy, chapter):
    """Run what is stale, and adopt it; the pages are the toy chapter's, and one above it."""
    (toy.home / "README.md").write_text("![a](figures/one_empty.png) ![b](figures/two_empty.png)")
    (toy.folder / "README.md").write_text(f"[![c]({toy.package}/figures/three_empty.png)]({toy.package}/README.md)")

    def measured():
        assert chapter.main(["--stale", "--out", "left"]) == 0
        return take()

    def take():
        toy.heard = []
        return adopt(chapter, toy.out, [toy.home / "README.md", toy.folder / "README.md"], toy.heard.append)

    toy.take = take
    return measured


def committed(toy):
    return json.loads((toy.home / "results.json").read_text(encoding="utf-8"))


def test_all_of_a_first_run_is_adopted_with_the_pictures_that_pages_show(toy, chapter, measure):
    assert measure() == ["one", "two", "three"]
    assert committed(toy) == toy.results
    assert chapter.stale() == {}
    assert {path.name for path in (toy.home / "figures").iterdir()} == {f"{name}_empty.png" for name in LESSONS}


def test_only_what_was_stale_is_adopted(toy, chapter, measure, monkeypatch):
    monkeypatch.setattr("common.machine.peak_memory_mib", lambda: 900.0)
    measure()
    before = committed(toy)
    toy.write("two", value=4.0)
    picture = toy.home / "figures" / "one_empty.png"
    picture.write_text("kept")
    monkeypatch.setattr("common.machine.peak_memory_mib", lambda: 100.0)
    assert measure() == ["two"]
    after = committed(toy)
    assert list(after["lessons"]) == list(LESSONS)
    assert after["lessons"]["one"] == before["lessons"]["one"]
    assert after["lessons"]["two"]["rows"][0]["value"] == 4.0
    assert after["peak_memory_mib"] == 900.0, "that of all lessons together"
    assert picture.read_text() == "kept"
    assert chapter.stale() == {}


def test_a_lesson_that_is_not_stale_is_not_overwritten(toy, chapter, measure):
    measure()
    made = committed(toy)
    made["lessons"]["one"]["seconds"] = [9.0, 9.0]
    (toy.home / "results.json").write_text(json.dumps(made))
    assert toy.take() == []
    assert committed(toy) == made


def test_code_that_changed_after_the_run_is_not_adopted(toy, chapter, measure):
    chapter.main(["--stale", "--out", "left"])
    toy.write("two", value=4.0)
    assert toy.take() == ["one", "three"]
    assert toy.heard == [f"{toy.package}: two is left out, for the code has changed since it ran"]
    assert chapter.stale() == {"two": "not measured"}


def test_a_lesson_that_is_no_more_goes(toy, chapter, measure):
    measure()
    toy.write("two", value=4.0)
    shorter = Chapter(toy.package, "Toys", ("one", "two"), seeds=2)
    assert shorter.main(["--stale", "--out", "left"]) == 0
    assert adopt(shorter, toy.out, []) == ["two"]
    assert list(committed(toy)["lessons"]) == ["one", "two"]


@pytest.mark.parametrize("flags", [["--preset", "smoke"], ["--seeds", "3"], ["--seed", "1", "--seeds", "2"]])
def test_a_run_with_other_flags_is_refused(toy, chapter, flags):
    assert chapter.main([*flags, "--out", "left"]) == 0
    with pytest.raises(Problem, match="measured with other flags than the committed results"):
        adopt(chapter, toy.out, [])
    assert not (toy.home / "results.json").exists()


def test_no_run_is_nothing(toy, chapter):
    assert adopt(chapter, toy.out, []) == []


def test_pictures_of_folders_go_to_the_page_of_their_task(toy):
    toy.write("one")
    (toy.home / "task").mkdir()
    toy.write("task/net", code=(toy.home / "one.py").read_text())
    chapter = Chapter(toy.package, "Toys", ("one", "task/net"), seeds=1)
    page = toy.home / "task" / "README.md"
    page.write_text(
        "![a](figures/task_net_empty.png)\n![b](../figures/one_empty.png)\n![c](../../figures/one_empty.png)"
    )
    assert chapter.main(["--stale", "--out", "left"]) == 0
    assert adopt(chapter, toy.out, [page]) == ["one", "task/net"]
    assert (toy.home / "task" / "figures" / "task_net_empty.png").is_file()
    assert (toy.home / "figures" / "one_empty.png").is_file()
    assert not (toy.folder / "figures").exists(), "that page is outside the chapter"


def test_the_chapters_of_this_project_say_how_many_seeds_they_need():
    assert {chapter.package[:4]: chapter.seeds for chapter in adoption.chapters()} == {
        "ch01": 10,
        "ch02": 10,
        "ch03": 10,
        "ch04": 10,
        "ch05": 3,
        "ch06": 1,
        "ch07": 3,
    }

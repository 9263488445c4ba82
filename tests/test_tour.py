"""The tour, `make run`: a few lessons of every chapter, in little time, and a network beside its rival among them."""

import os
import subprocess
import sys

import pytest

from common import record
from common.adopt import chapters
from common.chapter import Chapter
from common.flags import parse
from common.runner import Runner
from tests.checkout import CHAPTERS, ROOT

COURSE = chapters()
LONGEST = 8 * 60  # seconds, after the set-up
EACH = pytest.mark.parametrize("chapter", COURSE, ids=lambda chapter: chapter.package)


@EACH
def test_the_tour_names_lessons_in_reading_order(chapter: Chapter) -> None:
    assert chapter.tour == tuple(name for name in chapter.lessons if name in chapter.tour)
    tasks = {name.rpartition("/")[0] for name in chapter.tour} - {""}
    assert len(tasks) == 2 if any("/" in name for name in chapter.lessons) else 1 <= len(chapter.tour) <= 2


def test_the_tour_takes_at_most_eight_minutes() -> None:
    seconds = {(each.package, name): each.seconds()[name] for each in COURSE for name in each.tour}
    assert [each.package for each in COURSE] == CHAPTERS
    assert 60 < sum(seconds.values()) <= LONGEST, seconds


@EACH
def test_tour_runs_exactly_these(chapter: Chapter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chapter, "digest", lambda *_: "")  # of no interest here, and slow
    flags = parse(chapter.package, chapter.title, chapter.lessons, ["--tour"], chapter.tour)
    assert Runner(chapter, flags).wanted == list(chapter.tour)


NETWORKS = {"deep", "network", "from scratch"}  # chapter 4 writes its own


def test_in_every_chapter_from_the_fourth_on_a_network_meets_a_rival_without_one() -> None:
    for each in COURSE[3:]:
        measured = record.load(each.folder / "results.json").lessons
        kinds = {row.kind for name in each.tour for row in measured[name].rows}
        assert kinds & NETWORKS, each.package
        assert "classical" in kinds, each.package


def test_in_several_chapters_it_is_tested_who_is_better() -> None:
    tested = set()
    for each in COURSE[3:]:
        measured = record.load(each.folder / "results.json").lessons
        for name in each.tour:
            kinds = {row.method: row.kind for row in measured[name].rows}
            pairs = [{kinds.get(c.a), kinds.get(c.b)} for c in measured[name].comparisons]
            tested |= {each.package for pair in pairs if "classical" in pair and pair & NETWORKS}
    assert len(tested) >= 2, tested


def test_the_whole_tour_as_a_reader_asks_for_it() -> None:
    command = [sys.executable, "-m", "common.course", "--tour", "--list"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    lessons = sum(len(each.tour) for each in COURSE)
    assert lines[0].startswith(f"The tour: {lessons} lessons of {len(COURSE)} chapters. This takes about ")
    for each in COURSE:
        assert each.title in lines
        assert all(f"  {each.question(name)}" in done.stdout for name in each.tour)
    assert sum(" s  " in line for line in lines) == lessons


def test_make_run_is_the_tour_and_make_course_the_course() -> None:
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "run: $(READY)\n\t@$(BIN)/python -m common.course --tour $(FLAGS)\n" in make
    assert "course: $(READY)\n\t@$(BIN)/python -m common.course $(FLAGS)\n" in make

"""Every chapter at --preset smoke, as a reader starts it: both ways, from another folder, no complaint."""

import importlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common import record
from tests.checkout import CHAPTERS, ROOT, lessons

MEMORY = {"ch01": 1024, "ch02": 1024, "ch03": 2048, "ch04": 2048}  # MiB, at most; the others 4096


@dataclass
class Finished:
    """What a run said and left."""

    chapter: str
    out: Path
    status: int
    stdout: str
    stderr: str

    @property
    def record(self):
        return record.load(self.out / self.chapter / "results.json")


def start(folder, chapter, *command, **variables):
    # As at home: not the variables that this test run may have been started with, but plain output.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}
    environment |= {"NO_COLOR": "1", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **variables}
    out = folder / "out"
    done = subprocess.run(
        [sys.executable, *command, "--preset", "smoke", "--out", str(out)],
        cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=600,
    )  # fmt: skip
    return Finished(chapter, out, done.returncode, done.stdout, done.stderr)


# One worker has all tests of a chapter (--dist loadgroup), and without that flag a run is at most repeated.
@pytest.fixture(
    scope="session",
    params=[pytest.param(chapter, marks=pytest.mark.xdist_group(f"smoke of {chapter}")) for chapter in CHAPTERS],
)
def run(request, tmp_path_factory):
    chapter = request.param
    return start(tmp_path_factory.mktemp(chapter), chapter, "-m", f"{chapter}.main")


def test_a_run_ends_well(run):
    assert run.status == 0, run.stderr
    assert str(run.out / "index.html") in run.stdout.replace("\n", "")


def test_nothing_is_complained_of(run):
    assert run.stderr == ""
    assert "warning" not in run.stdout.lower()
    assert "Traceback" not in run.stdout


def test_every_lesson_measured_and_drew_something(run):
    found = run.record.lessons
    assert list(found) == lessons(run.chapter)
    for name, lesson in found.items():
        if any(note.startswith("Left out") for note in lesson.notes):  # data or weights that are not to be had here
            continue
        assert lesson.rows or lesson.facts, name
        assert lesson.pictures, name
        assert lesson.seconds[0] > 0


def test_every_number_is_one(run):
    for lesson in run.record.lessons.values():
        assert all(np.isfinite(row.value) for row in lesson.rows)
        assert all(row.n > 0 for row in lesson.rows)
        assert all(0 < comparison.p_value <= 1 for comparison in lesson.comparisons)


def test_every_floor_is_about_something_measured(run):
    for name, lesson in run.record.lessons.items():
        measured = {(row.method, row.metric) for row in lesson.rows}
        assert {(floor.method, floor.metric) for floor in lesson.floors} <= measured, name


def test_every_picture_shows_something(run):
    for lesson in run.record.lessons.values():
        for picture in lesson.pictures:
            content = (run.out / run.chapter / picture.file).read_bytes()
            image = Image.open(io.BytesIO(content))
            assert image.format == "PNG"
            assert min(image.size) > 50
            assert np.asarray(image.convert("L")).std() > 2, picture.file
            assert picture.caption


def test_what_lies_in_the_folder_is_what_the_results_name(run):
    pictures = {picture.file for lesson in run.record.lessons.values() for picture in lesson.pictures}
    weights = {"weights"} if importlib.import_module(f"{run.chapter}.main").CHAPTER.keeper else set()
    assert {path.name for path in (run.out / run.chapter).iterdir()} == {"results.json"} | pictures | weights
    assert {path.name for path in run.out.iterdir()} == {"index.html", run.chapter}


def test_the_page_shows_every_lesson(run):
    page = (run.out / "index.html").read_text(encoding="utf-8")
    for name in lessons(run.chapter):
        assert f'id="{run.chapter}-{name.replace("/", "-")}"' in page


def test_the_results_say_where_they_come_from(run):
    stored = json.loads((run.out / run.chapter / "results.json").read_text(encoding="utf-8"))
    assert stored["configuration"]["preset"] == "smoke"
    assert {"processor", "packages", "git_commit"} <= set(stored["machine"])


def test_it_needs_little_memory(run):
    assert run.record.peak_memory_mib is None or run.record.peak_memory_mib < MEMORY.get(run.chapter[:4], 4096)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_without_greek_letters_gets_its_lines_too(encoding, tmp_path):
    run = start(tmp_path, CHAPTERS[0], "-m", f"{CHAPTERS[0]}.main", "--only", "ridge", PYTHONIOENCODING=encoding)
    assert run.status == 0, run.stderr


def test_such_a_terminal_gets_the_list_of_lessons_too():
    command = [sys.executable, "-m", f"{CHAPTERS[0]}.main", "--list"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(lessons(CHAPTERS[0])) + 1  # with what they take in all


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_main_as_a_file(chapter, tmp_path):
    lesson = lessons(chapter)[-1 if chapter == "ch07_applications" else 0]  # one that takes seconds
    run = start(tmp_path, chapter, str(ROOT / chapter / "main.py"), "--only", lesson)
    assert run.status == 0, run.stderr
    assert run.stderr == ""
    assert list(run.record.lessons) == [lesson]

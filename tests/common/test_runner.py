"""What a run finds in --out and beside its package: other runs, committed results, a reader's photo; and Ctrl-C."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.chapter import Chapter
from tests.checkout import CHAPTERS, ROOT

LESSONS = ("one", "two", "three")


def program(toy, *arguments):
    """A run in a process of its own."""
    code = (
        "import sys; from common.chapter import Chapter; "
        f"sys.exit(Chapter({toy.package!r}, 'Toys', {LESSONS!r}).main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{toy.folder}", "NO_COLOR": "1"}
    command = [sys.executable, "-c", code, "--preset", "smoke", "--out", str(toy.out), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_runs_into_one_folder_at_once_lose_nothing(toy):
    for name in LESSONS:  # none ends before all have begun
        head = "import time\nfrom pathlib import Path"
        wait = [f"Path('{name}.began').touch()", "while len(list(Path().glob('*.began'))) < 3: time.sleep(0.01)"]
        toy.body(name, *wait, f"run.fact('{name}', 1)", head=head)
    running = [program(toy, "--only", name) for name in LESSONS]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, ""), out
    assert list(toy.results["lessons"]) == list(LESSONS)
    page = (toy.out / "index.html").read_text(encoding="utf-8")
    for name in LESSONS:
        assert f'id="{toy.package}-{name}"' in page


def test_a_lesson_that_another_run_has_measured_meanwhile_is_kept(toy):
    toy.run()
    other = (
        f"Chapter({toy.package!r}, 'Toys', {LESSONS!r}).main(['--preset', 'smoke', '--out', 'left', '--only', 'two'])"
    )
    toy.body("one", "run.fact('one', 1)", f"if run.folder.exists(): {other}", head="from common.chapter import Chapter")
    before = toy.results["lessons"]["two"]["seconds"]
    toy.run("--only", "one")
    assert list(toy.results["lessons"]) == list(LESSONS)
    assert toy.results["lessons"]["two"]["seconds"] != before, "the newer one"


def test_another_run_with_other_flags_is_not_overwritten(toy):
    other = f"Chapter({toy.package!r}, 'Toys', {LESSONS!r}).main(['--preset', 'smoke', '--out', 'left', '--seed', '7'])"
    toy.body("one", "run.fact('one', 1)", f"if run.seed == 0: {other}", head="from common.chapter import Chapter")
    assert toy.run() == 2
    assert "another run, with other flags, writes into" in toy.error()
    assert toy.results["configuration"]["seed"] == 7
    assert list(toy.results["lessons"]) == list(LESSONS)


def test_memory_is_the_largest_of_all_runs_that_a_record_is_made_of(toy, monkeypatch):
    monkeypatch.setattr("common.machine.peak_memory_mib", lambda: 900.0)
    toy.run()
    monkeypatch.setattr("common.machine.peak_memory_mib", lambda: 200.0)
    toy.run("--only", "two")
    assert toy.results["peak_memory_mib"] == 900.0
    toy.run()
    assert toy.results["peak_memory_mib"] == 200.0


@pytest.mark.parametrize("out", ["", ".", "{package}/.."])
def test_the_package_s_own_folder_is_refused(toy, out):
    (toy.home / "results.json").write_text("committed")
    toy.out = out.format(package=toy.package)
    assert toy.run() == 2
    assert "holds the committed results; choose another folder" in toy.error()
    assert (toy.home / "results.json").read_text() == "committed"


@pytest.mark.parametrize("content", ["{", '{"somebody": "else\'s"}'])
def test_foreign_results_below_out_are_one_line_and_end_no_run(toy, content):
    (toy.out / "theirs").mkdir(parents=True)
    (toy.out / "theirs" / "results.json").write_text(content)
    assert toy.run() == 0
    assert toy.said.out.count("left out of") == 1
    assert "== Scoreboard" in toy.said.out
    assert "delete" not in toy.said.out + toy.said.err
    assert (toy.out / "theirs" / "results.json").read_text() == content


# What the committed results are good for


def committed(toy, **seconds):
    """The results of a run as if they were the committed ones, at the lecture preset with ten seeds."""
    assert toy.run("--preset", "lecture", "--seeds", "10") == 0
    made = toy.results
    for name, some in seconds.items():
        made["lessons"][name]["seconds"] = some
    (toy.home / "results.json").write_text(json.dumps(made))
    (toy.out / toy.package / "results.json").unlink()


def test_a_run_says_about_how_long_it_will_take(toy, monkeypatch):
    monkeypatch.setattr("common.machine.calibrated", lambda: 0.02)
    committed(toy, one=[40.0] * 10, two=[30.4] * 10, three=[5.0] * 10)
    toy.run("--preset", "lecture", "--only", "one", "two", "--seeds", "2")
    assert "This takes about 141 s here (141 s on the machine of the committed results)." in toy.said.out
    monkeypatch.setattr("common.machine.calibrated", lambda: 0.06)
    toy.run("--preset", "lecture", "--only", "one", "two", "--seeds", "2")
    assert "This takes about 7 min here (141 s on the machine of the committed results)." in toy.said.out
    toy.run("--only", "one")
    assert "This takes" not in toy.said.out, "smoke takes seconds"


@pytest.mark.parametrize("calibration", [None, 0.0, -1.0, "fast"])
def test_where_no_calibration_is_committed_it_says_so(toy, calibration):
    committed(toy, one=[40.0] * 10, two=[30.4] * 10, three=[5.0] * 10)
    path = toy.home / "results.json"
    made = json.loads(path.read_text())
    made["machine"]["calibration_seconds"] = calibration
    if calibration is None:
        del made["machine"]["calibration_seconds"]
    path.write_text(json.dumps(made))
    words = "about 141 s, if this machine is as fast as that of the committed results."
    toy.run("--preset", "lecture", "--only", "one", "two", "--seeds", "2")
    assert f"This takes {words}" in toy.said.out
    toy.run("--list")
    assert toy.said.out.splitlines()[-1] == f"In all {words.replace('141', '75')}"


def test_a_lesson_without_committed_seconds_is_counted_apart(toy):
    committed(toy, one=[40.0] * 10)
    toy.write("four")
    toy.run("--preset", "lecture", "--only", "one", "four", lessons=(*LESSONS, "four"))
    assert "(40 s, and 1 lesson of unknown length on the machine" in toy.said.out
    toy.run("--preset", "lecture", "--only", "four", lessons=(*LESSONS, "four"))
    assert "This takes" not in toy.said.out


def stale(toy, lessons=LESSONS):
    return Chapter(toy.package, "Toys", lessons).stale()


def test_what_is_stale_and_why(toy):
    assert stale(toy) == dict.fromkeys(LESSONS, "not measured")
    committed(toy, three=[1.0] * 9)
    toy.write("one", value=2.0)
    toy.write("four")
    assert stale(toy, (*LESSONS, "four")) == {
        "one": "measured by other code",
        "three": "9 of 10 seeds",
        "four": "not measured",
    }


def test_stale_lessons_are_run_with_all_seeds_and_no_others(toy):
    committed(toy)
    toy.write("two", value=3.0)
    arguments = ["--out", str(toy.out), "--stale"]
    assert Chapter(toy.package, "Toys", LESSONS).main(arguments) == 0
    assert list(toy.results["lessons"]) == ["two"]
    assert len(toy.results["lessons"]["two"]["seconds"]) == 10
    assert toy.results["configuration"] == {"preset": "lecture", "seed": 0, "seeds": 10, "device": "auto"}
    toy.capsys.readouterr()
    assert Chapter(toy.package, "Toys", LESSONS).main(arguments) == 0
    assert "kept from before: two" in toy.capsys.readouterr().out, "it goes on where it stopped"


def test_code_that_changes_while_it_runs_leaves_its_lessons_stale(toy):
    toy.write("part", code="STEP = 1\n")
    toy.body("two", f"from {toy.package} import part", "run.fact('step', part.STEP)")
    path = toy.home / "part.py"
    toy.body(
        "one",
        f"from {toy.package} import part",
        "run.fact('step', part.STEP)",
        f"Path({str(path)!r}).write_text('STEP = 2')",
        head="from pathlib import Path",
    )
    toy.run()
    assert toy.results["lessons"]["two"]["facts"][0]["value"] == 1, "it had been imported"
    toy.run("--resume")
    assert toy.ran == ["one", "two"]


def test_nothing_stale_is_one_line(toy):
    committed(toy)
    assert Chapter(toy.package, "Toys", LESSONS).main(["--stale", "--out", str(toy.out)]) == 0
    assert toy.capsys.readouterr().out == "Toys: the committed results are this code's, with all seeds.\n"


# A reader's photo


@pytest.fixture
def photo(toy):
    Image.fromarray(np.full((33, 35, 3), 77, np.uint8)).save("mine.png")
    toy.body("one", "run.fact('sum', -1 if run.photo is None else float(run.photo.sum()))")
    return "mine.png"


def value(toy):
    return toy.results["lessons"]["one"]["facts"][0]["value"]


def test_a_lesson_is_given_the_photo_or_none(toy, photo):
    toy.run("--only", "one", "--photo", photo)
    assert value(toy) == 33 * 35 * 3 * 77
    toy.run("--only", "one")
    assert value(toy) == -1


def test_a_photo_that_no_lesson_of_the_run_uses_is_one_line(toy, photo):
    toy.write("part", code="def show(run):\n    return run.photo\n")
    toy.body("three", f"from {toy.package} import part", "run.fact('none', part.show(run) is None)")
    toy.run("--only", "two", "--photo", photo)
    assert "--photo: no lesson of this run uses it; of this chapter's these do: one, three.\n" in toy.said.out
    for used in ("one", "three"):
        toy.run("--only", "two", used, "--photo", photo)
        assert "--photo" not in toy.said.out
    toy.write("one")
    toy.write("three")
    toy.run("--photo", photo)
    assert "--photo: no lesson of this chapter uses it.\n" in toy.said.out


def test_what_was_run_with_a_photo_is_never_taken_for_the_committed_results(toy, photo):
    toy.run("--photo", photo)
    toy.run("--resume")
    assert toy.ran == ["one", "two", "three"]
    toy.run("--resume", "--photo", photo)
    assert toy.ran == ["one", "two", "three"]
    toy.run("--resume", "--photo", photo)
    assert toy.ran == [], "with the same photo it goes on"
    toy.run("--only", "two")
    assert value(toy) > 0, "the other lessons stay"


def test_a_lesson_is_given_the_mask_of_the_photo_or_none(toy, photo):
    mask = np.zeros((33, 35), np.uint8)
    mask[1, 2:4] = 255
    Image.fromarray(mask).save("holes.png")
    toy.body("one", "run.fact('sum', -1 if run.mask is None else float(run.mask[1, 2:4].sum() + 10 * run.mask.sum()))")
    toy.run("--only", "one", "--photo", photo, "--mask", "holes.png")
    assert value(toy) == 2 + 10 * 2
    toy.run("--only", "one", "--photo", photo, "--resume")
    assert value(toy) == -1, "without the mask it is another run"


def test_a_mask_of_another_size_is_one_line_before_any_work(toy, photo):
    Image.fromarray(np.eye(4, dtype=bool)).save("holes.png")
    assert toy.run("--photo", photo, "--mask", "holes.png") == 2
    assert "they must be equal" in toy.error()
    assert not toy.out.exists()


def test_a_photo_that_is_too_small_is_one_line_before_any_work(toy):
    toy.body("one", "raise RuntimeError('ran')")
    Image.fromarray(np.zeros((3, 5, 3), np.uint8)).save("small.png")
    assert toy.run("--photo", "small.png") == 2
    assert "--photo small.png has 5×3 pixels, lessons need at least 32×32" in toy.error()
    assert not toy.out.exists()


def test_a_file_that_is_no_picture_is_one_line_before_any_work(toy):
    toy.body("one", "raise RuntimeError('ran')")
    assert toy.run("--photo", str(toy.home / "two.py")) == 2
    assert "is not an image file" in toy.error()
    assert not toy.out.exists()


# What was trained


def test_a_chapter_s_keeper_is_called_after_every_lesson_that_shares_models(toy):
    toy.body("two", "run.shared['model', run.seed] = ('trained', 1.0)", "run.fact('two', 2)")
    keeper = """
def keep(run, digests):
    with open("kept.txt", "a") as file:
        print(run.lesson, run.shared["model", run.seed][0], sorted(digests), file=file)
"""
    toy.write("keeper", code=keeper)
    chapter = Chapter(toy.package, "Toys", LESSONS, keeper=f"{toy.package}.keeper")
    assert chapter.main(["--preset", "smoke", "--out", "left"]) == 0
    lines = Path("kept.txt").read_text().splitlines()
    assert lines == [f"{name} trained {sorted(LESSONS)}" for name in ("two", "three")]


# The environment


@pytest.mark.parametrize("variables", [{"RANK": "abc"}, {"RANK": "1"}, {"WORLD_SIZE": "2"}])
def test_variables_of_torchrun_that_make_no_sense_are_one_line(toy, monkeypatch, variables):
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert toy.run() == 2
    assert "unset both" in toy.error()
    assert not toy.out.exists()


def test_an_empty_rank_is_none(toy, monkeypatch):
    monkeypatch.setenv("RANK", "")
    assert toy.run("--only", "one") == 0


# Ctrl-C while modules are being imported

INTERRUPTING = """
import builtins, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background is started without
true = builtins.__import__
def interrupting(name, *rest, **more):
    if name == sys.argv[1] or (name == "common" and sys.argv[1] in (rest[2] or ())):
        os.kill(os.getpid(), signal.SIGINT)
    return true(name, *rest, **more)
builtins.__import__ = interrupting
from ch01_regression.main import CHAPTER
raise SystemExit(CHAPTER.main(["--preset", "smoke", "--out", sys.argv[2]]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
@pytest.mark.parametrize("module", ["flags", "common.runner", "numpy", "rich.console", "common.run", "threadpoolctl"])
def test_ctrl_c_within_the_first_imports_is_no_traceback(module, tmp_path):
    command = [sys.executable, "-c", INTERRUPTING, module, str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout.strip().splitlines()[-1 if module == "flags" else -2].startswith("Interrupted.")


@pytest.mark.parametrize("chapter", CHAPTERS[:1])
def test_little_is_imported_before_ctrl_c_is_caught(chapter):
    code = f"import sys; before = set(sys.modules); import {chapter}.main; print(*(set(sys.modules) - before))"
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert {name for name in imported if name.startswith("common.")} == {"common.chapter", "common.errors"}
    assert imported.isdisjoint({"numpy", "rich", "argparse", "importlib.metadata"})

"""A toy chapter through the command line: what it leaves, how it goes on, what it says when something is wrong."""

import shlex

import pytest

from common.chapter import Chapter
from common.errors import LossNotFinite, Problem
from tests.common.toy_chapter import PLAIN, Toy


def test_what_a_run_leaves(toy):
    assert toy.run() == 0
    assert sorted(p.relative_to(toy.out).as_posix() for p in toy.out.rglob("*") if p.is_file()) == sorted(
        [
            "index.html",
            *(f"{toy.package}/{n}" for n in ("results.json", "one_empty.png", "two_empty.png", "three_empty.png")),
        ]
    )
    left = toy.results
    assert (left["chapter"], left["title"]) == (toy.package, "Toys")
    assert left["configuration"] == {"preset": "smoke", "seed": 0, "seeds": 1, "device": "auto"}
    assert {"processor", "cores", "system", "python", "packages", "git_commit"} <= set(left["machine"])
    assert "numpy" in left["machine"]["packages"]
    assert left["peak_memory_mib"] > 10
    assert list(left["lessons"]) == ["one", "two", "three"]
    lesson = left["lessons"]["two"]
    assert lesson["title"] == "What is two?"
    assert [
        (row["method"], row["kind"], row["metric"], row["value"], row["n"], row["seeds"]) for row in lesson["rows"]
    ] == [("two", "classical", "loss", 1.0, 8, [0])]
    assert lesson["notes"] == ["a note of two"]
    assert len(lesson["seconds"]) == 1
    assert lesson["seconds"][0] > 0


def test_what_a_run_says(toy):
    assert toy.run() == 0
    assert toy.said.err == ""
    for words in ("== Toys · preset smoke, 1 seed", "[2/3] What is two?", "a note of two", "== Scoreboard", "loss ↓"):
        assert words in toy.said.out
    assert str(toy.out / "index.html") in toy.said.out.splitlines()[-1]


def test_list_imports_no_lesson(toy):
    toy.body("two", "pass", head="raise RuntimeError('imported')")
    assert toy.run("--list") == 0
    assert toy.said.out.splitlines() == [
        "one        –  What is one?",
        "two        –  What is two?",
        "three      –  What is three?",
    ]
    assert not toy.out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "thre"], "no lesson thre; did you mean three?"),
        (["--frobnicate"], "--frobnicate"),
        (["--seeds", "0"], "--seeds"),
        (["--seeds", "1001"], "--seeds from 1 to 1000"),
        (["--seed", "4294967296"], "seeds go from 0 to 4294967295"),
        (["--seed", "4294967295", "--seeds", "2"], "seeds go from 0 to 4294967295"),
        (["--seed", "-1"], "seeds go from 0"),
        (["--tour"], "has no tour"),
        (["--tour", "--only", "one"], "--tour and --only both choose lessons: give one of them"),
        (["--stale"], "--stale measures as the committed results were"),
        (["--photo", "none.jpg"], "--photo none.jpg can't be read: No such file"),
    ],
)
def test_a_wrong_word_is_one_line(toy, arguments, words):
    assert toy.run(*arguments) == 2
    assert toy.error().startswith("error: ")
    assert words in toy.error()
    assert toy.said.out == ""
    assert not toy.out.exists()


def test_an_out_that_can_t_be_written_is_one_line_and_comes_before_the_work(toy):
    toy.out.write_text("a file")
    toy.out = toy.out / "below"
    toy.body("one", "raise RuntimeError('ran')")
    assert toy.run() == 2
    assert toy.error().startswith("error: cannot write ")
    assert str(toy.out) in toy.error()


def test_a_problem_in_a_lesson_is_one_line_and_keeps_what_had_finished(toy):
    toy.body("two", "run.fact('slope', float('nan'))")
    assert toy.run() == 2
    assert toy.error() == "error: two, seed 0: slope is nan"
    assert list(toy.results["lessons"]) == ["one"]


def test_a_training_that_runs_away_is_one_line_with_lesson_seed_and_step(toy):
    head = "from common.errors import LossNotFinite"
    toy.body("two", "if run.seed == 5:", "    raise LossNotFinite(float('nan'), step=7)", head=head)
    assert toy.run("--seed", "4", "--seeds", "3") == 2
    assert toy.error().startswith("error: two, seed 5: the loss is nan at step 7: a smaller learning rate may help")
    assert list(toy.results["lessons"]) == ["one"]
    assert len(toy.results["lessons"]["one"]["seconds"]) == 3
    assert "Traceback" not in toy.said.out

    toy.write("two")  # mended
    assert toy.run("--seed", "4", "--seeds", "3", "--resume") == 0
    assert toy.ran == ["two", "three"]


def test_a_loss_that_is_not_finite_says_what_it_was_and_when():
    problem = LossNotFinite(float("inf"), 12)
    assert isinstance(problem, Problem)
    assert (problem.loss, problem.step) == (float("inf"), 12)
    assert "the loss is inf at step 12" in str(problem)
    assert "\n" not in str(problem)


def test_a_bug_in_a_lesson_is_no_problem_of_the_reader(toy):
    toy.body("two", "1 / 0")
    with pytest.raises(ZeroDivisionError):
        toy.run()
    assert list(toy.results["lessons"]) == ["one"]


def test_only_runs_these_in_reading_order(toy):
    assert toy.run("--only", "three", "one") == 0
    assert toy.ran == ["one", "three"]
    assert list(toy.results["lessons"]) == ["one", "three"]


def test_only_keeps_the_other_lessons_of_the_same_configuration(toy):
    toy.run()
    toy.write("two", value=7.0)
    assert toy.run("--only", "two") == 0
    assert toy.ran == ["two"]
    lessons = toy.results["lessons"]
    assert list(lessons) == ["one", "two", "three"]
    assert [lesson["rows"][0]["value"] for lesson in lessons.values()] == [1.0, 7.0, 1.0]


def test_only_drops_lessons_of_another_configuration(toy):
    toy.run()
    toy.run("--only", "two", "--seed", "1")
    assert list(toy.results["lessons"]) == ["two"]
    assert toy.results["configuration"]["seed"] == 1


def test_a_run_without_flags_starts_afresh(toy):
    toy.run()
    toy.run()
    assert toy.ran == ["one", "two", "three"]


def test_seeds_are_aggregated(toy):
    assert toy.run("--seed", "4", "--seeds", "3", "--only", "one") == 0
    lesson = toy.results["lessons"]["one"]
    assert [(row["value"], row["seeds"]) for row in lesson["rows"]] == [(5.0, [4]), (6.0, [5]), (7.0, [6])]
    assert [fact["value"] for fact in lesson["facts"]] == [4.0, 5.0, 6.0]
    assert (len(lesson["seconds"]), len(lesson["pictures"]), len(lesson["floors"])) == (3, 1, 1)
    assert "6.0 ± 2.5" in toy.said.out  # t(2) = 4.303, times 1 / √3
    assert "mean over 3 seeds" in toy.said.out


def test_a_verdict_is_pronounced_once_after_the_last_seed(toy):
    toy.body(
        "one",
        "part = Table(np.arange(30.0)[:, None], np.arange(30.0), ('x',), 'mpg')",
        "for name, value in (('good', 1.0), ('bad', 2.0)):",
        "    with run.method(name, kind='classical') as method:",
        "        method.score(part, predict=lambda x: x[:, 0] + value + 0.1 * run.rng.standard_normal(30))",
        "run.compare('good', 'bad')",
        head="import numpy as np\nfrom common.data import Table",
    )
    assert toy.run("--only", "one", "--seeds", "2") == 0
    assert toy.said.out.count("good beats bad: RMSE lower by 1.0") == 1
    (comparison,) = toy.results["lessons"]["one"]["comparisons"]
    assert (comparison["seeds"], comparison["n"], comparison["test"]) == (2, 30, "t over seeds and items")


def lecture(toy, *arguments):
    return toy.run("--preset", "lecture", "--check", *arguments)


def test_check_with_every_floor_met(toy):
    assert lecture(toy) == 0
    assert toy.said.out.splitlines()[-1] == "check: 3 of 3 floors hold."


def test_check_with_a_floor_missed(toy):
    toy.write("two", value=5.5)
    assert lecture(toy) == 1
    assert "floor missed: two: two: loss 5.5 is above 5" in toy.said.out
    assert toy.said.out.splitlines()[-1] == "check: 2 of 3 floors hold."
    assert toy.run("--preset", "lecture") == 0  # only --check asks


def test_check_holds_the_mean_over_the_seeds(toy):
    toy.write("one", value=4.5)
    assert lecture(toy, "--only", "one", "--seeds", "2") == 0  # 4.5 and 5.5
    assert lecture(toy, "--only", "one", "--seeds", "3") == 1  # 4.5, 5.5 and 6.5


def test_smoke_is_too_small_to_judge(toy):
    toy.write("two", value=5.5)
    assert toy.run("--check") == 0
    assert "smoke is too small to judge" in toy.said.out


def test_ctrl_c_keeps_finished_lessons_and_says_how_to_go_on(toy):
    toy.body("two", "raise KeyboardInterrupt")
    assert toy.run("--seed", "2") == 130
    assert toy.said.err == ""
    assert list(toy.results["lessons"]) == ["one"]
    words = shlex.split(toy.said.out.splitlines()[-1])
    assert words[:3] == ["python", "-m", f"{toy.package}.main"]
    assert words[-1] == "--resume"

    toy.write("two")
    assert Chapter(toy.package, "Toys", ("one", "two", "three")).main(words[3:]) == 0
    toy.said = toy.capsys.readouterr()
    assert toy.ran == ["two", "three"]
    assert "kept from before: one" in toy.said.out
    assert list(toy.results["lessons"]) == ["one", "two", "three"]
    assert toy.results["configuration"]["seed"] == 2


def test_resume_with_nothing_left_to_do(toy):
    toy.run()
    before = toy.results["lessons"]
    assert toy.run("--resume") == 0
    assert toy.ran == []
    assert toy.results["lessons"] == before


def test_resume_runs_a_lesson_whose_file_changed(toy):
    toy.run()
    toy.write("two", value=3.0)
    toy.run("--resume")
    assert toy.ran == ["two"]
    assert toy.results["lessons"]["two"]["rows"][0]["value"] == 3.0


def test_resume_runs_a_lesson_whose_part_changed_and_none_of_which_only_words_did(toy):
    toy.write("part", code="STEP = 1\n")
    toy.write("two", code=PLAIN.format(name="two", value=1.0) + f"    from {toy.package} import part\n    part.STEP\n")
    toy.run()
    toy.write("one", code=PLAIN.format(name="one", value=1.0) + "    # a comment\n")
    toy.write("part", code="STEP = 2\n")
    toy.run("--resume")
    assert toy.ran == ["two"]


@pytest.mark.parametrize("other", [["--seed", "1"], ["--seeds", "2"], ["--device", "cpu"], ["--preset", "lecture"]])
def test_resume_runs_everything_of_another_configuration(toy, other):
    toy.run()
    toy.run("--resume", *other)
    assert toy.ran == ["one", "two", "three"]


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_one_line_before_any_work(toy, monkeypatch, device):
    monkeypatch.setattr("torch.cuda.is_available", lambda: device != "cuda")
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: device != "mps")
    assert toy.run("--device", device) == 2, "although no lesson of these asks for it"
    assert toy.error() == f"error: --device {device}: torch finds no such device here; try --device auto"
    assert not toy.out.exists()
    assert toy.run("--device", {"cuda": "mps", "mps": "cuda"}[device], "--only", "one") == 0


def test_resume_without_an_earlier_run(toy):
    assert toy.run("--resume") == 0
    assert toy.ran == ["one", "two", "three"]


def test_resume_forgets_a_lesson_that_is_no_more(toy):
    toy.run()
    assert toy.run("--resume", lessons=("one", "three")) == 0
    assert list(toy.results["lessons"]) == ["one", "three"]


def test_resume_over_damaged_results_is_one_line(toy):
    toy.run()
    path = toy.out / toy.package / "results.json"
    path.write_text(path.read_text(encoding="utf-8")[:200])
    assert toy.run("--resume") == 2
    assert "results.json is no results file, is damaged, or of another version" in toy.error()
    assert "without --resume" in toy.error()
    assert "delete" not in toy.error()
    assert toy.run() == 0  # afresh, it is overwritten


def test_a_warning_is_said_once(toy):
    twice = ["for _ in range(3):", "    warnings.warn('not converged', stacklevel=1)"] * 2
    toy.body("one", *twice, head="import warnings")
    assert toy.run("--only", "one", "--seeds", "2") == 0
    assert toy.said.out.count("   warning, seed 0: not converged\n") == 1
    assert toy.said.out.count("   warning, seed 1: not converged\n") == 1
    assert toy.said.err == ""


def test_torch_is_seeded_by_the_seed_where_a_lesson_uses_it(toy):
    toy.body("one", "run.fact('drawn', float(torch.rand(1)))", head="import torch")
    values = []
    for seed in ("3", "3", "4"):
        toy.run("--only", "one", "--seed", seed)
        values.append(toy.results["lessons"]["one"]["facts"][0]["value"])
    assert values[0] == values[1] != values[2]


def test_threads_are_limited_while_a_lesson_runs(toy):
    toy.body(
        "one",
        "np.ones((2, 2)) @ np.ones((2, 2))",
        "run.fact('threads', max(pool['num_threads'] for pool in threadpool_info()))",
        head="import numpy as np\nfrom threadpoolctl import threadpool_info",
    )
    Chapter(toy.package, "Toys", ("one",), threads=1).main(["--preset", "smoke", "--out", str(toy.out)])
    assert toy.results["lessons"]["one"]["facts"][0]["value"] == 1


def test_two_chapters_share_one_page(toy, monkeypatch):
    toy.run()
    other = Toy(toy.folder, f"{toy.package}_more", toy.capsys)
    assert other.run() == 0
    page = (toy.out / "index.html").read_text(encoding="utf-8")
    for package in (toy.package, other.package):
        assert f'<h2 id="{package}">' in page
        assert f'id="{package}-two"' in page


def test_the_question_is_the_docstring_s_first_line(toy):
    assert Chapter(toy.package, "Toys", ("one",)).question("one") == "What is one?"


KEEPING = ("kept = run.checkpoint('net')", "run.fact('kept', kept.exists())", "kept.parent.mkdir(exist_ok=True)")


def test_a_checkpoint_outlives_an_interruption_and_no_finished_lesson(toy):
    toy.body("one", *KEEPING, "kept.touch()", "raise KeyboardInterrupt")
    toy.run("--only", "one")
    kept = toy.out / toy.package / "checkpoints" / "one-net-seed0.pt"
    assert kept.exists()
    toy.body("one", *KEEPING)
    toy.run("--only", "one", "--resume")
    assert toy.results["lessons"]["one"]["facts"][0]["value"] == 1
    assert not kept.exists(), "the lesson has finished"


def test_a_run_without_resume_starts_its_trainings_anew(toy):
    toy.body("one", *KEEPING, "kept.touch()", "raise KeyboardInterrupt")
    toy.run("--only", "one")
    toy.body("one", *KEEPING)
    toy.run("--only", "one")
    assert toy.results["lessons"]["one"]["facts"][0]["value"] == 0


def test_only_the_first_of_torchruns_processes_speaks_and_writes(toy, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert toy.run("--only", "one") == 0
    assert toy.said.out == ""
    assert not (toy.out / toy.package).exists()
    monkeypatch.setenv("RANK", "0")
    assert toy.run("--only", "one") == 0
    assert "a note of one" in toy.said.out
    assert (toy.out / toy.package / "results.json").exists()

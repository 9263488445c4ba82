"""Notebooks run: one lesson per chapter measures what the command line does, and a toy lesson is run cell by cell."""

import importlib
import json
import os
import re

import pytest

from common.errors import Problem
from common.notebooks.cells import Cell, lesson_cells
from common.notebooks.run import notebook_run
from tests.checkout import CHAPTERS, ROOT

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install -e '.[test]'")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install -e '.[test]'")

# One worker runs a file's notebooks, in one kernel.
pytestmark = pytest.mark.xdist_group("notebooks")

CHEAP = {  # of each chapter a lesson that takes a second or two at smoke, and states no seconds
    "ch01_regression": "line",
    "ch02_probabilistic": "why_gaussian",
    "ch03_classification": "sigmoid",
    "ch04_backprop": "deltas",
    "ch05_cnn": "pretrained",
    "ch06_detection": "default_boxes",
    "ch07_applications": "whole_course",
}
KEEP = """\
from pathlib import Path

from common.record import ChapterRecord

kept = ChapterRecord("", "", {{"preset": "smoke", "seeds": 1}}, {{"packages": {{}}}}, {{run.lesson: run.record}})
kept.save(Path({path!r}))"""

TOY = '''"""What is a toy?

Question   None.
"""

from common import plots
from common.paper_claims import PaperClaims
from common.run import Run


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    with run.method("toy", kind="classical") as method:
        method.measure("loss", 2.0, n=8)
    run.fact("wheels", 4.0)
    run.figure("empty", lambda: plots.panels()[0], caption="Nothing.")
    claims.counted("toys have wheels", source="§1", paper="4", ours="4", against="none", holds=True)
    run.figure_over_seeds("all", lambda record: plots.panels()[0], caption="Nothing, over seeds.")
    run.note("A note.")
    if run.seed == 0:
        run.note("Left out: the rest.")
        return
    run.note("Never said.")
'''

PLAIN = '''"""A lesson without a picture and without a score.

Question   None.
"""


def lesson(run):
    run.note("Only a sentence.")
'''


def execute(folder, cells):
    """The cells after they ran in one kernel, also where some end with an error."""
    from nbformat import v4

    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    notebook = v4.new_notebook(cells=[make[cell.kind](cell.text) for cell in cells])
    settings = {"timeout": 300, "kernel_name": "python3", "allow_errors": True}
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **settings)
    return client.execute(env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}).cells


def shown(cell):
    """The texts and pictures that stand under a cell; errors by their names."""
    found = []
    for output in cell.outputs:
        if output.output_type == "error":
            found.append(output.ename)
        elif output.output_type == "stream":
            found.append(output.text)
        elif "image/png" in output.data:
            found.append("picture")
        else:
            found.append(output.data.get("text/html", output.data["text/plain"]))
    return [re.sub(r"<[^>]+>", " ", text) for text in found if text]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Each chapter's lesson, run in one kernel: the folder with what they measured, and the cells."""
    folder, cells = tmp_path_factory.mktemp("notebooks"), []
    for chapter, name in CHEAP.items():
        source = (ROOT / chapter / f"{name}.py").read_text(encoding="utf-8")
        cells += lesson_cells(source, chapter, name, preset="smoke", install_from="nowhere", seconds=None)
        cells += [Cell("code", KEEP.format(path=str(folder / f"{chapter}.json"))), Cell("code", "%reset -f")]
    ran = [cell for cell in execute(folder, cells) if cell.cell_type == "code"]
    assert [text for cell in ran for text in shown(cell) if "Error" in text] == []
    return folder, ran


def without_times(lesson):
    """What a lesson measured and drew, but for seconds."""
    rows = [{key: value for key, value in row.items() if not key.endswith("_seconds")} for row in lesson["rows"]]
    return {**lesson, "rows": rows, "seconds": None}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_notebook_measures_what_the_command_line_does(measured, chapter, tmp_path):
    folder, _ = measured
    name = CHEAP[chapter]
    course = importlib.import_module(f"{chapter}.main").CHAPTER
    assert course.main(["--preset", "smoke", "--only", name, "--out", str(tmp_path)]) == 0
    files = tmp_path / chapter / "results.json", folder / f"{chapter}.json"
    line, notebook = (without_times(json.loads(file.read_text(encoding="utf-8"))["lessons"][name]) for file in files)
    assert notebook == line
    assert line["facts"] or line["rows"]


def test_a_notebook_shows_pictures_tables_and_notes_under_its_cells(measured):
    _, ran = measured
    texts = [text for cell in ran for text in shown(cell)]
    assert texts.count("picture") > 10
    assert any("Scoreboard" in text for text in texts)
    assert not any("…" in text for text in texts), "progress lines are gone"
    assert all(output.output_type == "display_data" for cell in ran for output in cell.outputs)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The toy's cells as they were run; then some of them again."""
    folder = tmp_path_factory.mktemp("toy")
    package = folder / "ch98_toy"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "toy.py").write_text(TOY, encoding="utf-8")
    main = "from common.chapter import Chapter\n\nCHAPTER = Chapter('ch98_toy', 'Toys', ('toy', 'plain'))\n"
    (package / "main.py").write_text(main)
    (package / "plain.py").write_text(PLAIN, encoding="utf-8")
    cells = lesson_cells(TOY, "ch98_toy", "toy", preset="lecture", install_from="nowhere", seconds=None)
    code = [cell for cell in cells if cell.kind == "code"]
    method = next(cell for cell in code if "run.method" in cell.text)
    more = [
        "from common.notebooks.run import notebook_run; notebook_run('ch98_toy', 'boat')",
        "from common.errors import LossNotFinite; raise LossNotFinite(float('nan'), 7)",
        "1 / 0",
        "list(run.track(range(3), 'wheels'))",
    ]
    rows = Cell("code", "print([row.value for row in run.record.rows])")
    plain = lesson_cells(PLAIN, "ch98_toy", "plain", preset="smoke", install_from="nowhere", seconds=None)
    return execute(folder, [*code, method, rows, *plain, *(Cell("code", text) for text in more)])


def test_a_lesson_that_returns_early_ends_with_its_tables_and_a_clear_line(toy):
    stop = next(cell for cell in toy if "stop_here" in cell.source)
    texts = shown(stop)
    assert "Left out: the rest." in texts[0]
    assert any("toys have wheels" in text and "holds" in text for text in texts)
    assert "picture" in texts
    assert "Scoreboard" in texts[-2]
    assert texts[-1].strip() == "The lesson ends here, because something that the cells below need is missing."


def test_a_cell_shows_the_scoreboard_and_the_facts_that_it_measured(toy):
    method = next(cell for cell in toy if "run.method" in cell.source)
    (board,) = shown(method)
    assert "loss" in board
    figure = next(cell for cell in toy if "wheels" in cell.source)
    picture, caption, facts = shown(figure)
    assert (picture, caption.strip()) == ("picture", "Nothing.")
    assert re.search(r"wheels\s+4", facts)


def test_a_cell_that_runs_again_replaces_what_it_measured(toy):
    again = next(i for i, cell in enumerate(toy) if cell.source.startswith("print([row.value"))
    assert toy[again - 1].source in [cell.source for cell in toy[: again - 1]]
    assert shown(toy[again]) == ["[2.0]\n"]


def test_a_lesson_without_pictures_and_scores_shows_what_it_says(toy):
    sentence = next(i for i, cell in enumerate(toy) if cell.source == 'run.note("Only a sentence.")')
    assert [text.strip() for text in shown(toy[sentence])] == ["Only a sentence."]
    assert toy[sentence + 2].source == "run.finish();"
    assert shown(toy[sentence + 2]) == []


def test_what_a_reader_can_mend_is_one_line(toy):
    boat, loss, bug, _ = toy[-4:]
    assert [text.strip() for text in shown(boat)] == ["Error: ch98_toy has no lesson boat; there are: toy, plain"]
    (said,) = shown(loss)
    assert said.strip().startswith("Error: plain, seed 0: the loss is nan at step 7")
    assert shown(bug) == ["ZeroDivisionError"], "others keep their traceback"


def test_the_progress_line_is_gone_at_the_end_of_its_cell(toy):
    assert [text.strip() for text in shown(toy[-1])] == ["[0, 1, 2]"]


def test_outside_a_notebook_the_command_line_is_named():
    with pytest.raises(Problem, match=r"elsewhere: python -m ch01_regression\.main --only line"):
        notebook_run("ch01_regression", "line")

"""Notebooks are written: valid, the same from the same lessons, with a contents page whose links lead to them."""

import json
import re
import sys

import pytest

from common.adopt import ROOT, chapters
from common.notebooks import make
from common.notebooks.cells import Cell
from common.notebooks.rerun import CellLedger

CELLS = [Cell("markdown", "# A title"), Cell("code", "1 + 1")]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://example.org/them/course.git", "vision-by-reading-code @ git+https://example.org/them/course"),
        ("https://me:secret@example.org/them/course", "vision-by-reading-code @ git+https://example.org/them/course"),
        ("git@example.org:them/course.git", "vision-by-reading-code @ git+https://example.org/them/course"),
        ("ssh://git@example.org/them/course.git", "vision-by-reading-code @ git+https://example.org/them/course"),
        ("", ""),
        ("/home-folder/course", ""),
        ("../course", ""),
        ("C:\\course", ""),
    ],
)
def test_the_course_is_installed_from_where_it_was_cloned(url, source):
    assert make.from_remote(url) == source


@pytest.mark.parametrize(
    ("out", "source"),
    [(ROOT / "notebooks", "../.."), (ROOT / "a" / ".." / "b" / "c", "../../.."), (ROOT.parent, ROOT.as_posix())],
)
def test_without_a_public_address_it_is_installed_from_the_checkout(out, source, monkeypatch):
    assert make.checkout(out) == source
    monkeypatch.setattr(make, "from_remote", lambda url: "")
    assert make.installable(out) == source


def test_a_notebook_elsewhere_installs_from_the_checkout_s_own_path(tmp_path, monkeypatch):
    pytest.importorskip("nbformat")
    monkeypatch.setattr(make, "from_remote", lambda url: "")
    first = make.write_chapter(chapters()[0], tmp_path, "smoke")[0]
    assert f'%pip install --quiet \\"{ROOT.as_posix()}\\"' in first.read_text(encoding="utf-8")


def test_without_nbformat_one_line_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "nbformat", None)
    assert make.main(["--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: notebooks need nbformat: pip install -c constraints.txt -e '.[notebooks]'")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_takes_one_line(tmp_path, capsys):
    pytest.importorskip("nbformat")
    (tmp_path / "file").touch()
    assert make.main(["--out", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot write")


def test_equal_cells_give_equal_files():
    nbformat = pytest.importorskip("nbformat")
    text = make.notebook_text(CELLS)
    assert make.notebook_text(CELLS) == text
    notebook = nbformat.reads(text, as_version=4)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [("markdown", "# A title"), ("code", "1 + 1")]
    assert json.loads(text)["metadata"]["kernelspec"]["name"] == "python3"


def test_the_contents_lead_to_every_notebook(tmp_path):
    pytest.importorskip("nbformat")
    course = chapters()[:2]
    written = [path for chapter in course for path in make.write_chapter(chapter, tmp_path, "smoke")]
    links = re.findall(r"\]\((.+?)\)", make.contents_text(course))
    assert [tmp_path / link for link in links] == written
    assert all(path.is_file() for path in written)
    assert written[0].name == "01_line.ipynb"
    assert len(written) == sum(len(chapter.lessons) for chapter in course)


def test_a_task_s_lessons_have_files_of_their_own():
    names = [make.file_of(chapter, lesson) for chapter in chapters() for lesson in chapter.lessons]
    assert len(set(names)) == len(names)
    assert "segmentation_fcn" in " ".join(name.name for name in names)


def test_a_cell_that_runs_again_takes_back_what_it_added():
    scores, models = ["before"], {"kept": 0}
    ledger = CellLedger([scores], [models])
    for cell, value in (("a", 1), ("b", 2), ("a", 3)):
        ledger.begin(cell)
        assert cell not in models
        scores.append(value)
        models[cell] = value
        assert ledger.end(cell) == [[value]]
    assert scores == ["before", 2, 3]
    assert models == {"kept": 0, "b": 2, "a": 3}


def test_the_cell_that_makes_the_run_has_not_begun_under_it():
    scores = [1]
    assert CellLedger([scores], []).end("a") == [[]]
    assert scores == [1]

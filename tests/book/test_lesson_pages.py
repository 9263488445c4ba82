"""Lessons as pages: no word and no line of code is lost, links lead to definitions, papers to their DOI."""

from __future__ import annotations

import ast
import copy
import html
import importlib
import inspect
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from book.__main__ import main
from book.code import highlight
from book.contents import Contents, Page
from book.docstrings import Linker, markdown
from book.equations import equations, is_equation
from book.lesson_page import lesson_page, part_page
from book.names import Names
from book.papers import one_line, papers, papers_table
from book.results import Results
from common.lesson_text import split_code
from tests.checkout import CHAPTERS, ROOT, lessons

LESSONS = [f"{chapter}/{name}.py" for chapter in CHAPTERS for name in lessons(chapter)]
SOME = LESSONS[::9]
TAG = re.compile(r"<[^>]+>")


def letters(text: str) -> str:
    """What a reader sees of a text: letters and digits, no spaces, no signs of Markdown."""
    return "".join(c for c in text if c.isalnum() and c not in "ₖ")


def read(markdown_text: str) -> str:
    """Markdown as a reader sees it, rendered by a library."""
    raw = re.sub(r"```\{raw\} html\n(.*?)\n```", r"\n\1\n", markdown_text, flags=re.DOTALL)
    return html.unescape(TAG.sub("", MarkdownIt("commonmark").render(raw)))


@pytest.mark.parametrize("source", LESSONS[::4])
def test_a_docstring_keeps_its_words(source: str, contents: Contents, names: Names) -> None:
    linker = Linker(contents, names, contents.pages[source])
    for block in split_code(contents.text(source)):
        assert letters(read(markdown(block.text, linker, block.name) if block.text else "")) == letters(block.text)


def test_signs_of_markdown_are_letters(contents: Contents, names: Names) -> None:
    linker = Linker(contents, names, contents.pages["ch01_regression/line.py"])
    text = "A * b * c, [0, 1], <x>, $2 and $3, __init__ # 1 | 2, {role}`code_1`, p_t and M^T."
    found = MarkdownIt("commonmark").renderInline(markdown(text, linker))
    assert "<em>" not in found
    assert "<i>p</i><sub><i>t</i></sub>" in found
    assert "<i>M</i><sup><i>T</i></sup>" in found
    assert "<code>code_1</code>" in found
    assert html.unescape(TAG.sub("", found)) == text.replace("`", "").replace("p_t", "pt").replace("M^T", "MT")


def test_equations_are_set_apart() -> None:
    assert is_equation("y = ReLU(F(x, {W}) + x)", indented=True)
    assert is_equation("∂C/∂θ₀ = 0  ⇒  θ₀ = ȳ − θ₁ x̄           the line passes through", indented=False)
    assert not is_equation("It is a sentence.  Two spaces are none.", indented=False)
    row = equations(["z = x_k − t_k F^H M_b        a step, whose length is learned          (1)"])
    assert "<i>x</i><sub><i>k</i></sub>" in row
    assert '<span class="remark">a step, whose length is learned</span>' in row
    assert '<span class="number">(1)</span>' in row


@pytest.mark.parametrize("source", SOME)
def test_highlighted_code_is_the_code(source: str, contents: Contents, names: Names) -> None:
    links = names.links(source)
    for block in split_code(contents.text(source)):
        found = highlight(block.bare, links, lambda place: f"{place[0]}#{place[1]}")
        assert html.unescape(TAG.sub("", found)) == "\n".join(line for _, line in block.bare)


@pytest.mark.parametrize("source", ["ch01_regression/line.py", "ch01_regression/rivals.py", "common/tables.py"])
def test_names_lead_to_where_python_finds_them(source: str, contents: Contents, names: Names) -> None:
    module = importlib.import_module(source.removesuffix(".py").replace("/", "."))
    lines, held = contents.text(source).splitlines(), 0
    for (line, column), (target, anchor) in names.links(source).items():
        name = re.match(r"\w+", lines[line - 1][column:])[0]
        found = getattr(module, name, None)
        if anchor and "." not in anchor and (inspect.isfunction(found) or inspect.isclass(found)):
            assert inspect.getsourcefile(inspect.unwrap(found)) == str(ROOT / target)
            held += 1
    assert held > 5


def test_a_local_name_is_no_link(contents: Contents, names: Names) -> None:
    page = Page("ch01_regression/line.py", "ch01_regression/line", "lesson")
    mine = Contents(contents.root, contents.chapters)
    mine.text = lambda source: (
        "def cost(x):\n    return x\n\n\ndef f(cost):\n    return cost(1)\n\n\ndef g():\n    return cost(2)\n"
    )
    assert Names(mine).links(page.source) == {(10, 11): (page.source, "cost")}


def test_methods_of_an_annotated_argument_are_links(contents: Contents, names: Names) -> None:
    source = "ch01_regression/line.py"
    lines = contents.text(source).splitlines()
    (line,) = (n for n, text in enumerate(lines, start=1) if "def lesson(run: Run)" in text)
    found = {place for (n, _), place in names.links(source).items() if n > line}
    assert ("common/run.py", "Run.method") in found


def made(source: str, contents: Contents, names: Names, results: Results) -> str:
    chapter = next(c for c in contents.chapters if c.package == source.split("/", maxsplit=1)[0])
    lesson = source.removeprefix(f"{chapter.package}/").removesuffix(".py")
    return lesson_page(contents.pages[source], chapter, lesson, contents=contents, names=names, results=results)


def test_a_lesson_page_is_complete(contents: Contents, names: Names, results: Results) -> None:
    page = made("ch01_regression/line.py", contents, names, results)
    for part in (
        "<p>Question</p>",
        "<p>Method</p>",
        "<p>Rival</p>",
        "--only line",
        "### `fit_line`",
        "| line | from scratch |",
    ):
        assert part in page
    assert page.count("<figure>") == 3
    assert "Stale" not in page


def test_a_stale_lesson_says_so(contents: Contents, names: Names, results: Results) -> None:
    results.stale = {"ch01_regression": {"line": "measured by other code"}}
    assert "stale: measured by other code" in made("ch01_regression/line.py", contents, names, results)


def test_a_lesson_without_results_or_pictures(contents: Contents, names: Names, results: Results) -> None:
    results.records = copy.deepcopy(results.records)
    results.records["ch01_regression"].lessons["line"].pictures.clear()
    assert "<figure>" not in made("ch01_regression/line.py", contents, names, results)
    results.records = {}
    page = made("ch01_regression/line.py", contents, names, results)
    assert "stale: not measured" in page
    assert "### `fit_line`" in page


def test_a_part_names_who_uses_it(contents: Contents, names: Names) -> None:
    part, user = contents.pages["common/tables.py"], contents.pages["common/readme.py"]
    page = part_page(part, [user], contents, names)
    assert "Used by [`common/readme.py`](readme.html)" in page


def test_papers_have_a_link_and_are_cited() -> None:
    docstrings = {
        path: one_line(ast.get_docstring(ast.parse((ROOT / path).read_text("utf-8"))) or "")
        for path in (p.relative_to(ROOT).as_posix() for p in ROOT.glob("c*/**/*.py") if "tests" not in p.parts)
    }
    for paper in papers():
        assert re.fullmatch(r"arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,9}/\S+", paper.place), paper.cited
        assert any(paper.cited_in(path, text) for path, text in docstrings.items()), f"{paper.cited} is not cited"


def test_one_citation_may_mean_two_papers() -> None:
    text = "Weights as He et al. 2015; Girshick, Donahue, Darrell & Malik 2014 (R-CNN)."
    assert "1502.01852" in papers_table("ch04_backprop/layers.py", text)
    assert "1512.03385" in papers_table("ch07_applications/classification/resnet.py", text)
    assert "1311.2524" in papers_table("ch06_detection/rcnn.py", text)
    assert papers_table("ch06_detection/rcnn.py", "Nobody 1900.") == ""


def test_without_the_extra_one_line_says_so(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("book.site.NEEDED", ("numpy", "no_such_generator"))
    monkeypatch.setattr("sys.argv", ["book", "--out", str(tmp_path / "site")])
    assert main() == 2
    said = capsys.readouterr()
    assert said.err == "error: the book needs no_such_generator: pip install -e '.[book]'\n"
    assert said.out == ""
    assert not (tmp_path / "site").exists()

"""The READMEs keep their word: numbers are those of the committed results, pictures exist, solutions run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from common import readme
from common.adopt import FIGURE, chapters
from common.chapter import Chapter
from common.errors import Problem
from common.paired import Comparison
from common.record import ChapterRecord, Fact, LessonRecord, Picture, load
from common.results import Row

PAGES = readme.readmes()
SOLUTION = re.compile(r"<details><summary>Solution</summary>\s*```python\n(.*?)```\s*</details>", re.DOTALL)
SOLUTIONS = [
    pytest.param(code, id=f"{page.parent.name}-{number}")
    for page in PAGES
    for number, code in enumerate(SOLUTION.findall(page.read_text(encoding="utf-8")), start=1)
]


def named(page: Path) -> str:
    return str(page.relative_to(readme.ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_number_is_the_committed_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert readme.MARK.search(text), "a page without a mark states nothing that was measured"
    assert readme.fill(text) == text, "run `python -m common.readme`"


def test_a_number_changed_by_hand_is_found_out() -> None:
    text = (readme.ROOT / "ch01_regression" / "README.md").read_text(encoding="utf-8")
    mark = next(m for m in readme.MARK.finditer(text) if m["kind"] == "scoreboard")
    forged = text.replace(mark["content"], mark["content"].replace("4", "3", 1))
    assert forged != text
    assert readme.fill(forged) == text


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_marks_within_a_sentence_do_not_start_a_line(page: Path) -> None:
    """A line that starts with a comment is no part of a paragraph to GitHub: the sentence would be torn."""
    text = page.read_text(encoding="utf-8")
    for mark in readme.MARK.finditer(text):
        starts = mark.start() == 0 or text[mark.start() - 1] == "\n"
        assert starts == (mark["kind"] in readme.BLOCKS), mark[1]


@pytest.mark.parametrize(
    "mark", ["score: ch01_regression/line/line/charm", "fact: ch01_regression/line/none", "tea: time"]
)
def test_a_mark_that_names_nothing_is_a_problem(mark: str) -> None:
    with pytest.raises(Problem, match=r"mark|measured"):
        readme.fill(f"<!-- {mark} -->1<!-- end -->")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_pictures_and_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert targets
    for target in targets:
        path = page.parent / target
        assert path.exists(), f"{named(page)} links to {target}"
        if path.suffix == ".png":
            with Image.open(path) as picture:
                low, high = picture.convert("L").getextrema()
                assert high - low > 100, f"{target} is blank"
            assert path.stat().st_size < 300_000, f"{target} is large"


def figures_without_caption(text: str, shown: dict[str, str]) -> list[str]:
    """The figures without what their lesson wrote under them: in their own line, as in a table, or within three lines.

    shown: by the mark's `chapter/lesson/picture`, the picture's file.
    """
    lines, missing = text.splitlines(), []
    for number, line in enumerate(lines):
        for link in FIGURE.findall(line):
            near = line if "<!-- caption:" in line else "\n".join(lines[number + 1 : number + 4])
            marks = [mark["what"] for mark in readme.MARK.finditer(near) if mark["kind"] == "caption"]
            if not marks or shown.get(marks[0]) != Path(link).name:
                missing.append(link)
    return missing


def shown() -> dict[str, str]:
    return {
        f"{chapter.package}/{name}/{picture.name}": picture.file
        for chapter in chapters()
        for name, lesson in readme.chapter(chapter.package).lessons.items()
        for picture in lesson.pictures
    }


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_figure_shows_the_caption_that_its_lesson_wrote(page: Path) -> None:
    assert figures_without_caption(page.read_text(encoding="utf-8"), shown()) == []


@pytest.mark.parametrize(
    "below",
    [
        "",
        "\n*Another caption.*",
        "\n\n\n\n*<!-- caption: ch01_regression/line/cost -->A bowl.<!-- end -->*",
        "\n*<!-- caption: ch01_regression/line/squares -->Squares.<!-- end -->*",
        "\n![b](figures/line_squares.png)\n\n*<!-- caption: ch01_regression/line/squares -->B.<!-- end -->*",
    ],
)
def test_a_figure_without_its_caption_is_seen(below: str) -> None:
    assert "figures/line_cost.png" in figures_without_caption(f"![a](figures/line_cost.png)\n{below}", shown())


def test_a_caption_s_letters_are_letters_to_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = LessonRecord("", "", pictures=[Picture("curve", "c_d_curve.png", "a*b_c < [d] & `e`|\\")])
    made = ChapterRecord("ch07_toy", "Toys", {}, {}, {"c": LessonRecord("", ""), "c/d": lesson})
    monkeypatch.setattr(readme, "chapter", {"ch07_toy": made}.__getitem__)
    filled = readme.fill("*<!-- caption: ch07_toy/c/d/curve -->old<!-- end -->*")
    assert filled == "*<!-- caption: ch07_toy/c/d/curve -->a\\*b\\_c &lt; \\[d\\] &amp; \\`e\\`\\|\\\\<!-- end -->*"


def test_marks_know_lessons_in_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("colour/net", "ours", "deep", "accuracy", 50.0, 40.0, 60.0, 10, unit="%")
    made = ChapterRecord("ch07_toy", "Toys", {"seeds": 1}, {})
    made.lessons = {"colour": LessonRecord("", ""), "colour/net": LessonRecord("", "", rows=[row], seconds=[61.6])}
    monkeypatch.setattr(readme, "chapter", {"ch07_toy": made}.__getitem__)
    assert readme.fill("<!-- score: ch07_toy/colour/net/ours/accuracy --><!-- end -->").count("50 ± 10 %") == 1
    assert readme.fill("<!-- seconds: ch07_toy --><!-- end -->").count("62 s") == 1
    for what in ("colour/ours/accuracy", "net/ours/accuracy", "colour/net/theirs/accuracy", "colour/net/ours"):
        with pytest.raises(Problem, match="names nothing that was measured"):
            readme.fill(f"<!-- score: ch07_toy/{what} --><!-- end -->")


def test_a_table_has_all_facts_or_those_that_the_mark_names(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [Fact(name, value, "ms", 0) for name, value in (("one", 1.0), ("two", 2.0), ("a third", 3.0))]
    made = ChapterRecord("ch07_toy", "Toys", {}, {}, {"l": LessonRecord("", "", facts=facts)})
    monkeypatch.setattr(readme, "chapter", {"ch07_toy": made}.__getitem__)

    def filled(what: str) -> list[str]:
        return re.findall(r"^\| (.*) \| .* ms \|$", readme.fill(f"<!-- facts: {what} --><!-- end -->"), re.MULTILINE)

    assert filled("ch07_toy/l") == ["one", "two", "a third"]
    assert filled("ch07_toy/l/a third/one") == ["a third", "one"]
    with pytest.raises(Problem, match="names nothing that was measured"):
        filled("ch07_toy/l/one/four")


def test_a_verdict_comes_whole_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Comparison(*pair, "RMSE", -0.5, -0.7, -0.3, 0.0004, "t", n=9, unit="mpg", seeds=3, family=2)
        for pair in (("a", "b"), ("a", "c"))
    ]
    made = ChapterRecord("ch07_toy", "Toys", {}, {}, {"l": LessonRecord("", "", comparisons=found)})
    monkeypatch.setattr(readme, "chapter", {"ch07_toy": made}.__getitem__)

    def filled(what: str) -> str:
        return readme.MARK.search(readme.fill(f"<!-- verdict: ch07_toy/l/{what} --><!-- end -->"))["content"]

    assert (
        filled("a/c")
        == "a beats c: RMSE lower by 0.50 ± 0.20 mpg, p < 0.001 (t over 3 seeds and 9 items, Holm over 2)."
    )
    assert filled("a/c/difference") == "0.50 ± 0.20 mpg"
    assert filled("a/c/p") == "p < 0.001"
    assert filled("a/c/test") == "t over 3 seeds and 9 items, Holm over 2"
    for what in ("c/a", "a/c/tea", "a"):
        with pytest.raises(Problem, match="names nothing that was measured"):
            filled(what)


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.package)
def test_a_chapter_page_is_complete(chapter: Chapter) -> None:
    """Equations and at least five exercises: on each task's page where a chapter has tasks, with the claims table."""
    results = load(chapter.folder / "results.json")
    tasks = list(dict.fromkeys(name.rpartition("/")[0] for name in chapter.lessons))
    tasks = list(filter(None, tasks)) or tasks
    for task in tasks:
        text = (chapter.folder / task / "README.md").read_text(encoding="utf-8")
        assert len(SOLUTION.findall(text)) >= 5
        assert "$$" in text
        assert not task or f"<!-- claims: {chapter.package}/{task}" in text
        assert not task or f"]({task}/README.md)" in (chapter.folder / "README.md").read_text(encoding="utf-8")
    assert results.configuration == chapter.configuration
    assert not [missed for lesson in results.lessons.values() for missed in lesson.missed_floors()]


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.package)
def test_every_lesson_is_named_on_its_page(chapter: Chapter) -> None:
    """On the chapter's, or on that of its folder."""
    for name in chapter.lessons:
        page = chapter.folder / name.rpartition("/")[0] / "README.md"
        assert f"({Path(name).name}.py)" in page.read_text(encoding="utf-8"), f"{named(page)} does not name {name}.py"


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.package)
def test_the_committed_results_are_those_of_the_committed_code(chapter: Chapter) -> None:
    """Every lesson of the reading order, with all seeds. Where not: `make results` measures what is stale."""
    assert chapter.stale() == {}


@pytest.mark.parametrize("code", SOLUTIONS)
def test_solutions_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "assert" in code, "a solution that asserts nothing cannot be wrong"
    exec(compile(code, "solution", "exec"), {"__name__": "solution"})


def test_the_benchmarks_meet_their_marks() -> None:
    bench = json.loads(readme.BENCH.read_text(encoding="utf-8"))
    assert bench["machine"]["processor"]
    assert {row["name"]: row["ratio"] for row in bench["rows"] if row["ratio"] < row["at_least"]} == {}

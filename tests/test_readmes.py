"""The READMEs keep their word: numbers are those of the committed results, pictures exist, solutions run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from common import readme
from common.errors import Problem
from common.record import load

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


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent != readme.ROOT], ids=named)
def test_a_chapter_page_is_complete(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    results = load(page.parent / "results.json")
    assert len(SOLUTION.findall(text)) == 5
    assert "$$" in text
    for name in results.lessons:
        assert f"({name}.py)" in text, f"{named(page)} does not name {name}.py"
    assert results.configuration["preset"] == "lecture"
    assert results.configuration["seeds"] >= (1 if page.parent.name == "ch06_detection" else 3)  # it trains for long
    assert not [missed for lesson in results.lessons.values() for missed in lesson.missed_floors()]


@pytest.mark.parametrize("code", SOLUTIONS)
def test_solutions_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "assert" in code, "a solution that asserts nothing cannot be wrong"
    exec(compile(code, "solution", "exec"), {"__name__": "solution"})


def test_the_benchmarks_meet_their_marks() -> None:
    bench = json.loads(readme.BENCH.read_text(encoding="utf-8"))
    assert bench["machine"]["processor"]
    assert {row["name"]: row["ratio"] for row in bench["rows"] if row["ratio"] < row["at_least"]} == {}


def test_a_run_s_results_and_the_pictures_shown_are_adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = tmp_path / "project", tmp_path / "out"
    (root / "ch01_regression").mkdir(parents=True)
    (out / "ch01_regression").mkdir(parents=True)
    (root / "README.md").write_text("![a](ch01_regression/figures/line_squares.png)")
    (root / "ch01_regression" / "README.md").write_text("![b](figures/line_cost.png)")
    for name in ("line_squares.png", "line_cost.png", "shown_nowhere.png", "results.json"):
        (out / "ch01_regression" / name).write_text(name)
    (out / "bench.json").write_text("{}")
    monkeypatch.setattr(readme, "ROOT", root)
    monkeypatch.setattr(readme, "BENCH", root / "bench.json")
    readme.adopt(out)
    adopted = {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.suffix in (".png", ".json")
    }
    assert adopted == {
        "bench.json": "{}",
        "ch01_regression/results.json": "results.json",
        "ch01_regression/figures/line_squares.png": "line_squares.png",
        "ch01_regression/figures/line_cost.png": "line_cost.png",
    }


def test_seconds_and_memory_can_come_from_a_run_with_one_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chapter = "ch01_regression"
    ten = load(readme.ROOT / chapter / "results.json")
    one = load(readme.ROOT / chapter / "results.json")
    one.peak_memory_mib = 123.0
    for lesson in one.lessons.values():
        lesson.seconds = [2.0]
    for folder, record in (("ten", ten), ("one", one)):
        record.save(tmp_path / folder / chapter / "results.json")
    (tmp_path / "project" / chapter).mkdir(parents=True)
    monkeypatch.setattr(readme, "ROOT", tmp_path / "project")
    monkeypatch.setattr(readme, "readmes", list)
    readme.adopt(tmp_path / "ten", tmp_path / "one")
    adopted = load(tmp_path / "project" / chapter / "results.json")
    assert adopted.peak_memory_mib == 123.0
    assert adopted.one_seed_seconds == 2.0 * len(ten.lessons)
    assert [lesson.rows for lesson in adopted.lessons.values()] == [lesson.rows for lesson in ten.lessons.values()]

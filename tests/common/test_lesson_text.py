"""A lesson's file as text and code: nothing is lost, and what belongs together stays together."""

from __future__ import annotations

import ast

import pytest

from common.lesson_text import parse_docstring, split_class, split_code
from tests.checkout import CHAPTERS, ROOT, lessons

LESSONS = [ROOT / chapter / f"{name}.py" for chapter in CHAPTERS for name in lessons(chapter)]
EACH_LESSON = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.relative_to(ROOT).as_posix())

TEXT = '''"""Lines, and what they cost.

Question   Where is the best line?
Method     Least squares (Gauss 1809):

               C = Σ r²        (1)

           is minimised.
Costs      1 s.
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# How many.
MANY = 3
FEW = 1


# Above the function.
@cached
def cost(r):
    """The cost."""

    return r * r


class Line:
    """A line."""

    slope: float = 0.0

    def short(self):
        return 1

    def at(self, x):
        """Its height at x."""
        return self.slope * x


def lesson(run):
    pass
'''


def test_sections_of_a_docstring() -> None:
    said = parse_docstring(ast.get_docstring(ast.parse(TEXT)))
    assert list(said) == ["", "Question", "Method", "Costs"]
    assert said[""] == "Lines, and what they cost."
    assert said["Method"] == "Least squares (Gauss 1809):\n\n    C = Σ r²        (1)\n\nis minimised."


def test_a_sentence_at_the_margin_ends_the_sections() -> None:
    assert parse_docstring("A.\n\nUse   It.\n      Often.\n\nAnd this.") == {
        "": "A.\n\nAnd this.",
        "Use": "It.\nOften.",
    }


def test_blocks_of_a_file() -> None:
    blocks = split_code(TEXT)
    kinds = [("imports", ""), ("code", ""), ("function", "cost"), ("class", "Line"), ("function", "lesson")]
    assert [(b.kind, b.name) for b in blocks] == kinds
    _, constants, cost, _, _ = blocks
    assert constants.code == "# How many.\nMANY = 3\nFEW = 1"
    assert cost.code.startswith("# Above the function.\n@cached\ndef cost(r):")
    assert cost.text == "The cost."
    assert [line for _, line in cost.bare] == ["# Above the function.", "@cached", "def cost(r):", "    return r * r"]
    assert all(TEXT.splitlines()[n - 1] == line for block in blocks for n, line in block.bare)


def test_a_class_is_its_head_and_its_explained_methods() -> None:
    head, at = split_class(TEXT, split_code(TEXT)[3])
    assert [line.strip() for _, line in head.bare if line] == [
        "class Line:",
        "slope: float = 0.0",
        "def short(self):",
        "return 1",
    ]
    assert (at.name, at.text) == ("Line.at", "Its height at x.")
    assert [line for _, line in at.bare] == ["    def at(self, x):", "        return self.slope * x"]


@EACH_LESSON
def test_nothing_of_a_lesson_is_lost(path) -> None:
    source = path.read_text(encoding="utf-8")
    code = "\n".join(block.code for block in split_code(source))
    without = ast.parse(source)
    without.body.pop(0)  # the docstring
    assert ast.dump(ast.parse(code)) == ast.dump(without)


@EACH_LESSON
def test_sections_keep_every_word(path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    said = parse_docstring(text)
    assert sorted(" ".join([*said, *said.values()]).split()) == sorted(text.split())

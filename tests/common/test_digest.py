"""A digest follows the code that numbers come from, wherever it lies, and nothing else."""

import ast
import re

import pytest

from common import digest as digests
from common.digest import COMMON, DRAWINGS, dependencies, digest, sources
from common.statements import as_text
from tests.checkout import CHAPTERS, ROOT, SOURCES, lessons

LESSON = '''"""What?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ch90_toy import solver
from common import data, plots

if TYPE_CHECKING:
    from ch90_toy.shapes import Shape


def lesson(run):
    """Story."""
    cars = data.cars(run.scale)  # a comment
    plots.panels()
    run.fact("slope", solver.slope(cars) + np.float64(0))
'''
FILES = {
    "ch90_toy/__init__.py": '"""Toys."""\n',
    "ch90_toy/what.py": LESSON,
    "ch90_toy/other.py": '"""Another lesson."""\nfrom ch90_toy.what import lesson as first\n',
    "ch90_toy/solver.py": "def slope(cars):\n    from ch90_toy.deep import STEP\n    return STEP * cars\n",
    "ch90_toy/deep.py": '"""Steps."""\nSTEP = 0.5\n',
    "ch90_toy/shapes.py": "class Shape: pass\n",
    "ch90_toy/drawn_cars.py": "def draw(): pass\n",
    "common/__init__.py": "",
    "common/plots.py": "def panels(): return 1\n",
    "common/data/__init__.py": "from common.data.tables import cars, wine\nfrom common.data.photos import photo\n",
    "common/data/tables.py": (
        "from common.data.parts import Table\ndef cars(scale): return Table(3)\ndef wine(scale): pass\n"
    ),
    "common/data/parts.py": "def Table(n): return n\n",
    "common/data/photos.py": "def photo(): return 7\n",
    "common/data/films.py": "def film(): return 8\n",
}


class Toys:
    """A made-up repository in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def replace(self, name, old, new):
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    @property
    def roots(self):
        return {name: self.folder / name for name in ("common", "ch90_toy")}

    def digest(self, lesson="what"):
        return digest(f"ch90_toy.{lesson}", self.roots)

    def modules(self, lesson="what"):
        return dependencies(f"ch90_toy.{lesson}", self.roots)


@pytest.fixture
def toys(tmp_path):
    return Toys(tmp_path)


SOLVED = {"ch90_toy.what", "ch90_toy.solver", "ch90_toy.deep", "common.data.tables", "common.data.parts"}


def test_it_covers_what_is_imported_directly_through_others_and_inside_functions(toys):
    assert toys.modules() == SOLVED


def test_it_is_sixteen_hexadecimal_digits(toys):
    assert re.fullmatch("[0-9a-f]{16}", toys.digest())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ch90_toy/what.py", '"""Story."""', '"""Another story."""'),
        ("ch90_toy/what.py", '    """Story."""\n', ""),
        ("ch90_toy/what.py", "  # a comment", ""),
        ("ch90_toy/what.py", "cars = data.cars(run.scale)", "cars = (\n        data.cars( run.scale )\n    )"),
        ("ch90_toy/what.py", "from ch90_toy import solver\nfrom common", "from ch90_toy import solver\n\nfrom common"),
        ("ch90_toy/what.py", "import data, plots", "import plots, data"),
        ("ch90_toy/what.py", "\nimport numpy as np\n", "\nimport math\n\nimport numpy as np\n"),
        ("ch90_toy/what.py", "from ch90_toy.shapes import Shape", "from ch90_toy.shapes import Shape as S"),
        ("ch90_toy/deep.py", "Steps.", "A step."),
        ("ch90_toy/shapes.py", "pass", "sides = 4"),
        ("common/plots.py", "1", "2"),
        ("common/data/photos.py", "7", "8"),
        ("common/data/films.py", "8", "9"),
        ("common/data/tables.py", "wine(scale): pass", "wine(scale): return Table(4)"),
        ("common/data/tables.py", "def wine", "def beer(scale): return 7\ndef wine"),
        ("common/data/parts.py", "return n", "return n\nSIZE = 3"),
        ("common/data/__init__.py", "photo\n", "photo\nfrom common.data.films import film\n"),
    ],
)
def test_what_can_t_change_a_number_leaves_it(toys, name, old, new):
    before = toys.digest()
    toys.replace(name, old, new)
    assert toys.digest() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ch90_toy/what.py", '"slope"', '"height"'),
        ("ch90_toy/what.py", "+ np", "- np"),
        ("ch90_toy/what.py", "float64(0)", "float64(0.0)"),
        ("ch90_toy/solver.py", "STEP * cars", "cars * STEP"),
        ("ch90_toy/deep.py", "0.5", "0.25"),
        ("ch90_toy/deep.py", "0.5", "[]"),
        ("common/data/tables.py", "Table(3)", "Table(4)"),
        ("common/data/parts.py", "return n", "return -n"),
        ("common/data/parts.py", "def Table(n)", "print(1)\ndef Table(n)"),
        ("common/data/tables.py", "def wine", "def Table(n): return 2 * n\ndef wine"),
        ("ch90_toy/what.py", "data.cars", "data.photo"),
        ("ch90_toy/what.py", "import data, plots", "import data as d, plots"),
    ],
)
def test_what_can_change_a_number_changes_it(toys, name, old, new):
    before = toys.digest()
    toys.replace(name, old, new)
    assert toys.digest() != before


def test_another_name_under_the_same_alias_changes_it(toys):
    toys.write("ch90_toy/what.py", "from common.data import cars as table\ntable(1)\n")
    before = toys.digest()
    toys.replace("ch90_toy/what.py", "cars", "wine")
    assert toys.digest() != before


def test_definitions_are_followed_within_a_module(toys):
    text = "STEP = half(SIZE)\nSIZE, OTHER = 4, 5\ndef half(n): return n / 2\n"
    text += "class Wheel:\n    def turn(self): return OTHER\n"
    toys.write("ch90_toy/deep.py", text)
    before = toys.digest()
    for old, new, same in (("4, 5", "6, 5", False), ("n / 2", "n // 2", False), ("return OTHER", "return 7", True)):
        toys.write("ch90_toy/deep.py", text.replace(old, new))
        assert (toys.digest() == before) == same
    toys.replace("ch90_toy/solver.py", "STEP * cars", "deep.Wheel().turn() * cars")
    toys.replace("ch90_toy/solver.py", "from ch90_toy.deep import STEP", "from ch90_toy import deep")
    before = toys.digest()
    toys.replace("ch90_toy/deep.py", "return 7", "return 8")
    assert toys.digest() != before


def test_a_name_that_is_given_twice_has_both_statements(toys):
    toys.write("ch90_toy/deep.py", "STEP = 0.5\nSTEP += 1\n")
    before = toys.digest()
    toys.replace("ch90_toy/deep.py", "+= 1", "+= 2")
    assert toys.digest() != before


def test_code_that_only_moves_leaves_it(toys):
    before = toys.digest()
    toys.write("ch90_toy/steps/deep.py", FILES["ch90_toy/deep.py"])
    (toys.folder / "ch90_toy/deep.py").unlink()
    toys.replace("ch90_toy/solver.py", "ch90_toy.deep", "ch90_toy.steps.deep")
    assert toys.digest() == before


@pytest.mark.parametrize(
    ("code", "covered"),
    [
        ("from common.data import cars", {"tables", "parts"}),
        ("from common.data import photo", {"photos"}),
        ("from common.data import films\nfilms.film()", {"films"}),
        ("from common.data.photos import photo", {"photos"}),
        ("from common import data\ndata.films.film()", {"films"}),
        ("from common import data as d\nd.photo()", {"photos"}),
        ("import common.data.photos", {"photos"}),
        ("import common.data.photos as p\np.photo()", {"photos"}),
        ("def f():\n    from common.data import photo", {"photos"}),
        ("from common import data", set()),
        ("from common.data import films", {"films"}),
        ("from common import data\nload = getattr(data, 'photo')", {"", "tables", "parts", "photos"}),
        ("from common import data\ndata.photo()\nload = [data]", {"", "tables", "parts", "photos"}),
        ("from common import data\ndata.unknown()", {"", "tables", "parts", "photos"}),
        ("from common.data import *", {"", "tables", "parts", "photos"}),
        ("import common.data\ncommon.data.photo()", {"", "tables", "parts", "photos"}),
    ],
)
def test_names_are_followed_through_packages(toys, code, covered):
    toys.write("ch90_toy/what.py", code)
    expected = {f"common.data.{name}".rstrip(".") for name in covered}
    assert toys.modules() == {"ch90_toy.what"} | expected


def test_relative_imports_are_followed(toys):
    toys.write("ch90_toy/parts/__init__.py", "from .wheel import turn\n")
    toys.write("ch90_toy/parts/wheel.py", "from ..deep import STEP\nturn = STEP\n")
    toys.write("ch90_toy/what.py", "from .parts import turn\n")
    assert toys.modules() == {"ch90_toy.what", "ch90_toy.parts.wheel", "ch90_toy.deep"}


def test_lessons_lie_in_folders_too(toys):
    toys.write("ch90_toy/task/fit.py", "from ch90_toy.task import net\nnet.layers()\n")
    toys.write("ch90_toy/task/net.py", "def layers(): return 3\n")
    assert toys.modules("task.fit") == {"ch90_toy.task.fit", "ch90_toy.task.net"}


def test_a_circle_ends(toys):
    toys.replace("ch90_toy/deep.py", "STEP", "from ch90_toy import what\nSTEP")
    assert toys.modules() == SOLVED


def test_drawings_are_left_out(toys):
    before = toys.digest()
    toys.replace("ch90_toy/what.py", "from ch90_toy import solver", "from ch90_toy import drawn_cars, solver")
    assert toys.modules() == SOLVED
    assert toys.digest() == before


def test_the_sources_are_those_of_the_covered_statements(toys):
    toys.replace("ch90_toy/deep.py", "STEP = 0.5", "STEP = 0.5  # the step\nOTHER = 1")
    found = list(sources("ch90_toy.what", toys.roots))
    assert "STEP = 0.5  # the step" in found
    assert all("OTHER" not in source and "def wine" not in source for source in found)
    assert any('run.fact("slope"' in source for source in found)


def test_the_text_of_a_tree_keeps_all_that_computes():
    one = "def f(x, *, y: int = 1): return {**x, 'a': [None, ..., 1j, b'c', -0.0, f'{x!r:>4}']}[::2]"
    two = "def f(x, *, y: int = 1): return {**x, 'a': [None, ..., 1j, b'c', +0.0, f'{x!r:>4}']}[::2]"
    texts = {as_text(ast.parse(code)) for code in (one, two, one.replace("!r", "!s"), one.replace("::", ":"))}
    assert len(texts) == 4
    assert as_text(ast.parse("x = None")) != as_text(ast.parse("x = ()"))


# The repository itself


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_lesson_depends_on_its_own_file_on_the_runner_s_scores_and_not_on_all_loaders(chapter):
    roots = {"common": COMMON, chapter: ROOT / chapter}
    for name in lessons(chapter):
        module = f"{chapter}.{name.replace('/', '.')}"
        covered = dependencies(module, roots)
        assert {module, "common.run", "common.results", "common.paired"} <= covered
        assert covered.isdisjoint(digests.CANNOT_CHANGE_A_NUMBER)
        assert covered.isdisjoint({"common.data", "common"}), f"{module}: names that can't be followed"
        assert "common.chapter" not in covered


def test_what_is_left_out_is_there_still():
    for module in digests.CANNOT_CHANGE_A_NUMBER:
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_packages_only_pass_names_on():
    for path in (path for path in SOURCES if path.name == "__init__.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            listed = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            assert said or listed or isinstance(node, ast.Import | ast.ImportFrom), path


def test_files_of_drawings_hold_drawings():
    """Every public function there draws on an axis or gives a figure, and none returns a number."""
    for path in (path for path in SOURCES if path.parts[-2] != "common" and any(map(path.match, DRAWINGS))):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                assert ast.unparse(node.returns) in {"None", "Figure", "list[Figure]", "Axes"}, f"{path}: {node.name}"

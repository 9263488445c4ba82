"""The house rules, held: who may import whom, what runs at import, what a file and a lesson look like."""

import ast
import re
import subprocess
import sys
import time
import tomllib

import pytest

from tests.checkout import CHAPTERS, ROOT, SOURCES, lessons, text_files
from tests.reading_order import Order

EACH_FILE = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
EACH_CHAPTER = pytest.mark.parametrize("chapter", CHAPTERS)
LESSON_FILES = [ROOT / chapter / f"{name}.py" for chapter in CHAPTERS for name in lessons(chapter)]
EACH_LESSON = pytest.mark.parametrize("path", LESSON_FILES, ids=lambda path: path.relative_to(ROOT).as_posix())

# What a constant may be made with, besides a class: these neither read, nor draw, nor wait.
PURE = {"range", "tuple", "frozenset", "dict", "field", "compile", "tolist"}
PURE |= {"array", "arange", "linspace", "logspace", "eye", "zeros", "ones", "finfo", "iinfo"}
PURE |= {"stack", "meshgrid", "reshape", "property", "partial", "replace"}


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


# Who imports whom


def lint_imports(config, folder):
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    command = [sys.executable, "-c", program, "--config", str(config), "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_import_contracts_hold():
    status, said = lint_imports(ROOT / "pyproject.toml", ROOT)
    assert status == 0, said
    assert "3 kept, 0 broken" in said


def test_the_import_contracts_know_every_chapter():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    independent, forbidden, book = settings["contracts"]
    assert settings["root_packages"] == ["common", "book", *CHAPTERS]
    assert (independent["type"], independent["modules"]) == ("independence", CHAPTERS)
    assert (forbidden["type"], forbidden["source_modules"]) == ("forbidden", ["common"])
    assert forbidden["forbidden_modules"] == CHAPTERS
    assert (book["source_modules"], book["forbidden_modules"]) == (["common", *CHAPTERS], ["book"])


@pytest.mark.parametrize("importer", ["common", CHAPTERS[-1]])
def test_a_broken_import_contract_is_seen(tmp_path, importer):
    for package in ("common", "book", *CHAPTERS):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / importer / "wrong.py").write_text(f"def f():\n    from {CHAPTERS[0]} import line\n")
    (tmp_path / CHAPTERS[0] / "line.py").touch()
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    status, said = lint_imports(tmp_path / "pyproject.toml", tmp_path)
    assert status == 1
    assert f"{importer} is not allowed to import {CHAPTERS[0]}" in said


# Imports follow the reading order, and the top level of a chapter is its table of contents


def order(chapter):
    return Order(ROOT / chapter, tuple(lessons(chapter)))


@EACH_CHAPTER
def test_no_lesson_imports_a_later_one(chapter):
    assert order(chapter).too_early() == {}


@EACH_CHAPTER
def test_no_modules_import_each_other_in_a_circle(chapter):
    assert order(chapter).circles() == []


@EACH_CHAPTER
def test_the_top_level_of_a_chapter_holds_its_lessons_and_nothing_else(chapter):
    assert order(chapter).parts_on_top() == []


@pytest.fixture
def toy(tmp_path):
    """Three lessons in order, one of them in a folder, with parts; each test adds what it breaks."""
    files = {
        "__init__": "",
        "main": "from ch90_toy import third\n",
        "first": "import numpy\n",
        "task/second": "from ch90_toy.first import f\nfrom ch90_toy.task import part\n",
        "task/part": "from ch90_toy import first\n",
        "third": "def f():\n    from ch90_toy.task.second import g\n",
        "tests/test_first": "from ch90_toy import third\n",
    }
    made = Order(tmp_path / "ch90_toy", ("first", "task/second", "third"))
    for name, text in files.items():
        path = made.folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return made


def add(toy, name, text):
    with (toy.folder / f"{name}.py").open("a") as file:
        file.write(text)


def test_a_chapter_in_order_breaks_nothing(toy):
    assert (toy.too_early(), toy.circles(), toy.parts_on_top()) == ({}, [], [])


@pytest.mark.parametrize(
    "line",
    [
        "from ch90_toy import third",
        "from ch90_toy.third import f",
        "import ch90_toy.third",
        "def g():\n    from ch90_toy import third",
        "from . import third",
    ],
)
def test_a_later_lesson_is_seen(toy, line):
    add(toy, "first", line)
    assert toy.too_early() == {"first": ["third"]}


def test_a_later_lesson_is_seen_through_parts(toy):
    add(toy, "task/part", "from ch90_toy.task import deep\n")
    add(toy, "task/deep", "from ch90_toy.third import f\n")
    assert toy.too_early() == {"task/second": ["third"]}
    add(toy, "first", "from ch90_toy.task import deep\n")
    assert toy.too_early() == {"first": ["third"], "task/second": ["third"]}


def test_what_only_type_checkers_see_is_not_taught(toy):
    add(toy, "first", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ch90_toy import third\n")
    assert toy.too_early() == {}


def test_a_circle_is_seen(toy):
    add(toy, "task/part", "def f():\n    from ch90_toy.task import second\n")
    assert toy.circles() == [["task/part", "task/second"]]
    add(toy, "first", "import ch90_toy.third\n")
    assert toy.circles() == [["first", "task/part", "task/second", "third"]]


def test_a_part_on_top_is_seen(toy):
    add(toy, "shapes", "")
    assert toy.parts_on_top() == ["shapes"]


# What a file looks like

WHOLE_SYSTEMS = {  # lessons that hold a whole system, and may have 320 lines
    "ch04_backprop/autograd.py",
    "ch04_backprop/layers.py",
    "ch05_cnn/deconvnet.py",
    "ch05_cnn/lenet1989.py",
    "ch06_detection/fast_rcnn.py",
    "ch06_detection/multibox.py",
    "ch06_detection/rcnn.py",
    "ch06_detection/ssd.py",
    "ch06_detection/ssd300.py",
    "ch07_applications/classification/alexnet.py",
    "ch07_applications/classification/googlenet.py",
    "ch07_applications/classification/resnet.py",
    "ch07_applications/classification/vgg.py",
    "ch07_applications/colour/colorful.py",
    "ch07_applications/colour/deep_colorization.py",
    "ch07_applications/colour/let_there_be_color.py",
    "ch07_applications/images_and_text/alignments.py",
    "ch07_applications/images_and_text/attngan.py",
    "ch07_applications/images_and_text/show_and_tell.py",
    "ch07_applications/reconstruction/bandpass.py",
    "ch07_applications/reconstruction/partial_convolutions.py",
    "ch07_applications/reconstruction/pixel_rnn.py",
    "ch07_applications/segmentation/fcn.py",
    "ch07_applications/segmentation/hypercolumns.py",
    "ch07_applications/segmentation/mask_rcnn.py",
    "ch07_applications/segmentation/sds.py",
    "ch07_applications/segmentation/segnet.py",
    "ch07_applications/style/gatys.py",
    "ch07_applications/super_resolution/deep_image_prior.py",
    "ch07_applications/super_resolution/lapsrn.py",
    "ch07_applications/super_resolution/srgan.py",
    "ch07_applications/synthesis/cyclegan.py",
    "ch07_applications/synthesis/dcgan.py",
    "ch07_applications/synthesis/pixelcnn.py",
    "ch07_applications/video/activity.py",
    "ch07_applications/video/conv3d.py",
    "ch07_applications/video/long_term.py",
    "ch07_applications/video/pose.py",
    "ch07_applications/video/summarization.py",
}


@EACH_FILE
def test_no_file_is_long(path):
    limit = 320 if path.relative_to(ROOT).as_posix() in WHOLE_SYSTEMS else 250
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


def test_only_lessons_are_whole_systems_and_only_those_that_need_the_lines():
    for name in WHOLE_SYSTEMS:
        assert ROOT / name in LESSON_FILES
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) > 250, f"{name} needs no exception"


@EACH_FILE
def test_no_star_import(path):
    stars = [
        node.lineno for node in ast.walk(parsed(path)) if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]
    assert stars == []


@EACH_FILE
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(parsed(path)) or not parsed(path).body


def undocumented(tree):
    """Public classes, and public functions of more than one statement, that have no docstring."""
    public = [n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef) and not n.name.startswith("_")]
    said = [n for n in public if isinstance(n, ast.ClassDef) or len(n.body) > 1]
    return [n.name for n in said if n.name not in {"lesson", "main"} and not ast.get_docstring(n)]


@EACH_FILE
def test_what_is_public_has_a_docstring(path):
    assert undocumented(parsed(path)) == []


def test_names_that_say_nothing():
    for path in text_files():
        for part in path.relative_to(ROOT).with_suffix("").parts:
            assert part not in {"utils", "util", "helpers", "helper", "misc"}, path


# What happens at import


def at_import(tree):
    """Every statement that runs when the module is imported, without the bodies of functions."""
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from at_import(node)


def running(node):
    """The node and all below it, but for what stands in a lambda: that runs when the lambda is called."""
    yield node
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from running(child)


def doings(tree):
    """What a module does at import beyond defining things, as lines of code."""
    constants = (ast.Assign, ast.AnnAssign)
    for node in at_import(tree):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef | ast.Pass):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef):
            inspected = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, constants):
            inspected = [node.value] if node.value else []
        else:
            yield ast.unparse(node)
            continue
        for call in (n for part in inspected for n in running(part) if isinstance(n, ast.Call)):
            name = ast.unparse(call.func).rpartition(".")[2]
            if not (name in PURE or name[:1].isupper()):
                yield ast.unparse(node)


@EACH_FILE
def test_nothing_runs_at_import(path):
    assert list(doings(parsed(path))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ndevice = torch.device('cuda')",
        "np.random.seed(0)",
        "cars = data.auto_mpg()",
        "RNG = np.random.default_rng(0)",
        "for i in range(3): print(i)",
        "with open('x') as f: TEXT = f.read()",
        "def f(x=np.random.rand(3)): pass",
        "class A:\n    table = load()",
        "if torch.cuda.is_available():\n    DEVICE = 'cuda'",
        "figure, axes = plt.subplots()",
    ],
)
def test_what_runs_at_import_is_seen(code):
    assert list(doings(ast.parse(code)))


WATCH = """
import sys
read, figures = [], []
sys.addaudithook(lambda event, args: read.append(str(args[0])) if event == "open" else None)
import importlib
import numpy as np
before = str(np.random.get_state())
for name in sys.argv[1:]:
    importlib.import_module(name)
packs = [path for path in read if "packs" in path or path.endswith((".csv", ".npz", ".webp", ".png", ".gz"))]
assert not packs, f"read at import: {packs}"
assert str(np.random.get_state()) == before, "the seed of numpy was set, or numbers were drawn"
if pyplot := sys.modules.get("matplotlib.pyplot"):
    assert not pyplot.get_fignums(), "a figure was opened"
"""


@EACH_CHAPTER
def test_importing_every_lesson_reads_no_data_draws_nothing_and_opens_no_figure(chapter):
    names = [f"{chapter}.{name.replace('/', '.')}" for name in lessons(chapter)]
    done = subprocess.run([sys.executable, "-c", WATCH, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("import common.data; common.data.auto_mpg()", "read at import"),
        ("np.random.seed(0)", "the seed of numpy was set"),
        ("import matplotlib.pyplot; matplotlib.pyplot.figure()", "a figure was opened"),
    ],
)
def test_what_happens_at_import_would_be_seen(code, seen):
    program = WATCH.replace("packs = [", f"{code}\npacks = [", 1)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert seen in done.stderr


# A lesson file


@EACH_LESSON
def test_a_lesson_says_its_question_method_and_costs(path):
    text = ast.get_docstring(parsed(path))
    assert text.splitlines()[0].strip()
    assert text.splitlines()[1] == ""  # --list shows the first line, which must be a whole sentence
    assert text.splitlines()[0][-1] in ".?!"
    for label in ("Question", "Method", "Costs"):
        assert re.search(rf"^{label} +\S", text, flags=re.MULTILINE), f"{label} is missing"


@EACH_LESSON
def test_a_lesson_file_ends_with_the_lesson(path):
    last = parsed(path).body[-1]
    assert isinstance(last, ast.FunctionDef)
    assert ast.unparse(last).startswith("def lesson(run: Run) -> None:")


@EACH_LESSON
def test_constants_stand_before_functions(path):
    above = set()  # a table of functions, as SOLVERS = {"qr": by_qr}, may stand below them
    for node in parsed(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            above.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and above:
            assert above & {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}, ast.unparse(node)


@EACH_CHAPTER
def test_the_reading_order_is_short_and_complete(chapter):
    assert len((ROOT / chapter / "main.py").read_text(encoding="utf-8").splitlines()) < 60
    with_lesson = {
        path.relative_to(ROOT / chapter).with_suffix("").as_posix()
        for path in SOURCES
        if path.is_relative_to(ROOT / chapter) and re.search(r"^def lesson\(", path.read_text("utf-8"), re.MULTILINE)
    }
    assert with_lesson == set(lessons(chapter))


def test_lessons_of_a_chapter_differ_in_the_names_of_their_files():
    """A lesson's pictures and checkpoints are named for it, with its folder's slash as an underscore."""
    for chapter in CHAPTERS:
        flat = [name.replace("/", "_") for name in lessons(chapter)]
        assert len(set(flat)) == len(flat)


# The command line answers at once


@EACH_CHAPTER
@pytest.mark.parametrize("flag", ["--help", "--list"])
def test_an_answer_imports_nothing_heavy(chapter, flag):
    command = [sys.executable, "-X", "importtime", "-m", f"{chapter}.main", flag]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "common.chapter" in imported
    assert imported.isdisjoint({"torch", "sklearn", "scipy.stats", "skimage", "matplotlib", "jinja2"})


@EACH_CHAPTER
@pytest.mark.parametrize("flag", ["--help", "--list"])
def test_an_answer_takes_less_than_a_second(chapter, flag):
    best = 9.0
    for _ in range(6):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", f"{chapter}.main", flag], cwd=ROOT, capture_output=True, check=True)
        best = min(best, time.perf_counter() - start)
        if best < 1:
            return
    pytest.fail(f"the fastest of six took {best:.2f} s")


# Nothing of the machine that it was written on

ELSEWHERE = r"/(?:work|root|home|Users)/[a-z]"
REGISTRIES = r"pypi\.org|pythonhosted\.org|registry\.npmjs|index-url"


@pytest.mark.parametrize("forbidden", [ELSEWHERE, REGISTRIES])
def test_no_file_names_a_machine_s_paths_or_a_registry(forbidden):
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()[:100]}"
        for path in text_files()
        if path.name != "test_house_rules.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(forbidden, line)
    ]
    assert found == []


# The hook of conftest.py is awake


def test_the_test_run_checks_shapes():
    import numpy as np
    from jaxtyping import TypeCheckError

    from common.plots import dots

    with pytest.raises(TypeCheckError):
        dots(None, np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(TypeCheckError):
        dots(None, np.zeros(3), np.zeros(2))

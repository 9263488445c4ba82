"""A lesson's cells hold its file: every word of its docstring, every statement, and its story step by step."""

import ast
import re
from html import unescape

import pytest
from markdown_it import MarkdownIt

from common.errors import Problem
from common.notebooks.cells import Cell, definition_cells, introduction, lesson_cells, markdown
from common.notebooks.story import story_cells
from tests.checkout import CHAPTERS, ROOT, lessons

LESSONS = [(chapter, name) for chapter in CHAPTERS for name in lessons(chapter)]
EACH_LESSON = pytest.mark.parametrize(("chapter", "name"), LESSONS, ids=["/".join(lesson) for lesson in LESSONS])

STORY = '''"""A question?

Question   None.
"""

from common.run import Run

SIZE = 3


def judge(x):
    return min(x, SIZE)


def judge_all(xs):
    return [judge(x) for x in xs]


def lesson(run: Run) -> None:
    x = load(run)
    if x is None:
        return
    # The first method.
    with run.method("one", kind="deep") as method:
        method.score(x)
        run.fact("seconds", 1.0)
    run.compare("one", "two")

    def inner(y):
        return y

    run.figure(
        "picture", draw, inner(x),
        caption="What is drawn.",
    )  # fmt: skip
    run.note("At the end.")
'''


def source(chapter, name):
    return (ROOT / chapter / f"{name}.py").read_text(encoding="utf-8")


class AsInCells(ast.NodeTransformer):
    """What a story's statements become: `return` stops the run, and hiding locals have an underscore."""

    def __init__(self, hiding):
        self.hiding = hiding

    def visit_FunctionDef(self, node):
        returns = [n for n in ast.walk(node) if isinstance(n, ast.Return)]
        self.generic_visit(node)
        assert not self.hiding or not returns
        return node

    def visit_Name(self, node):
        return ast.Name(node.id + "_", node.ctx) if node.id in self.hiding else node


def code(cells):
    return ast.parse("\n".join(cell.text for cell in cells if cell.kind == "code"))


HIDING = {"synthesis/dcgan": {"judge"}, "synthesis/cyclegan": {"judge"}, "video/activity": {"flat"}}


@EACH_LESSON
def test_the_cells_hold_every_statement(chapter, name):
    tree = ast.parse(source(chapter, name))
    assert ast.dump(code(definition_cells(source(chapter, name)))) == ast.dump(ast.Module(tree.body[1:-1], []))
    story = ast.parse("\n".join(story_cells(source(chapter, name))))
    body = "\n".join(ast.unparse(AsInCells(HIDING.get(name, set())).visit(node)) for node in tree.body[-1].body)
    own = r"^(    )return$"  # of the lesson, not of a function within it
    assert ast.unparse(story) == re.sub(own, r"\1run.stop_here()", ast.unparse(ast.parse(body)), flags=re.MULTILINE)


@EACH_LESSON
def test_the_introduction_reads_as_the_docstring(chapter, name):
    """Rendered by a library: no sign of the text is taken for one of Markdown's."""
    text = re.sub(r"^ +\d\. ", "", ast.get_docstring(ast.parse(source(chapter, name))), flags=re.MULTILINE)
    html = MarkdownIt().render(introduction(source(chapter, name)))  # which has the numbers of a list in its tags
    seen = re.sub(
        r"&(lt|gt|amp|quot);", lambda m: {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}[m[1]], html_text(html)
    )
    assert sorted(seen.replace(".", " ").split()) == sorted(text.replace("`", "").replace(".", " ").split())


def html_text(html):
    """The words of HTML: tags within a line part no words, others do."""
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?(?:em|strong|code)>", "", html)))


def test_a_step_ends_where_something_is_shown_or_a_line_is_empty():
    first, method, compare, inner, note = story_cells(STORY)
    assert first.startswith("x = load(run)\nif x is None:\n    run.stop_here()\n# The first method.\nwith run.method(")
    assert first.endswith('run.fact("seconds", 1.0)')
    assert method == 'run.compare("one", "two")'
    assert compare == "def inner(y):\n    return y"
    assert inner.startswith("run.figure(")
    assert inner.endswith("\n)")
    assert note == 'run.note("At the end.")'


def test_a_local_that_would_hide_what_a_function_reads_is_renamed():
    hiding = STORY.replace("x = load(run)", "judge = min = load(run)\n    x = judge").replace("draw,", "judge,")
    story = "\n".join(story_cells(hiding))
    assert "judge_ = min_ = load(run)\nx = judge_" in story
    assert '"picture", judge_, inner(x)' in story


def test_names_that_nothing_else_reads_keep_theirs():
    assert "SIZE = load(run)" not in STORY
    story = story_cells(STORY.replace("x = load(run)", "max = x = load(run)"))
    assert story[0].startswith("max = x = load(run)")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("        return\n", "        return x\n", "line 22 can't be told in a cell"),
        ("def inner(y):", "def inner(judge):", "judge is a local, a parameter and a name of the file"),
    ],
)
def test_what_cannot_be_told_in_cells_is_said(old, new, says):
    with pytest.raises(Problem, match=re.escape(says)):
        story_cells(STORY.replace(old, new).replace("x = load", "judge = x = load"))


def test_equations_keep_their_columns_and_signs():
    shown = markdown("Least squares, a_i * b_i:\n\n    C = Σ r²   (1)\n        a_b\n\nas `a_b` says, <b> and $x$.")
    html = MarkdownIt().render(shown)
    assert '<pre><code class="language-text">    C = Σ r²   (1)\n        a_b\n</code></pre>' in html
    assert "a_i * b_i" in html
    assert "<code>a_b</code>" in html
    assert "&lt;b&gt;" in html
    assert r"\$x\$" in shown


def test_a_list_stays_a_list():
    html = MarkdownIt().render(markdown("These:\n1. One\n   goes on.\n2. Two.\nAnd on."))
    assert html == "<p>These:</p>\n<ol>\n<li>One\ngoes on.</li>\n<li>Two.</li>\n</ol>\n<p>And on.</p>\n"


def test_definitions_are_grouped():
    lines = "\n    ".join(f"x = {i}" for i in range(30))
    functions = "\n\n\n".join(f"def f{k}():\n    {lines}" for k in range(3))
    text = (
        f'"""A."""\nimport math\n\nTWO = 2\n\n\n# --- The network -----\n\n\n{functions}\n\n\nclass A:\n    pass\n\n\n'
    )
    text += "def draw_a():\n    pass\n\n\n# Read\n# on.\n\n\ndef g():\n    pass\n\n\ndef lesson(run):\n    pass\n"
    cells = definition_cells(text)
    assert [cell.text.splitlines()[0] for cell in cells] == [
        "import math", "### The network", "def f0():", "def f1():", "def f2():", "class A:", "def draw_a():",
        "Read on.", "def g():",
    ]  # fmt: skip
    assert [cell for cell in cells if cell.kind == "markdown"] == [
        Cell("markdown", "### The network"),
        Cell("markdown", "Read on."),
    ]


def test_the_notebook_installs_what_is_missing_and_names_its_file():
    cells = lesson_cells(STORY, "ch01_regression", "line", preset="smoke", install_from="../..", seconds=3.2)
    texts = [cell.text for cell in cells]
    assert "`ch01_regression/line.py`" in texts[0]
    assert '%pip install --quiet "../.."' in texts[1]
    assert 'run = notebook_run("ch01_regression", "line", preset="smoke")' in texts[-8]
    assert "(about 3 s)" in texts[-9]
    assert texts[-1] == "run.finish();"

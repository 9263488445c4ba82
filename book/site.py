"""The book as a folder of HTML: its pages made, set by Sphinx, with all that they show beside them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from book.contents import Contents
from book.glossary_links import GlossaryLinks
from book.mathml import FONT
from book.pages import write_pages
from book.results import Results
from common.chapter import Chapter
from common.errors import Problem

NEEDED = ("sphinx", "myst_parser", "furo", "sphinx_copybutton", "math_core", "ziamath")
STATIC = Path(__file__).parent / "static"
SETTINGS = {
    "project": "Deep learning meets computer vision",
    "html_title": "Deep learning meets computer vision, by reading code",
    "extensions": ["myst_parser", "sphinx_copybutton", "book.mathml"],
    "myst_enable_extensions": ["dollarmath", "colon_fence"],
    "myst_all_links_external": True,  # they are made, and held, by book.links
    "myst_update_mathjax": False,
    "html_math_renderer": "mathml",
    "html_theme": "furo",
    "html_static_path": ["_static"],
    "html_css_files": ["book.css"],
    "html_js_files": ["book.js"],
    "html_show_sourcelink": False,
    "html_copy_source": False,
    "html_show_search_summary": False,  # it would be fetched, which a page from the disk may not do
    "html_show_copyright": False,
    "smartquotes": False,
    "copybutton_prompt_text": ">>> ",
    "suppress_warnings": ["myst.header", "misc.highlighting_failure"],
}


def missing() -> list[str]:
    """The packages that the book needs and this environment lacks."""
    return [name for name in NEEDED if find_spec(name) is None]


def build(root: Path, chapters: list[Chapter], out: Path, work: Path, say: Callable[[str], object] = print) -> int:
    """Make the book of the course below root. Returns how many pages it has.

    out: the site's folder, made anew. work: for what is made on the way. Raises Problem for what an author can mend.
    """
    if lacking := missing():
        raise Problem(f"the book needs {', '.join(lacking)}: pip install -e '.[book]'")
    contents, results = Contents(root, chapters), Results(chapters)
    pages = write_pages(contents, results, work / "source")
    for line in results.faults():
        say(line)
    shutil.copytree(STATIC, work / "source" / "_static", dirs_exist_ok=True)
    fonts = Path(find_spec("ziamath").origin).parent / "fonts"
    shutil.copyfile(fonts / FONT, work / "source" / "_static" / FONT)
    _run_sphinx(contents, out, work)
    for picture in sorted(root.glob("ch0*/figures/*.png")):
        target = out / picture.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
    return len(pages)


def _run_sphinx(contents: Contents, out: Path, work: Path) -> None:
    from io import StringIO

    from sphinx.application import Sphinx

    shutil.rmtree(out, ignore_errors=True)
    heard = StringIO()
    settings: dict[str, Any] = dict(SETTINGS)
    app = Sphinx(
        work / "source", None, out, work / "doctrees", "html", settings, status=None, warning=heard, freshenv=True
    )
    GlossaryLinks(contents).listen(app)
    app.connect("html-page-context", _shared_navigation(contents), priority=400)  # before the theme's own
    app.build(force_all=True)
    for left in (out / ".buildinfo", out / "objects.inv"):
        left.unlink(missing_ok=True)
    if warnings := [re.sub(r"\x1b\[[\d;]*m", "", line) for line in heard.getvalue().splitlines() if line.strip()]:
        raise Problem("the book has faults:\n" + "\n".join(warnings[:20]))


def _shared_navigation(contents: Contents) -> Callable[..., None]:
    """Parts stand in no list at the side, so all those of a folder have one and the same, which is made once."""
    parts = {
        page.name for page in [*contents.pages.values(), *contents.linked.values()] if page.kind in ("part", "file")
    }
    trees: dict[str, str] = {}

    def share(app: Any, name: str, template: str, context: dict[str, Any], doctree: object) -> None:
        if name in parts:
            folder, own = name.rpartition("/")[0], context["toctree"]

            def tree(**options: Any) -> str:
                if folder not in trees:
                    trees[folder] = own(**options)
                return trees[folder]

            context["toctree"] = tree

    return share

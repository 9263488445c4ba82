"""Every lesson as a notebook, and a notebook that lists them:  make notebooks,  or  python -m common.notebooks.make

They are made from the lesson files: what is to change in a notebook for good is changed in its lesson.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from common.adopt import ROOT, chapters
from common.chapter import Chapter
from common.data.scale import PRESETS
from common.errors import Problem
from common.files import write_whole
from common.notebooks.cells import Cell, lesson_cells

NAME = "vision-by-reading-code"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the notebooks. Returns the exit status; what a user can mend is one line."""
    parser = argparse.ArgumentParser(prog="python -m common.notebooks.make", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "notebooks", metavar="DIR", help="default: notebooks")
    parser.add_argument("--preset", choices=PRESETS, default="lecture", help="that the notebooks name")
    wanted = parser.parse_args(arguments)
    try:
        course = chapters()
        written = [path for chapter in course for path in write_chapter(chapter, wanted.out, wanted.preset)]
        contents = wanted.out / "contents.ipynb"
        write_whole(contents, notebook_text([Cell("markdown", contents_text(course))]))
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    print(f"{len(written)} notebooks. Begin with {contents}")
    return 0


def write_chapter(chapter: Chapter, out: Path, preset: str = "lecture") -> list[Path]:
    """Write a notebook for each lesson into out/<package>. Returns their paths. Raises as notebook_text."""
    seconds, origin, paths = chapter.seconds(), installable(out), []
    for lesson in chapter.lessons:
        source = (chapter.folder / f"{lesson}.py").read_text(encoding="utf-8")
        cells = lesson_cells(
            source, chapter.package, lesson, preset=preset, install_from=origin, seconds=seconds.get(lesson)
        )
        paths.append(out / file_of(chapter, lesson))
        write_whole(paths[-1], notebook_text(cells))
    return paths


def file_of(chapter: Chapter, lesson: str) -> Path:
    """A lesson's notebook: its place in the reading order, and its name."""
    number = chapter.lessons.index(lesson) + 1
    return Path(chapter.package) / f"{number:02}_{lesson.replace('/', '_')}.ipynb"


def notebook_text(cells: Sequence[Cell]) -> str:
    """The cells as a file of Jupyter's format 4.5; equal cells give equal text. Raises Problem without nbformat."""
    try:
        import nbformat
        from nbformat import v4
    except ImportError as error:
        raise Problem(f"notebooks need nbformat: pip install -c constraints.txt -e '.[notebooks]' ({error})") from error
    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    made = [make[cell.kind](cell.text, id=f"cell-{number}") for number, cell in enumerate(cells, start=1)]
    notebook = v4.new_notebook(cells=made, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def contents_text(course: Sequence[Chapter]) -> str:
    """The reading order of all chapters with links and seconds, as Markdown."""
    lines = ["# Contents", "The lessons in reading order, each a notebook, and the seconds that they take."]
    for chapter in course:
        seconds = chapter.seconds()
        lines.append(f"\n## {chapter.title}\n")
        for lesson in chapter.lessons:
            takes = f" ({seconds[lesson]:.0f} s)" if lesson in seconds else ""
            path = file_of(chapter, lesson).as_posix()
            lines.append(f"- [{lesson}]({path}): {chapter.question(lesson)}{takes}")
    return "\n".join(lines)


def installable(out: Path) -> str:
    """What pip can install the course from: where this checkout was cloned from, else this checkout, as a path that
    leads there from the folder of a chapter's notebooks, out/<package>."""
    asked = subprocess.run(
        ["git", "-C", str(ROOT), "config", "--get", "remote.origin.url"], capture_output=True, text=True, check=False
    )
    return from_remote(asked.stdout.strip()) or checkout(out)


def from_remote(url: str) -> str:
    """A clone's address as pip takes it, without a name or a password that stands in it; empty for one in a folder."""
    if found := re.fullmatch(r"(?:https://|ssh://|)(?:[^/@]*@)?(\w[\w-]*(?:\.[\w-]+)+)[:/](?!/)(.+?)(?:\.git)?/?", url):
        return f"{NAME} @ git+https://{found[1]}/{found[2]}"
    return ""


def checkout(out: Path) -> str:
    """The way to this checkout from out/<package>; its whole path where `out` does not lie in it."""
    out, root = out.resolve(), ROOT.resolve()
    return "/".join([".."] * (len(out.relative_to(root).parts) + 1)) if out.is_relative_to(root) else root.as_posix()


if __name__ == "__main__":
    raise SystemExit(main())

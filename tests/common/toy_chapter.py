"""A chapter package made for a test, and the means to run it."""

import importlib
import itertools
import json
import sys
from pathlib import Path

from common.chapter import Chapter

NUMBERS = itertools.count(1)

PLAIN = '''"""What is {name}?

Question   None.
"""

from common import plots


def lesson(run):
    with run.method("{name}", kind="classical") as method:
        method.measure("loss", {value} + run.seed, n=8)
    run.floor("{name}", "loss", at_most=5.0)
    run.fact("seed", run.seed)
    run.figure("empty", lambda: plots.panels()[0], caption="Nothing.")
    run.note("a note of {name}")
'''


class Toy:
    """A chapter package in a folder of its own."""

    def __init__(self, folder, package, capsys):
        self.folder, self.package, self.capsys = folder, package, capsys
        self.home, self.out = folder / package, Path("left")  # short: the lines that name it are not wrapped
        self.home.mkdir()
        (self.home / "__init__.py").touch()
        for name in ("one", "two", "three"):
            self.write(name)

    def write(self, name, value=1.0, code=None):
        (self.home / f"{name}.py").write_text(code or PLAIN.format(name=name, value=value))
        sys.modules.pop(f"{self.package}.{name}", None)
        importlib.invalidate_caches()

    def body(self, name, *lines, head=""):
        """A lesson that does just this."""
        body = "\n".join(f"    {line}" for line in lines)
        self.write(name, code=f'"""What is {name}?"""\n{head}\n\ndef lesson(run):\n{body}\n')

    def run(self, *arguments, lessons=("one", "two", "three"), tour=()):
        chapter = Chapter(self.package, "Toys", lessons, tour=tour)
        status = chapter.main(["--preset", "smoke", "--out", str(self.out), *arguments])
        self.said = self.capsys.readouterr()
        return status

    @property
    def results(self):
        return json.loads((self.out / self.package / "results.json").read_text(encoding="utf-8"))

    @property
    def ran(self):
        """The lessons that the last run ran, by their headlines."""
        return [name for name in ("one", "two", "three") if f"] What is {name}?" in self.said.out]

    def error(self):
        """The one line on stderr."""
        (line,) = self.said.err.splitlines()
        return line

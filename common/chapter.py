"""A chapter: its lessons in reading order, and its command line.

Little is imported here, and the rest within main(): so `--list` answers at once, and Ctrl-C is caught from the start.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import INTERRUPTED, Problem

if TYPE_CHECKING:
    from common.flags import Flags


@dataclass(frozen=True)
class Chapter:
    """A chapter package. lessons: modules in reading order, each with a docstring and a function lesson(run).

    A lesson may lie in a folder, which is its task: "segmentation/fcn". threads: of the libraries for linear algebra;
    None leaves it to them. Small tables are fitted faster by one than by several that wait for each other. seeds: of
    the committed results. tour: the lessons to see first, which --tour runs. keeper: a module whose function
    keep(run, digests) is called after every lesson; it keeps what was trained for later runs.
    """

    package: str
    title: str
    lessons: tuple[str, ...]
    threads: int | None = None
    seeds: int = 10
    tour: tuple[str, ...] = ()
    keeper: str | None = None

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Do what the command line asks for. Returns the exit status; what a user can mend is one line."""
        flags = None
        for stream in (sys.stdout, sys.stderr):  # where a letter can't be shown, a question mark stands for it
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        try:
            from common import flags as command_line

            flags = command_line.parse(self.package, self.title, self.lessons, arguments, self.tour)
            if flags.list:
                return self._list(self.chosen(flags))
            from common.runner import Runner

            return Runner(self, flags).teach()
        except Problem as problem:
            print(f"error: {problem}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("\nInterrupted." + (flags.how_to_go_on(self.package) if flags else ""))
            return INTERRUPTED

    @cached_property
    def folder(self) -> Path:
        """The package's folder, with the committed results."""
        return Path(importlib.util.find_spec(self.package).origin).parent

    def chosen(self, flags: Flags) -> tuple[str, ...]:
        """The lessons that --tour or --only asks for; without them, all."""
        return self.tour if flags.tour else flags.only or self.lessons

    def module(self, lesson: str) -> str:
        """The lesson's module by its full name."""
        return f"{self.package}.{lesson.replace('/', '.')}"

    def question(self, lesson: str) -> str:
        """The first line of the lesson's docstring, read without importing the lesson."""
        source = (self.folder / f"{lesson}.py").read_text(encoding="utf-8")
        return ast.get_docstring(ast.parse(source)).splitlines()[0]

    def digest(self, lesson: str) -> str:
        """The digest of the code that the lesson's numbers come from."""
        from common.digest import COMMON, digest

        return digest(self.module(lesson), {"common": COMMON, self.package: self.folder})

    def users(self, flag: str) -> list[str]:
        """The lessons that use the file of a flag, "photo" or "mask": what they need reads run.photo, or run.mask."""
        from common.digest import COMMON
        from common.mentions import mentions

        roots = {"common": COMMON, self.package: self.folder}
        return [name for name in self.lessons if mentions(f"run.{flag}", self.module(name), roots)]

    @property
    def configuration(self) -> dict:
        """The flags that the committed results were measured with."""
        return {"preset": "lecture", "seed": 0, "seeds": self.seeds, "device": "auto"}

    def stale(self) -> dict[str, str]:
        """The lessons whose committed results this code did not measure, or with too few seeds; and which it is."""
        from common import record

        path = self.folder / "results.json"
        there = record.load(path).lessons if path.exists() else {}
        reasons = {}
        for name in self.lessons:
            if name not in there:
                reasons[name] = "not measured"
            elif there[name].digest != self.digest(name):
                reasons[name] = "measured by other code"
            elif len(there[name].seconds) < self.seeds:
                reasons[name] = f"{len(there[name].seconds)} of {self.seeds} seeds"
        return reasons

    def seconds(self) -> dict[str, float]:
        """What a lesson takes with one seed, by name, as the committed results say it. Empty where there are none."""
        try:
            lessons = self._committed()["lessons"]
            return {name: float(done["seconds"][0]) for name, done in lessons.items()}
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            return {}

    def calibration(self) -> float | None:
        """Seconds of the calibration loop where the committed results were measured; None where they don't say."""
        try:
            found = float(self._committed()["machine"]["calibration_seconds"])
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            return None
        return found if found > 0 else None

    def _committed(self) -> dict:
        return json.loads((self.folder / "results.json").read_text(encoding="utf-8"))

    def _list(self, names: Sequence[str]) -> int:
        from common.estimate import estimate

        seconds, task = self.seconds(), ""
        width = max(len(Path(name).name) + 2 * ("/" in name) for name in names)
        for name in names:
            folder, _, leaf = name.rpartition("/")
            if folder != task:
                task = folder
                print(task)
            indented = f"{'  ' if folder else ''}{leaf}"
            takes = f"{seconds[name]:.{int(seconds[name] < 10)}f} s" if name in seconds else "–"
            print(f"{indented:{width}} {takes:>6}  {self.question(name)}")
        if seconds.keys() & set(names):
            print(f"In all {estimate([(self, names)])}.")
        return 0

"""Run a chapter: its lessons in order, over the seeds, into results.json, pictures and a scoreboard."""

from __future__ import annotations

import ast
import gc
import importlib
import importlib.util
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from common import flags as command_line
from common import machine, record, report, tables
from common.console import Console
from common.data import Scale
from common.digest import COMMON, digest
from common.errors import LossNotFinite, Problem
from common.flags import Flags
from common.paired import corrected
from common.record import ChapterRecord, LessonRecord
from common.run import Run

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended


@dataclass(frozen=True)
class Chapter:
    """A chapter package. lessons: modules in reading order, each with a docstring and a function lesson(run).

    threads: of the libraries for linear algebra; None leaves it to them. Small tables are fitted faster by one than by
    several that wait for each other.
    """

    package: str
    title: str
    lessons: tuple[str, ...]
    threads: int | None = None

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Do what the command line asks for. Returns the exit status; what a user can mend is one line."""
        try:
            flags = command_line.parse(self.package, self.title, self.lessons, arguments)
            console = Console()
            return self._list(console) if flags.list else self._teach(flags, console)
        except Problem as problem:
            print(f"error: {problem}", file=sys.stderr)
            return 2

    def question(self, lesson: str) -> str:
        """The first line of the lesson's docstring, read without importing the lesson."""
        return ast.get_docstring(ast.parse(self._source(lesson))).splitlines()[0]

    def _list(self, console: Console) -> int:
        width = max(map(len, self.lessons))
        for name in self.lessons:
            console.say(f"{name:{width}}  {self.question(name)}", wrap=False)
        return 0

    def _teach(self, flags: Flags, console: Console) -> int:
        if not int(os.environ.get("RANK", "0")):
            return self._taught(flags, flags.out, console)
        with tempfile.TemporaryDirectory() as elsewhere:  # torchrun's further processes compute, the first one reports
            return self._taught(flags, Path(elsewhere), Console(quiet=True))

    def _taught(self, flags: Flags, out: Path, console: Console) -> int:
        folder = out / self.package
        wanted = [name for name in self.lessons if not flags.only or name in flags.only]
        mine = self._earlier(flags.out / self.package / "results.json", flags)
        if not flags.resume:
            mine.lessons = {name: done for name, done in mine.lessons.items() if name not in wanted}
        todo = [name for name in wanted if name not in mine.lessons]
        mine.save(folder / "results.json")  # an --out that can't be written is known before the work, not after it

        console.rule(f"{self.title} · preset {flags.preset}, {tables.plural(flags.seeds, 'seed')}")
        if len(todo) < len(wanted):
            console.say(f"kept from before: {', '.join(name for name in wanted if name not in todo)}")
        shared: dict = {}
        try:
            with console.steps(len(todo) * flags.seeds):
                for number, name in enumerate(todo, start=1):
                    console.say(f"\n[{number}/{len(todo)}] {self.question(name)}", style="bold")
                    done = {**mine.lessons, name: self._lesson(name, flags, folder, console, shared)}
                    mine.lessons = {lesson: done[lesson] for lesson in self.lessons if lesson in done}
                    mine.machine = machine.describe()
                    mine.peak_memory_mib = machine.peak_memory_mib()
                    mine.save(folder / "results.json")
            page = report.write(out)
        except KeyboardInterrupt:
            console.say(f"\nInterrupted. The lessons that had finished are kept in {folder}. To go on:")
            console.say(f"  {flags.command(self.package)}" + ("" if flags.resume else " --resume"), wrap=False)
            return INTERRUPTED

        scored = {name: mine.lessons[name] for name in wanted}
        tables.show_scoreboard(scored, flags.seeds, console)
        memory = f", {mine.peak_memory_mib:.0f} MiB of memory at most" if mine.peak_memory_mib else ""
        console.say(f"{self.title}: {sum(mine.lessons[name].all_seconds for name in todo):.1f} s{memory}.")
        console.say(f"Tables and pictures: {page}. Numbers: {folder / 'results.json'}", wrap=False)
        return self._check(scored, flags, console) if flags.check else 0

    def _lesson(self, name: str, flags: Flags, folder: Path, console: Console, shared: dict) -> LessonRecord:
        from threadpoolctl import threadpool_limits

        lesson = LessonRecord(self.question(name), self._digest(name))
        scale, pairs = Scale(flags.preset, flags.data), {}
        for seed in flags.all_seeds:
            console.step(name + (f" · seed {seed}" if flags.seeds > 1 else ""))
            start = time.perf_counter()
            module = self._import(name)
            checkpoints = flags.out / self.package / "checkpoints"
            first, device = seed == flags.seed, flags.device
            run = Run(name, seed, scale, lesson, folder, console, first, device, checkpoints, pairs, shared)
            if first:
                opening = run
            if not flags.resume:
                run.forget_checkpoints()
            if torch := sys.modules.get("torch"):
                torch.manual_seed(seed)
            with warnings.catch_warnings(record=True) as caught, threadpool_limits(self.threads):
                warnings.simplefilter("default")
                try:
                    module.lesson(run)
                except LossNotFinite as problem:
                    raise Problem(f"{name}, seed {seed}: {problem}") from problem
            run.forget_checkpoints()
            run.methods.clear()  # method and run hold each other, and models can be large
            lesson.seconds.append(time.perf_counter() - start)
            for message in dict.fromkeys(str(warning.message).strip() for warning in caught):
                console.say(f"   warning, seed {seed}: {message.partition(chr(10))[0]}")
            console.done()
        lesson.comparisons = corrected(pair.compare() for pair in pairs.values())
        for verdict in tables.verdicts(lesson.comparisons):
            console.say(f"   {verdict}")
        opening.finish()
        return lesson

    def _import(self, lesson: str) -> ModuleType:
        # Imports make many objects and no garbage. Not to look for any saves a third of their time; not to look at them
        # ever again (freeze) saves as much when the program ends. But torch's libraries complain of objects that are
        # never collected.
        gc.disable()
        try:
            return importlib.import_module(f"{self.package}.{lesson}")
        finally:
            if "torch" not in sys.modules:
                gc.freeze()
            gc.enable()

    def _earlier(self, path: Path, flags: Flags) -> ChapterRecord:
        """The record to go on from: that of an earlier run with the lessons of it that still count, or an empty one.

        A lesson counts under the same configuration and if the code that its numbers come from is unchanged since.
        """
        if (flags.resume or flags.only) and path.exists():
            earlier = record.load(path)
            if earlier.configuration == flags.configuration:
                done = earlier.lessons
                same = [name for name in self.lessons if name in done and done[name].digest == self._digest(name)]
                earlier.lessons = {name: done[name] for name in same}
                return earlier
        return ChapterRecord(self.package, self.title, flags.configuration, machine.describe())

    def _check(self, lessons: dict[str, LessonRecord], flags: Flags, console: Console) -> int:
        if flags.preset == "smoke":
            console.say("check: floors are stated for the lecture and full presets; smoke is too small to judge.")
            return 0
        missed = [f"{name}: {why}" for name, lesson in lessons.items() for why in lesson.missed_floors()]
        for line in missed:
            console.say(f"floor missed: {line}")
        total = sum(len(lesson.floors) for lesson in lessons.values())
        console.say(f"check: {total - len(missed)} of {tables.plural(total, 'floor')} hold.")
        return 1 if missed else 0

    @cached_property
    def _folder(self) -> Path:
        return Path(importlib.util.find_spec(self.package).origin).parent

    def _source(self, lesson: str) -> str:
        return (self._folder / f"{lesson}.py").read_text(encoding="utf-8")

    def _digest(self, lesson: str) -> str:
        return digest(f"{self.package}.{lesson}", {"common": COMMON, self.package: self._folder})

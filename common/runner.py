"""A run of a chapter: its lessons over the seeds, into results.json, pictures, the report page and a scoreboard."""

from __future__ import annotations

import gc
import importlib
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from common import machine, processes, record, report, tables
from common.console import Console
from common.data import Scale
from common.errors import INTERRUPTED, LossNotFinite, Problem
from common.estimate import estimate
from common.files import locked, sha256
from common.flags import Flags
from common.paired import corrected
from common.photo import read_mask, read_own_photo
from common.record import ChapterRecord, LessonRecord
from common.run import Run

if TYPE_CHECKING:
    from common.chapter import Chapter


class Runner:
    """One call of a chapter's command line, from the flags to the exit status."""

    def __init__(self, chapter: Chapter, flags: Flags) -> None:
        self.chapter, self.flags = chapter, replace(flags, seeds=chapter.seeds, resume=True) if flags.stale else flags
        run = chapter.stale() if flags.stale else chapter.lessons
        self.wanted = [name for name in run if name in chapter.chosen(flags)]
        self.console = Console()
        self.shared: dict = {}  # by the lessons: fitted models
        self.photo: np.ndarray | None = None
        self.mask: np.ndarray | None = None
        self.photo_digest = ""
        # Read before anything is imported: if a file is changed while this runs, its lessons are stale afterwards.
        self.digests = {name: chapter.digest(name) for name in chapter.lessons}

    def teach(self) -> int:
        """Run what is wanted. Returns the exit status. Raises Problem for what a user can mend."""
        self._refuse_own_folder()
        if self.flags.device in ("cuda", "mps"):  # results name it, also those of lessons that train no network
            nothing = LessonRecord("", ""), self.flags.out, self.console
            _ = Run("", 0, Scale(self.flags.preset), *nothing, device_name=self.flags.device).device  # or Problem
        if self.flags.photo:
            self.photo = read_own_photo(self.flags.photo)
            self.photo_digest = f" with photo {sha256(self.flags.photo)[:8]}"
        if self.flags.mask:
            self.mask = read_mask(self.flags.mask, self.photo.shape[:2])
            self.photo_digest += f" and mask {sha256(self.flags.mask)[:8]}"
        if self.flags.stale and not self.wanted:
            self.console.say(f"{self.chapter.title}: the committed results are this code's, with all seeds.")
            return 0
        if not processes.announced()[0]:
            return self._taught(self.flags.out)
        with tempfile.TemporaryDirectory() as elsewhere:  # torchrun's further processes compute, the first one reports
            self.console = Console(quiet=True)
            try:
                return self._taught(Path(elsewhere))
            except KeyboardInterrupt:  # the first one says it
                return INTERRUPTED

    def _taught(self, out: Path) -> int:
        machine.recycle_memory()
        chapter, flags, console = self.chapter, self.flags, self.console
        folder = out / chapter.package
        todo, mine = self._begin(folder)
        what = f"{chapter.title}{', the tour' * flags.tour}"
        console.rule(f"{what} · preset {flags.preset}, {tables.plural(flags.seeds, 'seed')}")
        if len(todo) < len(self.wanted):
            console.say(f"kept from before: {', '.join(name for name in self.wanted if name not in todo)}")
        if flags.preset == "lecture" and (about := self._about(todo)):
            console.say(about)
        for unused in (self._unused(flag) for flag in ("photo", "mask") if getattr(flags, flag)):
            if unused:
                console.say(unused)
        fresh: dict[str, LessonRecord] = {}
        with console.steps(len(todo) * flags.seeds):
            for number, name in enumerate(todo, start=1):
                console.say(f"\n[{number}/{len(todo)}] {chapter.question(name)}", style="bold")
                console.say(f"   {chapter.package}/{name}.py", style="dim", wrap=False)
                fresh[name] = self._lesson(name, folder)
                mine = self._add(mine, fresh, folder / "results.json")
        page = report.write(out, console.say)

        scored = {name: mine.lessons[name] for name in self.wanted}
        tables.show_scoreboard(scored, flags.seeds, console)
        memory = f", {mine.peak_memory_mib:.0f} MiB of memory at most" if mine.peak_memory_mib else ""
        console.say(f"{chapter.title}: {sum(mine.lessons[name].all_seconds for name in todo):.1f} s{memory}.")
        if flags.tour:
            everything = replace(flags, tour=False, resume=True).command(chapter.package)
            what = f"{len(self.wanted)} of {tables.plural(len(chapter.lessons), 'lesson')}"
            console.say(f"This was the tour, {what}. All of them: {everything}")
        console.say(f"Tables and pictures: {page}. Numbers: {folder / 'results.json'}", wrap=False)
        return self._check(scored) if flags.check else 0

    def _lesson(self, name: str, folder: Path) -> LessonRecord:
        from threadpoolctl import threadpool_limits

        flags, console = self.flags, self.console
        lesson = LessonRecord(self.chapter.question(name), self._digest(name))
        scale, pairs = Scale(flags.preset, flags.data), {}
        for seed in flags.all_seeds:
            console.step(name + (f" · seed {seed}" if flags.seeds > 1 else ""))
            start = time.perf_counter()
            module = self._import(name)
            checkpoints = flags.out / self.chapter.package / "checkpoints"
            first, device = seed == flags.seed, flags.device
            run = Run(name, seed, scale, lesson, folder, console, first, device, checkpoints, pairs, self.shared)
            run.photo, run.mask = self.photo, self.mask
            if first:
                opening = run
            if not flags.resume:
                run.forget_checkpoints()
            if torch := sys.modules.get("torch"):
                torch.manual_seed(seed)
            with warnings.catch_warnings(record=True) as caught, threadpool_limits(self.chapter.threads):
                warnings.simplefilter("default")
                try:
                    module.lesson(run)
                except LossNotFinite as problem:
                    raise Problem(f"{name}, seed {seed}: {problem}") from problem
            run.forget_checkpoints()
            run.methods.clear()  # method and run hold each other, and models can be large
            lesson.seconds.append(time.perf_counter() - start)
            if self.chapter.keeper and self.shared:
                importlib.import_module(self.chapter.keeper).keep(run, self.digests)
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
            return importlib.import_module(self.chapter.module(lesson))
        finally:
            if "torch" not in sys.modules:
                gc.freeze()
            gc.enable()

    # What lies in --out already, and what is added to it

    def _begin(self, folder: Path) -> tuple[list[str], ChapterRecord]:
        """Which lessons are to be run, and the record to go on from: written at once, for an --out that can't be
        written is to be known before the work, not after it."""
        flags = self.flags
        with locked(folder):
            earlier = flags.out / self.chapter.package / "results.json"
            mine = self._empty()
            if (flags.resume or flags.only or flags.tour) and earlier.exists():
                try:
                    mine = self._kept(earlier) or mine
                except Problem as problem:
                    raise Problem(f"{problem}; without --resume, --only and --tour it is written anew") from problem
            if flags.tour:
                record.refuse_to_replace(earlier, flags.configuration)
            done = [name for name, lesson in mine.lessons.items() if lesson.digest == self._digest(name)]
            todo = [name for name in self.wanted if not flags.resume or name not in done]
            self._keep(mine, {name: lesson for name, lesson in mine.lessons.items() if name not in todo})
            mine.save(folder / "results.json")
        return todo, mine

    def _add(self, mine: ChapterRecord, fresh: dict[str, LessonRecord], path: Path) -> ChapterRecord:
        """The record with what this run has measured so far, and with what another run has left there meanwhile."""
        with locked(path.parent):
            theirs = self._kept(path) if path.exists() else self._empty()
            if theirs is None:
                raise Problem(f"another run, with other flags, writes into {path.parent}: give one an --out of its own")
            lessons = {**mine.lessons, **theirs.lessons, **fresh}
            peaks = (mine.peak_memory_mib, theirs.peak_memory_mib, machine.peak_memory_mib())
            mine = self._empty()
            self._keep(mine, lessons)
            mine.peak_memory_mib = max(filter(None, peaks), default=None)
            mine.save(path)
        return mine

    def _kept(self, path: Path) -> ChapterRecord | None:
        """A results file with those of its lessons that still count: they are in the reading order, and the code that
        their numbers come from is unchanged since. None where it was made under another configuration."""
        there = record.load(path)
        if there.configuration != self.flags.configuration:
            return None
        same = [name for name in self.chapter.lessons if name in there.lessons]
        same = [name for name in same if there.lessons[name].digest.startswith(self.digests[name])]
        there.lessons = {name: there.lessons[name] for name in same}
        return there

    def _keep(self, mine: ChapterRecord, lessons: dict[str, LessonRecord]) -> None:
        """Put lessons into a record, in reading order."""
        mine.lessons = {name: lessons[name] for name in self.chapter.lessons if name in lessons}
        mine.lessons_in_all = len(self.chapter.lessons)
        mine.tour = bool(self.chapter.tour) and tuple(mine.lessons) == self.chapter.tour

    def _empty(self) -> ChapterRecord:
        return ChapterRecord(self.chapter.package, self.chapter.title, self.flags.configuration, machine.describe())

    def _digest(self, name: str) -> str:
        """The lesson's digest. With a reader's photo it is another: those results are never the committed ones."""
        return self.digests[name] + self.photo_digest

    def _refuse_own_folder(self) -> None:
        mine, own = self.flags.out / self.chapter.package, self.chapter.folder
        if mine.resolve() == own.resolve() or (mine.exists() and mine.samefile(own)):
            raise Problem(f"--out {self.flags.out}: {mine} holds the committed results; choose another folder")

    # What is said

    def _unused(self, flag: str) -> str:
        """That no lesson of this run uses the file of --photo or --mask, and which ones do; empty where one uses it."""
        users = self.chapter.users(flag)
        if not users:
            return f"--{flag}: no lesson of this chapter uses it."
        named = f"--{flag}: no lesson of this run uses it; of this chapter's these do: {', '.join(users)}."
        return "" if set(users) & set(self.wanted) else named

    def _about(self, todo: list[str]) -> str:
        """About how long it will take, by the committed results."""
        if not set(todo) & self.chapter.seconds().keys():
            return ""
        return f"This takes {estimate([(self.chapter, todo)], self.flags.seeds)}."

    def _check(self, lessons: dict[str, LessonRecord]) -> int:
        if self.flags.preset == "smoke":
            self.console.say("check: floors are stated for the lecture and full presets; smoke is too small to judge.")
            return 0
        missed = [f"{name}: {why}" for name, lesson in lessons.items() for why in lesson.missed_floors()]
        for line in missed:
            self.console.say(f"floor missed: {line}")
        total = sum(len(lesson.floors) for lesson in lessons.values())
        self.console.say(f"check: {total - len(missed)} of {tables.plural(total, 'floor')} hold.")
        return 1 if missed else 0

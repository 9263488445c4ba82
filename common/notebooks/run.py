"""A lesson's run in a notebook: one seed, whose figures, notes and tables stand under the cells that make them."""

from __future__ import annotations

import importlib
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from common import claims_tables, tables
from common.chapter import Chapter
from common.data import Scale
from common.errors import LossNotFinite, Problem
from common.notebooks.rerun import CellLedger, cell_of
from common.notebooks.show import NotebookConsole, bullets, paragraph, table
from common.paired import corrected
from common.photo import read_mask, read_own_photo
from common.record import Fact, LessonRecord
from common.run import Run


class LessonEnds(Problem):
    """The lesson ends before its last cell, because what the other cells need is not there."""


def notebook_run(
    package: str,
    lesson: str,
    *,
    preset: str = "lecture",
    seed: int = 0,
    device: str = "auto",
    data: str | None = None,
    photo: str | None = None,
    mask: str | None = None,
) -> NotebookRun:
    """The run of a chapter's lesson for this notebook. The arguments are the flags of the chapter's command line.

    To be called below the lesson's definitions, as the command line seeds the generators after it imported them. Raises
    Problem outside a notebook, for a lesson that the chapter does not have, and as the flags do.
    """
    from IPython import get_ipython
    from threadpoolctl import threadpool_limits

    if (shell := get_ipython()) is None:
        raise Problem(f"notebook_run is for notebooks; elsewhere: python -m {package}.main --only {lesson}")
    chapter: Chapter = importlib.import_module(f"{package}.main").CHAPTER
    if lesson not in chapter.lessons:
        raise Problem(f"{package} has no lesson {lesson}; there are: {', '.join(chapter.lessons)}")
    record = LessonRecord(chapter.question(lesson), chapter.digest(lesson))
    folder = tempfile.TemporaryDirectory(prefix="lesson-")  # for pictures and checkpoints, as long as the run lives
    console, scale = NotebookConsole(), Scale(preset, data)
    own = Path(folder.name) / package  # nothing of another run lies beside it
    run = NotebookRun(lesson, seed, scale, record, own, console, device_name=device, kept=folder)
    run.photo = read_own_photo(Path(photo)) if photo else None
    run.mask = read_mask(Path(mask), run.photo.shape[:2]) if mask and photo else None
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)
    run.watch(shell)
    run.limits = threadpool_limits(chapter.threads)
    return run


@dataclass
class NotebookRun(Run):
    """A Run that shows what it records. kept: what has to live as long as the run does. limits: of the threads."""

    console: NotebookConsole
    kept: Any = None
    limits: Any = None
    ledger: CellLedger = field(init=False)

    def __post_init__(self) -> None:
        lists = (getattr(self.record, name) for name in ("rows", "facts", "floors", "notes", "pictures", "claims"))
        self.ledger = CellLedger((*lists, self.last), (self.pairs, self.shared))

    def watch(self, shell: Any) -> None:
        """Have this run told of every cell that begins and ends, in place of an earlier run, whose limits are lifted.

        Problems take one line.
        """
        for event, tell in (("pre_run_cell", self.begin_cell), ("post_run_cell", self.end_cell)):
            for earlier in list(shell.events.callbacks[event]):
                if isinstance(run := getattr(earlier, "__self__", None), NotebookRun):
                    shell.events.unregister(event, earlier)
                    if run.limits is not None:
                        run.limits.restore_original_limits()
                        run.limits = None
            shell.events.register(event, tell)
        shell.set_custom_exc((Problem,), show_problem)

    def begin_cell(self, info: Any) -> None:
        """A cell begins: what it left before is taken back, its fitted models and checkpoints among it."""
        self.forget_checkpoints()
        self.ledger.begin(cell_of(info))

    def end_cell(self, result: Any) -> None:
        """A cell has ended: show the scoreboard so far if it measured a metric, and the facts that it measured."""
        self.console.clear()
        rows, facts, *_ = self.ledger.end(cell_of(result.info))
        if rows:
            self.console.show(self.scoreboard())
        if facts:
            self.console.show(table(fact_sheet(facts)))

    def scoreboard(self) -> str:
        """All methods measured so far, as HTML."""
        return table(tables.scoreboard(self.record.scores()), f"Scoreboard ({tables.spread(1)})")

    def _draw(self, name: str, draw: Any, *args: Any, caption: str, **kwargs: Any) -> None:
        from IPython.display import Image, display

        super()._draw(name, draw, *args, caption=caption, **kwargs)
        self.console.clear()
        display(Image(data=(self.folder / self.record.pictures[-1].file).read_bytes(), alt=caption))
        self.console.show(paragraph(caption, "max-width:75ch;font-style:italic"))

    def finish(self) -> LessonRecord:
        """The end of the lesson: verdicts of the paired tests, claims, figures over seeds, and the scoreboard.

        Returns the lesson's record.
        """
        self.record.comparisons = corrected(pair.compare() for pair in self.pairs.values())
        if self.record.comparisons:
            self.console.show(bullets(tables.verdicts(self.record.comparisons)))
        with self.console.silenced():  # claims of papers stand in a table; other sentences are shown below
            notes = len(self.record.notes)
            super().finish()
        for note in self.record.notes[notes:]:
            self.console.show(paragraph(note))
        self.record.claims[:] = dict.fromkeys(self.record.claims)  # a cell that was run twice claims the same twice
        for sheet in claims_tables.claims_sheets({self.lesson: self.record.claims}):
            ours = sheet.header[0] == claims_tables.OWN
            self.console.show(table(sheet, "Our own questions" if ours else "Claims of the paper"))
        if scores := self.record.scores():
            for number, sheet in enumerate(tables.scoreboards(scores)):
                self.console.show(table(sheet, "" if number else f"Scoreboard ({tables.spread(1)})"))
        return self.record

    def stop_here(self) -> NoReturn:
        """End the lesson before its last cell, as `return` does in the lesson's file: show what there is, then stop."""
        self.finish()
        raise LessonEnds("The lesson ends here, because something that the cells below need is missing.")


def fact_sheet(facts: list[Fact]) -> tables.Sheet:
    """These facts and their values."""
    return tables.fact_sheet(LessonRecord("", "", facts=facts).findings())


def show_problem(shell: Any, kind: type, problem: Problem, traceback: Any, tb_offset: int | None = None) -> None:
    """What a reader can mend, as one line under the cell in place of a traceback."""
    from IPython.display import HTML, display

    text = str(problem) if isinstance(problem, LessonEnds) else f"Error: {problem}"
    if isinstance(problem, LossNotFinite) and isinstance(run := shell.user_ns.get("run"), Run):
        text = f"Error: {run.lesson}, seed {run.seed}: {problem}"
    display(HTML(paragraph(text, "max-width:75ch;font-weight:bold")))

"""A contest: the best learned method of a lesson and the best classical one, by one metric."""

from __future__ import annotations

from dataclasses import dataclass

from common.record import ChapterRecord
from common.results import Row

# Methods written from scratch are what the chapter teaches: lines and single neurons, from chapter 4 on networks.
SINGLE_LAYER = ("ch01_regression", "ch02_probabilistic", "ch03_classification")
FROM_SCRATCH = (*SINGLE_LAYER, "ch04_backprop")
WON, TIED, LOST = "won", "tied", "lost"
OUTCOMES = (WON, TIED, LOST)


@dataclass(frozen=True)
class Contest:
    """ours: the learned method's row, rival: the classical one's, over all seeds. winner: by the paired test; None if
    undecided.

    where: the task of chapter 7, or the chapter itself, as the figure names it.
    """

    package: str
    where: str
    lesson: str
    metric: str
    ours: Row
    rival: Row
    winner: str | None

    @property
    def outcome(self) -> str:
        """The outcome for the learned method."""
        return {self.ours.method: WON, self.rival.method: LOST, None: TIED}[self.winner]

    @property
    def seconds(self) -> float | None:
        """Seconds to fit, the learned method's over the rival's; None if either was not timed."""
        return _ratio(self.ours.fit_seconds, self.rival.fit_seconds)

    @property
    def size(self) -> float | None:
        """Numbers stored by the models, the learned method's over the rival's; None if either was not counted."""
        return _ratio(self.ours.parameters, self.rival.parameters)


def is_learned(package: str, kind: str) -> bool:
    """Whether a method of this kind counts as what the course teaches, in this chapter."""
    return kind in ("deep", "network") or (kind == "from scratch" and package in FROM_SCRATCH)


def where(package: str, chapter: ChapterRecord, lesson: str) -> str:
    """The task of a lesson in a folder, in words; otherwise its chapter, with its number."""
    task = lesson.rpartition("/")[0]
    return task.replace("_", " ") if task else f"{int(package[2:4])} {chapter.title}"


def _ratio(ours: float | None, rival: float | None) -> float | None:
    return ours / rival if ours and rival else None

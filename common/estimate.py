"""About how long lessons will take here, by the committed seconds and by a calibration loop, timed there and here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common import machine, tables

if TYPE_CHECKING:
    from common.chapter import Chapter


@dataclass(frozen=True)
class Estimate:
    """there: seconds on the machine of the committed results. here: the same for this machine, None where no
    calibration is committed. unknown: lessons that are not measured yet."""

    there: float = 0.0
    here: float | None = 0.0
    unknown: int = 0

    def __str__(self) -> str:
        """In words, as the end of a sentence's beginning such as "The tour takes"."""
        others = f", and {tables.plural(self.unknown, 'lesson')} of unknown length" * bool(self.unknown)
        there = f"{tables.duration(self.there)}{others}"
        if self.here is None:
            return f"about {there}, if this machine is as fast as that of the committed results"
        return f"about {tables.duration(self.here)} here ({there} on the machine of the committed results)"


def estimate(shares: Iterable[tuple[Chapter, Sequence[str]]], seeds: int = 1) -> Estimate:
    """What these lessons of these chapters take with so many seeds."""
    there, here, unknown = 0.0, 0.0, 0
    for chapter, names in shares:
        seconds, calibration = chapter.seconds(), chapter.calibration()
        known = seeds * sum(seconds[name] for name in names if name in seconds)
        there += known
        here = None if here is None or calibration is None else here + known * machine.calibrated() / calibration
        unknown += sum(name not in seconds for name in names)
    return Estimate(there, here, unknown)

"""About how long lessons will take here, by the committed seconds and by a calibration loop, timed there and here.

Little is imported here, for `--list` answers at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common import machine

if TYPE_CHECKING:
    from common.chapter import Chapter


def duration(value: float) -> str:
    """A time to plan with: 45 s, 7 min, 1.9 h."""
    if value < 180:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


@dataclass(frozen=True)
class Estimate:
    """there: seconds on the machine of the committed results. here: the same for this machine, None where no
    calibration is committed. unknown: lessons that are not measured yet."""

    there: float = 0.0
    here: float | None = 0.0
    unknown: int = 0

    def __str__(self) -> str:
        """The estimate in words, to stand after "This takes"."""
        others = f", and {self.unknown} lesson{'s' * (self.unknown > 1)} of unknown length" * bool(self.unknown)
        there = f"{duration(self.there)}{others}"
        if self.here is None:
            return f"about {there}, if this machine is as fast as that of the committed results"
        return f"about {duration(self.here)} here ({there} on the machine of the committed results)"


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

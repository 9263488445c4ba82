"""What a lesson leaves behind: rows, comparisons, facts, floors, notes, claims and pictures, as JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from common.errors import Problem
from common.files import write_whole
from common.paired import Comparison
from common.results import Interval, Row, combine, mean_or_range


@dataclass(frozen=True)
class Fact:
    """A measured number that belongs to no method: a coefficient, a condition number, a share."""

    name: str
    value: float
    unit: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Picture:
    """A figure's file, beside results.json, and the sentence under it."""

    name: str
    file: str
    caption: str


@dataclass(frozen=True)
class Floor:
    """What a lesson promises: a method's metric, averaged over the seeds, stays on the right side of a limit."""

    method: str
    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def missed_by(self, rows: Iterable[Row]) -> str | None:
        """Why the floor is missed, in words; None where it holds. rows: combined over seeds."""
        values = [row.value for row in rows if (row.method, row.metric) == (self.method, self.metric)]
        if not values:
            return f"{self.method}: {self.metric} was not measured"
        if self.at_least is not None and not values[0] >= self.at_least:
            return f"{self.method}: {self.metric} {values[0]:.4g} is below {self.at_least:g}"
        if self.at_most is not None and not values[0] <= self.at_most:
            return f"{self.method}: {self.metric} {values[0]:.4g} is above {self.at_most:g}"
        return None


# In place of a claim's source or of the paper's number: the paper doesn't claim it. A dash in place of the number alone
# says that the paper gives none.
NOT_CLAIMED = {"not compared", "not measured", "not tested", "not in the paper", "the lecture's question", "ours"}


@dataclass(frozen=True)
class PaperClaim:
    """A claim of a paper and what became of it here; or a question of our own, tested in the same way.

    source: where the paper makes it. paper: its number there. ours, against: what was measured here, in words: the side
    that the claim has ahead, and the other. verdict: "holds", "does not hold" or "undecided".
    """

    claim: str
    source: str
    paper: str
    ours: str
    against: str
    verdict: str

    @property
    def is_ours(self) -> bool:
        """Whether it is our own question: no paper claims it, as its source or the paper's number says."""
        return self.source in NOT_CLAIMED | {"–"} or self.paper in NOT_CLAIMED


@dataclass
class LessonRecord:
    """Everything that one lesson measured and drew, over all seeds of a run. digest: of the code that its numbers come
    from (common/digest.py)."""

    title: str
    digest: str
    rows: list[Row] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    floors: list[Floor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    claims: list[PaperClaim] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # one a seed; the first seed's with imports and pictures

    @property
    def all_seconds(self) -> float:
        return sum(self.seconds)

    def scores(self) -> list[Row]:
        return combine(self.rows)

    def findings(self) -> dict[str, tuple[Interval, str]]:
        """Facts by name: mean with its interval (or range) over the seeds, and unit."""
        by_name: dict[str, list[Fact]] = {}
        for fact in self.facts:
            by_name.setdefault(fact.name, []).append(fact)
        return {name: (mean_or_range([f.value for f in facts]), facts[0].unit) for name, facts in by_name.items()}

    def missed_floors(self) -> list[str]:
        scores = self.scores()
        return [missed for floor in self.floors if (missed := floor.missed_by(scores))]


@dataclass
class ChapterRecord:
    """A chapter's results.json. lessons_in_all: of the chapter, measured or not; 0 where that is not known. tour: just
    the tour's lessons are here."""

    chapter: str
    title: str
    configuration: dict[str, Any]
    machine: dict[str, Any]
    lessons: dict[str, LessonRecord] = field(default_factory=dict)
    peak_memory_mib: float | None = None
    lessons_in_all: int = 0
    tour: bool = False

    @property
    def one_seed_seconds(self) -> float:
        """What a run with one seed takes: every lesson's first seed, with its imports and pictures."""
        return sum(lesson.seconds[0] for lesson in self.lessons.values() if lesson.seconds)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all. NaN becomes null: JSON has no NaN."""
        write_whole(path, json.dumps(_clean(asdict(self)), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def load(path: Path) -> ChapterRecord:
    """Read what save() wrote. Raises Problem where the file can't be read or is no such record."""
    try:
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
        raw["lessons"] = {name: _restored(LessonRecord, lesson) for name, lesson in raw["lessons"].items()}
        chapter = _restored(ChapterRecord, raw)
        for table, key, kind in (("configuration", "preset", str), ("configuration", "seeds", int)):
            _check(f"{table}.{key}", getattr(chapter, table)[key], kind)
        _check("machine.packages", chapter.machine["packages"], dict)
        return chapter
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from error
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise Problem(f"{path} is no results file, is damaged, or of another version ({_first_line(error)})") from error


def refuse_to_replace(path: Path, configuration: dict[str, Any]) -> None:
    """Raises Problem where lessons lie there that were measured under another configuration."""
    if path.exists() and (there := load(path)).lessons and there.configuration != configuration:
        how = ", ".join(f"{name} {value}" for name, value in there.configuration.items())
        raise Problem(f"{path} holds lessons measured with other flags ({how}): give the tour an --out of its own")


def _restored(kind: type, raw: dict) -> Any:
    """An object of this kind from its dictionary, every field held against its type. Raises TypeError."""
    types = _types(kind)
    return kind(**{name: _value(name, value, types.get(name, Any)) for name, value in raw.items()})


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(name: str, value: Any, hint: Any) -> Any:
    """A field's value as it was before it became JSON. Raises TypeError where it can't have been that."""
    inside = get_args(hint)
    if get_origin(hint) is tuple:
        return tuple(_value(name, entry, inside[0]) for entry in _check(name, value, list))
    if get_origin(hint) is list:
        return [_value(name, entry, inside[0]) for entry in _check(name, value, list)]
    if is_dataclass(hint) and isinstance(value, dict):
        return _restored(hint, value)
    if hint is float and value is None:
        return math.nan
    return _check(name, value, hint)


def _check(name: str, value: Any, hint: Any) -> Any:
    """The value. Raises TypeError where it is of another type. A whole number may stand for a float."""
    kinds = [get_origin(kind) or kind for kind in (get_args(hint) if isinstance(hint, UnionType) else (hint,))]
    if Any in kinds or (isinstance(value, tuple(kinds)) and (not isinstance(value, bool) or bool in kinds)):
        return value
    if float in kinds and type(value) is int:
        return float(value)
    raise TypeError(f"{name} is {value!r:.40}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

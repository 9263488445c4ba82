"""Conditions of a claim: what a run's verdicts must show before a sentence is said (run.claim).

An instructor who changes a constant changes the numbers; a sentence stays only as long as they bear it out.
"""

from __future__ import annotations

from collections.abc import Callable

from common.paired import Comparison
from common.record import LessonRecord

Condition = Callable[[LessonRecord], bool]


def beats(a: str, b: str, metric: str | None = None) -> Condition:
    """a is significantly better than b in every comparison of the two (of this metric). See comparisons_of."""
    return lambda record: all(c.winner == a for c in comparisons_of(record, a, b, metric))


def level(a: str, b: str, metric: str | None = None) -> Condition:
    """a and b are not significantly different in any comparison of the two (of this metric). See comparisons_of."""
    return lambda record: all(c.winner is None for c in comparisons_of(record, a, b, metric))


def comparisons_of(record: LessonRecord, a: str, b: str, metric: str | None = None) -> list[Comparison]:
    """The lesson's comparisons of two methods, in either order. Raises ValueError where run.compare asked for none."""
    found = [c for c in record.comparisons if {c.a, c.b} == {a, b} and metric in (None, c.metric)]
    if not found:
        raise ValueError(f"no comparison of {a!r} and {b!r}" + (f" in {metric}" if metric else ""))
    return found


def mean_of(record: LessonRecord, method: str, metric: str) -> float:
    """A method's metric over all seeds, as the table shows it. Raises ValueError where it was not measured."""
    values = [row.value for row in record.scores() if (row.method, row.metric) == (method, metric)]
    if not values:
        raise ValueError(f"{metric} of {method!r} was not measured")
    return values[0]

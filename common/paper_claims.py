"""The claims table: what a paper claims, what was measured here, and whether the claim holds.

    claims = PaperClaims(run)
    claims.compared(
        "ReLU trains faster than tanh", source="§3.1, Fig. 1", paper="6 times fewer epochs", ours="ReLU", against="tanh"
    )

A claim is decided after the last seed: by the paired test of two methods (compared), by a paired t-test over the seeds
of two facts (measured), or by counting, which needs no test (counted). What no test can decide is undecided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from common import tables
from common.claims import comparisons_of
from common.record import LessonRecord, PaperClaim
from common.results import SIGNIFICANCE
from common.run import Run
from common.significance import holm

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
Sides = tuple[str, str, bool]  # two facts, and whether their ratio is tested


@dataclass
class PaperClaims:
    """The claims of a lesson's paper, in the order of the table. At smoke nothing is claimed: it is too small."""

    run: Run
    pending: list[Callable[[LessonRecord, dict[Sides, float]], PaperClaim]] = field(default_factory=list)
    facts: list[Sides] = field(default_factory=list)  # whose difference is tested

    def __post_init__(self) -> None:
        if self.run.first and self.run.scale.preset != "smoke":
            self.run.last.append(self._decide)

    def compared(
        self,
        claim: str,
        *,
        source: str,
        paper: str,
        ours: str,
        against: str,
        metric: str | None = None,
        expects: str = "better",
        margin: float = 0.0,
    ) -> None:
        """Decided by the paired test of two methods on the same items, which is asked for if it has not been yet.

        ours, against: methods; the paper has the first ahead. metric: the first that both were scored by, unless named.
        expects: "better", or "level" for a claim of no difference, which holds where the 95 % interval of the
        difference lies within ± margin and fails where it lies outside. Raises ValueError for another word.
        """
        if expects not in ("better", "level"):
            raise ValueError(f"expects is 'better' or 'level', not {expects!r}")
        metric = metric or next(iter(self.run.methods[ours].items), "accuracy")
        self._ask(ours, against, metric)

        def decide(record: LessonRecord, _: dict) -> PaperClaim:
            found = comparisons_of(record, ours, against, metric)[0]
            if expects == "better":
                verdict = {ours: HOLDS, against: FAILS, None: UNDECIDED}[found.winner]
            elif -margin <= found.low and found.high <= margin:
                verdict = HOLDS
            else:
                verdict = FAILS if found.low > margin or found.high < -margin else UNDECIDED
            shown = [f"{name}: {self._score(record, name, metric)}" for name in (ours, against)]
            return PaperClaim(claim, source, paper, *shown, verdict)

        self.pending.append(decide)

    def measured(
        self, claim: str, *, source: str, paper: str, ours: str, against: str, expects: str, as_ratio: bool = False
    ) -> None:
        """Decided by a paired t-test over the seeds of two facts, corrected by Holm's method for all of the lesson's.

        ours, against: names of facts (run.fact). expects: how ours lies, "lower" or "higher"; else ValueError.
        as_ratio: test the mean of log(ours / against), for positive numbers that differ by factors. A run of one seed
        leaves the claim undecided.
        """
        if expects not in ("lower", "higher"):
            raise ValueError(f"expects is 'lower' or 'higher', not {expects!r}")
        self.facts.append((ours, against, as_ratio))

        def decide(record: LessonRecord, p_values: dict[Sides, float]) -> PaperClaim:
            difference = differences(record, ours, against, as_ratio).mean()
            verdict = UNDECIDED
            if p_values[ours, against, as_ratio] < SIGNIFICANCE:
                verdict = HOLDS if (difference < 0) == (expects == "lower") else FAILS
            findings = record.findings()
            shown = [f"{name}: {tables.with_unit(*findings[name])}" for name in (ours, against)]
            return PaperClaim(claim, source, paper, *shown, verdict)

        self.pending.append(decide)

    def counted(self, claim: str, *, source: str, paper: str, ours: str, against: str, holds: bool) -> None:
        """Decided by counting: parameters, multiplications, bytes. ours, against: the numbers in words."""
        self.pending.append(lambda *_: PaperClaim(claim, source, paper, ours, against, HOLDS if holds else FAILS))

    def _ask(self, ours: str, against: str, metric: str) -> None:
        """Ask for the paired test, unless the lesson (or its ablation) has asked for it under this seed."""
        scores = [self.run.methods[name].items.get(metric) for name in (ours, against)]
        pairs = (self.run.pairs.get((*sides, metric)) for sides in ((ours, against), (against, ours)))
        asked = [entry for pair in pairs if pair for entry in pair.seeds]
        if None in scores:  # an ablation's, which fills its pairs itself
            if not asked:
                raise ValueError(f"{ours!r} and {against!r} were not scored item by item in {metric}: no paired test")
        elif not any(mine is score for entry in asked for mine in entry for score in scores):
            self.run.compare(ours, against, metric)

    def _decide(self) -> None:
        record = self.run.record
        p_values = holm(np.array([paired_p(differences(record, *pair)) for pair in self.facts], float))
        corrected = dict(zip(self.facts, p_values, strict=True))
        for decide in self.pending:
            record.claims.append(decide(record, corrected))
            self.run.console.say(f"   {tables.claim_line(record.claims[-1])}")

    @staticmethod
    def _score(record: LessonRecord, method: str, metric: str) -> str:
        row = next(row for row in record.scores() if (row.method, row.metric) == (method, metric))
        return tables.with_unit(row.interval, row.unit)


def differences(record: LessonRecord, a: str, b: str, as_ratio: bool) -> Float[np.ndarray, "seeds"]:
    """Fact a minus fact b under each seed, or log(a / b). Raises ValueError where one was not measured as often as the
    other, or not at all, and for a ratio of what is not positive."""
    values = [np.array([fact.value for fact in record.facts if fact.name == name]) for name in (a, b)]
    if not len(values[0]) or len(values[0]) != len(values[1]):
        raise ValueError(f"facts {a!r} and {b!r}: measured {len(values[0])} and {len(values[1])} times")
    if not as_ratio:
        return values[0] - values[1]
    if min(map(np.min, values)) <= 0:
        raise ValueError(f"facts {a!r} and {b!r} have no ratio: they are not all positive")
    return np.log(values[0] / values[1])


def paired_p(differences: Float[np.ndarray, "seeds"]) -> float:
    """The p-value of Student's paired t-test. One seed decides nothing: 1. Differences all alike: 0."""
    from scipy import stats

    if differences.size < 2 or not differences.any():
        return 1.0
    return float(stats.ttest_1samp(differences, 0).pvalue) if np.ptp(differences) > 0 else 0.0

"""Two methods on the same test items: their scores, gathered over seeds, and the verdict of a paired test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

from common.results import SIGNIFICANCE, dependent, rms
from common.significance import (
    PairedTest,
    grouped_test,
    holm,
    influence,
    mcnemar,
    paired_bootstrap,
    seeds_and_items_test,
)


@dataclass(frozen=True)
class Comparison:
    """Two methods of a lesson on the same n test items. difference: a's metric minus b's, as a table shows them.

    p_value: corrected for the `family` of comparisons that it stands among, and raw_p before that. n: different items
    that were tested under any seed; groups: of them that depend on each other, None where none do. seeds: runs that
    differ.
    """

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float
    p_value: float
    test: str
    n: int
    unit: str = ""
    higher_is_better: bool = False
    seeds: int = 1
    groups: int | None = None
    family: int = 1
    raw_p: float | None = None

    @property
    def winner(self) -> str | None:
        """The better method where the test is significant at 5 %, else None."""
        if self.p_value >= SIGNIFICANCE or self.difference == 0:
            return None
        return self.a if (self.difference > 0) == self.higher_is_better else self.b


def corrected(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """The comparisons of a lesson with Holm's p-values: what is called significant counts all that were tested."""
    comparisons = list(comparisons)
    adjusted = holm(np.array([c.p_value for c in comparisons], float))
    return [
        replace(c, p_value=float(p), raw_p=c.p_value, family=len(comparisons))
        for c, p in zip(comparisons, adjusted, strict=True)
    ]


@dataclass(frozen=True)
class ItemScores:
    """What a metric is made of: one value per item, of which the metric is the mean (RMSE: the root of the mean).

    ids tell items apart, for under another seed other items may be the test items. groups: of items that depend on each
    other; None where each stands for itself.
    """

    metric: str
    ids: Int[np.ndarray, "items"]
    values: Float[np.ndarray, "items"]
    unit: str = ""
    higher_is_better: bool = False
    groups: Int[np.ndarray, "items"] | None = None

    @property
    def statistic(self) -> Callable:
        """The function that computes the metric from the values per item."""
        return rms if self.metric == "RMSE" else np.mean


@dataclass
class Pair:
    """Two methods' scores on the same items, gathered over the seeds."""

    a: str
    b: str
    seeds: list[tuple[ItemScores, ItemScores]] = field(default_factory=list)

    def add(self, a: ItemScores, b: ItemScores) -> None:
        """One seed's scores. Raises ValueError where the two methods were not scored on the same items."""
        if not np.array_equal(a.ids, b.ids):
            raise ValueError(f"{self.a} and {self.b} were scored on different items: no paired test")
        self.seeds.append((a, b))

    def compare(self) -> Comparison:
        """The paired test that fits what was gathered.

        One seed, or seeds that are all one and the same run: the paired bootstrap over items, McNemar for accuracy, t
        over groups where items depend on each other. Several seeds: seeds_and_items_test.
        """
        runs = self.seeds[:1] if self._repeated() else self.seeds
        a, b = runs[0]
        grouped = dependent(a.groups)
        if len(runs) > 1:
            test = self._over_seeds()
        elif grouped:
            test = grouped_test(a.values, b.values, a.groups, a.statistic)
        else:
            test = paired_bootstrap(a.values, b.values, a.statistic)
            if a.metric == "accuracy":
                test = replace(test, p_value=mcnemar(a.values > 0, b.values > 0), name="McNemar")
        return Comparison(
            self.a,
            self.b,
            metric=a.metric,
            difference=test.difference.value,
            low=test.difference.low,
            high=test.difference.high,
            p_value=test.p_value,
            test=test.name,
            n=np.unique(np.concatenate([scores.ids for scores, _ in runs])).size,
            unit=a.unit,
            higher_is_better=a.higher_is_better,
            seeds=len(runs),
            groups=np.unique(np.concatenate([scores.groups for scores, _ in runs])).size if grouped else None,
        )

    def _repeated(self) -> bool:
        """Whether all seeds are one and the same run: same items, same scores."""
        first = self.seeds[0]
        return all(
            np.array_equal(mine.ids, other.ids) and np.array_equal(mine.values, other.values)
            for scores in self.seeds[1:]
            for mine, other in zip(scores, first, strict=True)
        )

    def _over_seeds(self) -> PairedTest:
        statistic = self.seeds[0][0].statistic
        differences = np.array([statistic(a.values) - statistic(b.values) for a, b in self.seeds])
        moved = np.concatenate([influence(a.values, statistic) - influence(b.values, statistic) for a, b in self.seeds])
        units = [a.ids if a.groups is None else a.groups for a, _ in self.seeds]
        _, unit = np.unique(np.concatenate(units), return_inverse=True)
        return seeds_and_items_test(differences, np.bincount(unit, moved) / len(self.seeds))

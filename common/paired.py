"""Two methods on the same test items: their scores, gathered over seeds, and the verdict of a paired test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

from common.results import SIGNIFICANCE, PairedTest, crossed_test, mcnemar, paired_bootstrap, rms


@dataclass(frozen=True)
class Comparison:
    """Two methods of a lesson on the same n test items. difference: a's metric minus b's."""

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

    @property
    def winner(self) -> str | None:
        """The better method where the test is significant at 5 %, else None."""
        if self.p_value >= SIGNIFICANCE or self.difference == 0:
            return None
        return self.a if (self.difference > 0) == self.higher_is_better else self.b


@dataclass(frozen=True)
class ItemScores:
    """What a metric is made of: one value an item, of which the metric is the mean (RMSE: the root of the mean).

    ids tell items apart, for under another seed other items may be the test items.
    """

    metric: str
    ids: Int[np.ndarray, "items"]
    values: Float[np.ndarray, "items"]
    unit: str = ""
    higher_is_better: bool = False

    @property
    def statistic(self) -> Callable:
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

        One seed: the paired bootstrap over items, McNemar for accuracy. Several seeds that share their test items: both
        seeds and items might have been others. Other items under each seed: the bootstrap, each item's value averaged
        over its seeds.
        """
        first = self.seeds[0][0]
        if len(self.seeds) > 1 and self._same_items() and first.statistic is np.mean:
            a, b = (np.array([scores[side].values for scores in self.seeds]) for side in (0, 1))
            return self._verdict(crossed_test(a, b), n=a.shape[1])
        _, item = np.unique(np.concatenate([a.ids for a, _ in self.seeds]), return_inverse=True)
        a, b = (
            np.bincount(item, np.concatenate([scores[side].values for scores in self.seeds])) / np.bincount(item)
            for side in (0, 1)
        )
        test = paired_bootstrap(a, b, first.statistic)
        if first.metric == "accuracy" and len(self.seeds) == 1:
            test = replace(test, p_value=mcnemar(a > 0, b > 0), name="McNemar")
        return self._verdict(test, n=a.size)

    def _same_items(self) -> bool:
        return all(np.array_equal(a.ids, self.seeds[0][0].ids) for a, _ in self.seeds)

    def _verdict(self, test: PairedTest, n: int) -> Comparison:
        first = self.seeds[0][0]
        return Comparison(
            self.a,
            self.b,
            metric=first.metric,
            difference=test.difference.value,
            low=test.difference.low,
            high=test.difference.high,
            p_value=test.p_value,
            test=test.name,
            n=n,
            unit=first.unit,
            higher_is_better=first.higher_is_better,
            seeds=len(self.seeds),
        )

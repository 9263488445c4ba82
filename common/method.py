"""One way to answer a lesson's question: a model that is fitted, timed and scored on the test items."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Float, Int64, Shaped

from common import results
from common.data.parts import Part
from common.errors import Problem
from common.model_size import model_size
from common.paired import ItemScores
from common.results import Interval, Row

if TYPE_CHECKING:
    from common.run import Run

KINDS = ("classical", "from scratch", "network", "deep", "reference")
QUICK = 0.2  # seconds: a call that took less is timed again, for the first call of a library also loads it
Answer = TypeVar("Answer")


@dataclass
class Method:
    """One way to answer the lesson's question. Made by run.method(); kind is one of KINDS."""

    run: Run
    name: str
    kind: str
    model: Any = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    predictions: np.ndarray | None = None
    items: dict[str, ItemScores] = field(default_factory=dict)  # by metric

    def time(self, work: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """Call work; what it takes counts as time to fit."""
        start = time.perf_counter()
        answer = work(*args, **kwargs)
        self.fit_seconds = (self.fit_seconds or 0.0) + time.perf_counter() - start
        return answer

    def fit(self, model: Any, part: Part) -> Any:
        """model.fit on the part, timed. Returns the model."""
        before = self.fit_seconds or 0.0
        self.model = self.time(model.fit, part.inputs, part.answers)
        if (once := self.fit_seconds - before) < QUICK and is_estimator(model):
            from sklearn.base import clone

            self.fit_seconds = before + min(once, seconds_of(clone(model).fit, part.inputs, part.answers))
        return self.model

    def fit_shared(self, name: str, build: Callable[[], Any], part: Part) -> Any:
        """fit(build(), part), once a run and seed: a later lesson that asks for the same name is given that model.

        Its seconds come with it, as they were when it was fitted. name: says all that the model depends on.
        """
        key = (name, self.run.seed)
        if key in self.run.shared:
            self.model, self.fit_seconds = self.run.shared[key]
        else:
            self.share(name, self.fit(build(), part))
        return self.model

    def make_shared(self, name: str, make: Callable[[], Answer]) -> Answer:
        """make(), timed, once a run and seed: a later lesson that asks for the same name gets what it gave.

        Its seconds come with it. For what fit_shared cannot fit; the caller keeps it as the model, if it is one.
        """
        key = (name, self.run.seed)
        if key not in self.run.shared:
            self.share(name, self.time(make))
        found, self.fit_seconds = self.run.shared[key]
        return found

    def share(self, name: str, model: Any) -> None:
        """Let later lessons that ask fit_shared for the name have this fitted model, and its seconds."""
        self.run.shared[name, self.run.seed] = model, self.fit_seconds

    def score(self, part: Part, predict: Callable | None = None) -> Shaped[np.ndarray, "items"]:
        """Predict the part (by model.predict, or predict), timed; measure the accuracy of classes, or RMSE and R².

        Returns the predictions. Raises ValueError where there is not one prediction per item.
        """
        start = time.perf_counter()
        self.predictions = np.asarray((predict or self.model.predict)(part.inputs))
        self.predict_seconds = time.perf_counter() - start
        if self.predictions.shape != part.answers.shape:
            raise ValueError(f"{self.name}: predictions {self.predictions.shape} for answers {part.answers.shape}")
        if self.predict_seconds < QUICK and predict is None and is_estimator(self.model):
            self.predict_seconds = min(self.predict_seconds, seconds_of(self.model.predict, part.inputs))
        if np.issubdtype(part.answers.dtype, np.integer):
            correct = self.predictions == part.answers
            self.score_items("accuracy", 100.0 * correct, part, unit="%", higher_is_better=True)
        else:
            self.score_items("RMSE", (self.predictions - part.answers) ** 2, part, unit=part.unit)
            groups = groups_of(part)
            explained = results.bootstrap_interval(results.r2, part.answers, self.predictions, groups=groups)
            self.measure("R²", explained, n=len(part), higher_is_better=True)
        return self.predictions

    def score_items(
        self,
        metric: str,
        values: Float[np.ndarray, "items"],
        part: Part,
        *,
        unit: str = "",
        higher_is_better: bool = False,
    ) -> None:
        """A metric that is the mean of a value per item of the part (RMSE: its root), with its interval over the items.

        The interval is Wilson's for accuracy and the bootstrap's else; over groups where the part has them.
        """
        groups = groups_of(part)
        items = self.items[metric] = ItemScores(metric, part.ids, values, unit, higher_is_better, groups)
        if metric == "accuracy" and not results.dependent(groups):
            share = results.wilson_interval(int(np.count_nonzero(values)), len(values))
            interval = Interval(*(100 * end for end in share.ends))
        else:
            interval = results.bootstrap_interval(items.statistic, values, groups=groups)
        self.measure(metric, interval, n=len(part), unit=unit, higher_is_better=higher_is_better)

    def measure(
        self, metric: str, value: float | Interval, *, n: int, unit: str = "", higher_is_better: bool | None = False
    ) -> None:
        """Put a metric of this method on the scoreboard. n: how many test items it was measured on.

        higher_is_better: None for a quantity in which neither direction is better, as a coverage that should be 95 %.
        """
        interval = value if isinstance(value, Interval) else Interval(float(value))
        if not math.isfinite(interval.value):
            where = f"{self.run.lesson}, seed {self.run.seed}"
            raise Problem(f"{where}: the {metric} of {self.name} is {interval.value}")
        self.run.record.rows.append(
            Row(
                lesson=self.run.lesson,
                method=self.name,
                kind=self.kind,
                metric=metric,
                value=interval.value,
                low=interval.low,
                high=interval.high,
                n=int(n),
                unit=unit,
                higher_is_better=higher_is_better,
                parameters=model_size(self.model),
                fit_seconds=self.fit_seconds,
                predict_seconds=self.predict_seconds,
                seeds=(self.run.seed,),
            )
        )


def is_estimator(model: Any) -> bool:
    """Whether scikit-learn can copy the model unfitted: then a call can be repeated and leaves no trace."""
    from sklearn.base import BaseEstimator

    return isinstance(model, BaseEstimator)


def seconds_of(work: Callable, *args: Any) -> float:
    """What a repeated call takes. numpy's global generator is left as it was found."""
    state, start = np.random.get_state(), time.perf_counter()  # noqa: NPY002
    work(*args)
    seconds = time.perf_counter() - start
    np.random.set_state(state)  # noqa: NPY002
    return seconds


def groups_of(part: Part) -> Int64[np.ndarray, "items"] | None:
    """The part's groups of items that depend on each other; None where it has none."""
    return getattr(part, "groups", None)

"""A network's validation score during its training, with the seconds of training so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from torch import nn

from common.train import History


@dataclass
class ValidationCurve:
    """Called by a training after each epoch. measure: a network's score, of which less is better.

    seconds: of training only, without those of measuring. scores: at these times.
    """

    measure: Callable[[nn.Module], float]
    seconds: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    since: float = field(default_factory=perf_counter)

    def __call__(self, network: nn.Module) -> float:
        """Measure, and return the negative score, because a training keeps the weights with the highest one."""
        before = self.seconds[-1] if self.seconds else 0.0
        self.seconds.append(before + perf_counter() - self.since)
        self.scores.append(self.measure(network))
        self.since = perf_counter()
        return -self.scores[-1]

    def complete(self, history: History, items: int) -> ValidationCurve:
        """Put the epochs of an earlier run, from whose checkpoint the training went on, before those of this one.

        Their scores are kept; their seconds are taken to be as many as the last epoch needed for so many items.
        """
        scores = [-score for score in history.scores[: len(history.scores) - len(self.scores)]]
        each = items / history.rate
        self.seconds = [each * k for k in range(1, len(scores) + 1)] + [each * len(scores) + k for k in self.seconds]
        self.scores = scores + self.scores
        return self

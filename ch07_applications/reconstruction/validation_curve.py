"""A network's validation score at moments of its training, and the seconds of training until then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from torch import nn

from common.train import History


@dataclass
class ValidationCurve:
    """What a training calls after each of its epochs. measure: a network's score, of which less is better.

    seconds: of training alone; those of measuring are left out. scores: at these moments.
    """

    measure: Callable[[nn.Module], float]
    seconds: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    since: float = field(default_factory=perf_counter)

    def __call__(self, network: nn.Module) -> float:
        """Measure, and give the negative score: a training keeps the weights whose answer is highest."""
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

"""A network's validation score at moments of its training, and the seconds of training until then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from torch import nn


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

"""A network's validation score during its training, with the seconds of training so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from torch import nn


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

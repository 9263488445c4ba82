"""What linear models of region features share: standardised features, and L-BFGS on a convex loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Features = Float[Tensor, "n features"]


def minimise(loss: Callable[[], Tensor], parameters: Sequence[Tensor], steps: int = 60) -> None:
    """L-BFGS on a convex loss, a function of nothing."""
    optimiser = torch.optim.LBFGS(
        list(parameters), max_iter=steps, history_size=10, line_search_fn="strong_wolfe", tolerance_grad=1e-6
    )

    def step() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(step)


@dataclass(eq=False)
class Standardised:
    """Features less their mean, divided by their deviation and by √d, so that a vector's length is about 1."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, x: Features) -> Standardised:
        return cls(x.mean(dim=0), x.std(dim=0, correction=0).clamp(min=1e-4))

    def __call__(self, x: Features) -> Features:
        return (x - self.mean) / self.deviation / x.shape[1] ** 0.5

"""Linear models of region features: standardised features, L-BFGS on a convex loss, and SVMs, all classes at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int8
from torch import Tensor

Features = Float[Tensor, "n features"]
C = 1e-4  # of the SVMs, on standardised features: the best of 1e-4, 3e-4 and 1e-3 on validation scenes


def minimise(loss: Callable[[], Tensor], parameters: Sequence[Tensor], steps: int = 60) -> None:
    """Minimise a convex loss by L-BFGS. loss: a function without arguments."""
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
    """Features minus their mean, divided by their deviation and by √d, so that a vector's norm is about 1."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, x: Features) -> Standardised:
        return cls(x.mean(dim=0), x.std(dim=0, correction=0).clamp(min=1e-4))

    def __call__(self, x: Features) -> Features:
        return (x - self.mean) / self.deviation / x.shape[1] ** 0.5


@dataclass(eq=False)
class LinearSVMs:
    """One SVM per class with the squared hinge loss, all fitted together: ½ ‖w‖² + C Σ max(0, 1 − y (wᵀx + b))²."""

    C: float = C

    def fit(self, x: Features, signs: Int8[np.ndarray, "n classes"]) -> LinearSVMs:
        """signs: 1, −1, or 0 for a region that is not an example. A class without positives is never predicted."""
        self.scale_ = Standardised.of(x)
        x, y = self.scale_(x), torch.from_numpy(signs).float()
        weights = torch.zeros(x.shape[1], y.shape[1], requires_grad=True)
        offsets = torch.zeros(y.shape[1], requires_grad=True)

        def loss() -> Tensor:  # x was divided by √d, so weights are √d times as large and would cost d times as much
            slack = (y.abs() - y * (x @ weights + offsets)).clamp(min=0)
            return 0.5 * weights.square().sum() + self.C * x.shape[1] * slack.square().sum()

        minimise(loss, (weights, offsets))
        self.weights_, self.offsets_ = weights.detach(), offsets.detach()
        self.offsets_[~(y > 0).any(dim=0)] = -torch.inf
        return self

    def scores(self, x: Features) -> Float[Tensor, "n classes"]:
        """The signed distance from each class's hyperplane, times ‖w‖."""
        return self.scale_(x) @ self.weights_ + self.offsets_

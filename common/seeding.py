"""A network's initial weights, drawn from a seed of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Made = TypeVar("Made")


def build_seeded(make: Callable[[], Made], seed: int) -> Made:
    """Call make() with weights drawn from the seed; the random state outside stays unchanged."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()

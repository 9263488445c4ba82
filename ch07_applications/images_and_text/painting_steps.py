"""The optimisers of AttnGAN's networks: Muon for filters, and a learning rate that rises and falls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from common.muon import Muon
from common.run import Run

DECAY, AVERAGE = 0.02, 0.98  # of weights; of their moving average


def step_filters(weights: Sequence[nn.Parameter], lr: float) -> Muon:
    """Muon for the filters of hidden convolutions; AdamW for all other weights, including those of output layers."""
    hidden = {id(weight): weight.ndim == 4 and len(weight) > 3 for weight in weights}
    groups = [{"params": [w for w in weights if hidden[id(w)] == way], "orthogonal": way} for way in (True, False)]
    return Muon(groups, lr=lr, weight_decay=DECAY)


def cycle(share: float) -> float:
    """The learning rate as a share of its peak: up in the first tenth of the steps, then down to 0."""
    return min(share / 0.1 + 0.02, (1 - share) / 0.9)


def stepping(run: Run, checkpoint: str) -> dict[str, Any]:
    """What both trainings have in common, for AdversarialTraining."""
    how = {"optimiser": step_filters, "schedule": cycle, "decay": AVERAGE}
    return how | {"device": run.device, "checkpoint": run.checkpoint(checkpoint), "say": run.say_step}

"""A network as a method that colours pictures: batches of lightness and chroma, training, and prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ch07_applications.colour.lab_pictures import Chroma, Lightness, doubled
from common.augment import Crops, in_other_light
from common.image_classifier import in_chunks
from common.muon import Muon, hidden_filters
from common.run import Run
from common.train import History, Training

MIDDLE, SPREAD = 50.0, 25.0  # of lightness: what becomes 0, and what becomes 1
SHIFT, LIGHT = 4, 0.2  # pixels; of contrast and brightness. As augmentation, chosen on validation


def network_inputs(lightness: Lightness) -> Float[Tensor, "n 1 height width"]:
    """Lightness as networks take it."""
    return torch.tensor((lightness - MIDDLE) / SPREAD, dtype=torch.float32)[:, None]


@dataclass
class LabBatches:
    """Lightness, chroma and labels in memory, as common.train.Batches: moved, mirrored, in another light.

    Chroma moves with the lightness, does not change with the light, and comes at half the resolution.
    """

    lab: Float[Tensor, "n 3 height width"]
    labels: Int[Tensor, "n"]

    def __len__(self) -> int:
        return len(self.lab)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        moved = Crops(SHIFT)(self.lab[index], generator)
        lightness = in_other_light(moved[:, :1], LIGHT, generator)
        return lightness, avg_pool2d(moved[:, 1:], 2), self.labels[index]


@dataclass
class NetworkColouriser:
    """A network that is built when it sees its data.

    decode: the chroma, at half the resolution, of the network's outputs. labels: of the training pictures, for losses
    that take them; losses get outputs, chroma and labels.
    """

    build: Callable[[], nn.Module]
    training: Training
    decode: Callable[[Any], Float[Tensor, "n 2 rows columns"]]
    labels: Int64[np.ndarray, "n"] | None = None
    seed: int = 0

    def fit(self, lightness: Lightness, chroma: Chroma) -> NetworkColouriser:
        """Learn from pictures of one size. Raises ValueError for another number of labels than pictures."""
        labels = np.zeros(len(lightness), np.int64) if self.labels is None else self.labels
        if len(labels) != len(lightness):
            raise ValueError(f"{len(lightness)} pictures but {len(labels)} labels")
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = self.build()
        colours = torch.tensor(chroma, dtype=torch.float32).permute(0, 3, 1, 2)
        lab = torch.cat([network_inputs(lightness), colours], dim=1)
        self.history_: History = self.training(self.network_, LabBatches(lab, torch.tensor(labels)), self.seed)
        return self

    def predict(self, lightness: Lightness) -> Chroma:
        """The chroma of every pixel."""
        found = [self.decode(chunk).float().cpu() for chunk in in_chunks(self.network_, network_inputs(lightness))]
        return doubled(torch.cat(found))

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's, for common.model_size."""
        return self.network_.parameters()


def colour_training(run: Run, loss: Callable[..., Tensor], epochs: int, checkpoint: str) -> Training:
    """How the networks of this task learn: Muon with one cycle, at a rate that was chosen on validation."""
    return Training(
        epochs, 0.01, 64, Muon, hidden_filters, loss, device=run.device, checkpoint=run.checkpoint(checkpoint),
        say=run.say_step,
    )  # fmt: skip

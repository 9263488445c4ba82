"""A network as a colouriser of pictures: batches of lightness and chroma, training, and prediction."""

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

MIDDLE, SPREAD = 50.0, 25.0  # of lightness: the offset and the scale of inputs
SHIFT, LIGHT = 4, 0.2  # pixels; of contrast and brightness. As augmentation, chosen on validation


def network_inputs(lightness: Lightness) -> Float[Tensor, "n 1 height width"]:
    """Lightness as the networks' input."""
    return torch.tensor((lightness - MIDDLE) / SPREAD, dtype=torch.float32)[:, None]


@dataclass
class LabBatches:
    """Lightness, chroma and labels in memory, as common.train.Batches: shifted, mirrored, with varied light.

    Chroma is shifted with the lightness, does not change with the light, and has half the resolution.
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
    """A network that is built in fit, when its data are known.

    decode: computes the chroma at half the resolution from the network's outputs. labels: of the training pictures, for
    losses that use them; a loss gets outputs, chroma and labels.
    """

    build: Callable[[], nn.Module]
    training: Training
    decode: Callable[[Any], Float[Tensor, "n 2 rows columns"]]
    labels: Int64[np.ndarray, "n"] | None = None
    seed: int = 0

    def fit(self, lightness: Lightness, chroma: Chroma) -> NetworkColouriser:
        """Fit to pictures of one size. Raises ValueError unless there is one label per picture."""
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
        """The network's weights, which common.model_size counts."""
        return self.network_.parameters()


def colour_training(run: Run, loss: Callable[..., Tensor], epochs: int, checkpoint: str) -> Training:
    """The training of this task's networks: Muon with one cycle, at a rate chosen on validation."""
    return Training(
        epochs, 0.01, 64, Muon, hidden_filters, loss, device=run.device, checkpoint=run.checkpoint(checkpoint),
        say=run.say_step,
    )  # fmt: skip

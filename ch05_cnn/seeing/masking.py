"""Cover the pixels that matter to a unit, and its activation falls: which method finds them?

Method     The tenth of the pixels in a unit's field that a method ranks as most important is covered with the training
           set's mean, and the activation of the same unit at the same place is computed again.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ch05_cnn.seeing.units import Stack, find_strongest, pixels_in_field

COVERED = 0.1  # share of the pixels in a unit's field
MEAN = 0.0  # of standardised pixels

Units = Int[Tensor, "n"]


@torch.inference_mode()
def find_most_excited(layers: nn.Module, images: Stack) -> Units:
    """Each image's unit with the largest activation relative to that unit's mean over all images."""
    peaks = layers(images).amax(dim=(2, 3))
    return (peaks / peaks.mean(dim=0).clamp(min=1e-6)).argmax(dim=1)


@torch.inference_mode()
def activation_left(
    layers: nn.Module, images: Stack, units: Units, importance: Stack, fill: float = MEAN
) -> Float[Tensor, "n"]:
    """The remaining activation of each unit in % when the most important pixels of its field are set to fill.

    importance: of every pixel; its colours count together.
    """
    values, places = find_strongest(layers(images), units)
    seen = pixels_in_field(layers, places, images.shape[2])
    ranked = torch.where(seen, importance.sum(dim=1, keepdim=True), -torch.inf).flatten(1)
    rank = ranked.argsort(dim=1, descending=True).argsort(dim=1)
    cover = rank < (COVERED * seen.flatten(1).sum(dim=1, keepdim=True)).round().clamp(min=1)
    again = layers(images.masked_fill(cover.view(seen.shape), fill))
    return 100 * again[torch.arange(len(images)), units, places[:, 0], places[:, 1]] / values.clamp(min=1e-9)

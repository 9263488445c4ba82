"""A detector's layers are first trained to classify the objects inside the training boxes.

Method     Transfer, as in Girshick et al. 2014 (R-CNN), §2.3: a detector is initialised with a classifier's weights.
Differs    The paper's network was trained on ImageNet. Here there are only the training scenes. One scene costs as much
           as seven object crops of 48 pixels and has three or four objects, so that crops teach classes faster.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import roi_align

from ch07_applications.segmentation.instance_batches import Instances

LOOSE = 0.1  # of a side: the largest shift of a box corner


class CropClassifier(nn.Module):
    """A network's layers as a classifier of object crops.

    layers: the module whose weights are trained. scores: maps pictures of `side` pixels through those layers to scores
    of the background and the classes.
    """

    def __init__(
        self,
        layers: nn.Module,
        scores: Callable[[Float[Tensor, "n 3 side side"]], Float[Tensor, "n scores"]],
        side: int,
    ) -> None:
        super().__init__()
        self.layers, self.scores, self.side = layers, scores, side

    def forward(self, inputs: Instances) -> tuple[Float[Tensor, "n scores"], Int64[Tensor, "n"]]:
        inputs = inputs.to(next(self.parameters()).device)
        there = inputs.labels > 0
        size = (inputs.boxes[..., 2:] - inputs.boxes[..., :2]).repeat(1, 1, 2)
        moved = inputs.boxes + size * LOOSE * (2 * torch.rand_like(size) - 1)
        own = [boxes[objects] for boxes, objects in zip(moved, there, strict=True)]
        crops = roi_align(inputs.images, own, self.side, sampling_ratio=2, aligned=True)
        return self.scores(crops.contiguous(memory_format=torch.channels_last)), inputs.labels[there]


def crop_loss(outputs: tuple[Float[Tensor, "n scores"], Int64[Tensor, "n"]]) -> tuple[Float[Tensor, ""], int]:
    """Cross-entropy summed over the objects, and the number of objects (common.train)."""
    scores, labels = outputs
    return functional.cross_entropy(scores.float(), labels, reduction="sum"), len(labels)

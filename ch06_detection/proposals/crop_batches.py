"""Mini-batches of proposals, cropped once, for R-CNN's fine-tuning.

Method     Girshick et al. 2014, §2.3: a quarter of each batch are objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float16, Int64
from torch import Tensor

from ch06_detection.proposals.labelled import LabelledProposals, sample_balanced
from ch06_detection.trunk.crops import Crops, Pictures, Side, cut_from
from ch06_detection.trunk.pretraining import augment_crops
from common.image_classifier import Pixels


@dataclass
class CropBatches:
    """Proposals, cropped once, as common.train.Batches: a quarter of each batch are objects. §2.3.

    crops: in 16 bits, to save memory. labels: 0 for background. length: crops per epoch.
    """

    crops: Float16[Tensor, "n 3 rows columns"]
    labels: Int64[Tensor, "n"]
    length: int
    share: float = 0.25

    def __post_init__(self) -> None:
        self.foreground, self.background = self.labels.nonzero()[:, 0], (self.labels == 0).nonzero()[:, 0]

    @classmethod
    def of(
        cls, images: Pictures, proposals: LabelledProposals, pixels: Pixels, *, side: Side, length: int, seed: int = 0
    ) -> CropBatches:
        """Crop `length` of the proposals, or all, a third of them objects. side: of a crop, in pixels."""
        labels, generator = proposals.labels(), torch.Generator().manual_seed(seed)
        objects, background = (labels > 0).nonzero()[:, 0], (labels == 0).nonzero()[:, 0]
        some = sample_balanced(objects, background, min(length, len(labels)), 1 / 3, generator).unique()
        counts = torch.bincount(proposals.image[some], minlength=len(images)).tolist()
        crops = cut_from(images, proposals.boxes[some].split(counts), pixels, side, torch.float16)
        return cls(crops, labels[some], length)

    def __len__(self) -> int:
        return self.length

    def batch(self, index: Int64[Tensor, "batch"], generator: torch.Generator) -> tuple[Crops, Int64[Tensor, "batch"]]:
        chosen = sample_balanced(self.foreground, self.background, len(index), self.share, generator)
        chosen = chosen[torch.randperm(len(chosen), generator=generator)]
        return augment_crops(self.crops[chosen].float(), generator, shift=0), self.labels[chosen]

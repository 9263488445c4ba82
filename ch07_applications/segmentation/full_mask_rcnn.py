"""Mask R-CNN at the published size: ResNet-50, a feature pyramid, and the three heads, for COCO's 80 classes.

Method     He et al. 2017, §3 and Fig. 4 (right), with Lin et al. 2017 for the pyramid: five maps of 256 channels. RoI
           features come from the map that fits the RoI's size (Eq. 1 there). The box head has two dense layers of
           1024; the mask head has four 3×3 convolutions, a deconvolution and a 1×1 convolution.
Size       44,401,393 trained parameters: the batch normalisation of ResNet-50 is frozen, as the paper and torchvision
           fine-tune it. Its 53,120 scales and shifts make 44,454,513. There are 91 outputs as in torchvision: COCO's
           class numbers have gaps, and 0 is background.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import roi_align

from ch07_applications.classification.resnet import IMAGENET, imagenet
from ch07_applications.segmentation.region_proposals import ProposalHead

CHANNELS, OUTPUTS, RATIOS = 256, 91, 3
STRIDES = (4, 8, 16, 32)  # of the maps for RoI features; proposals also use stride 64


class Pyramid(nn.Module):
    """ResNet's four stages, a 1×1 convolution of each, the sum with the upsampled coarser map, a 3×3 convolution."""

    def __init__(self) -> None:
        super().__init__()
        body, ends = imagenet(50), list(accumulate((0, *IMAGENET[50])))
        self.stem = body.stem
        self.stages = nn.ModuleList(body.blocks[start:end] for start, end in pairwise(ends))
        for layer in (self.stem, *self.stages):
            for norm in (own for own in layer.modules() if isinstance(own, nn.BatchNorm2d)):
                norm.requires_grad_(False)  # frozen: batches of one or two images have no useful statistics
        self.inner = nn.ModuleList(nn.Conv2d(CHANNELS << k, CHANNELS, 1) for k in range(4))
        self.outer = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(4))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> list[Float[Tensor, "batch 256 _ _"]]:
        """The maps of strides 4, 8, 16, 32 and 64."""
        found, x = [], self.stem(images)
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        found = [inner(x) for inner, x in zip(self.inner, found, strict=True)]
        for k in (2, 1, 0):
            found[k] = found[k] + functional.interpolate(found[k + 1], size=found[k].shape[2:])
        maps = [outer(x) for outer, x in zip(self.outer, found, strict=True)]
        return [*maps, functional.max_pool2d(maps[3], 1, 2)]


class FullMaskRCNN(nn.Module):
    """The paper's network with a feature pyramid and frozen batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = Pyramid()
        self.proposal_head = ProposalHead(CHANNELS, RATIOS)
        self.box_head = nn.Sequential(
            nn.Flatten(), nn.Linear(CHANNELS * 7**2, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU()
        )
        self.score, self.move = nn.Linear(1024, OUTPUTS), nn.Linear(1024, 4 * OUTPUTS)
        convolutions = [layer for _ in range(4) for layer in (nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.ReLU())]
        up = nn.ConvTranspose2d(CHANNELS, CHANNELS, 2, stride=2)
        self.mask_head = nn.Sequential(*convolutions, up, nn.ReLU(), nn.Conv2d(CHANNELS, OUTPUTS, 1))

    def features(
        self, maps: list[Float[Tensor, "1 256 _ _"]], boxes: Float[Tensor, "rois 4"], side: int
    ) -> Float[Tensor, "rois 256 side side"]:
        """RoI Align of an image's boxes, each from the map of level ⌊4 + log₂(√area / 224)⌋. Lin et al. 2017, Eq. (1).

        It takes four samples per cell, and is not `aligned`, like torchvision's detectors, whose weights were trained
        so.
        """
        size = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt()
        level = (4 + torch.log2(size / 224 + 1e-8) + 1e-6).floor().clamp(2, 5).long() - 2
        found = boxes.new_zeros(len(boxes), CHANNELS, side, side)
        for k, stride in enumerate(STRIDES):
            own = level == k
            found[own] = roi_align(maps[k], [boxes[own]], side, 1 / stride, sampling_ratio=2)
        return found

    def forward(
        self, images: Float[Tensor, "1 3 height width"], boxes: Float[Tensor, "rois 4"]
    ) -> tuple[
        Float[Tensor, "1 n"], Float[Tensor, "rois 91"], Float[Tensor, "rois 364"], Float[Tensor, "rois 91 28 28"]
    ]:
        """Objectness of all anchors of one image; scores, offsets and mask logits of every class for its boxes."""
        maps = self.maps(images)
        hidden = self.box_head(self.features(maps, boxes, 7))
        masks = self.mask_head(self.features(maps, boxes, 14))
        return self.proposal_head(maps)[0], self.score(hidden), self.move(hidden), masks


def full_mask_rcnn() -> FullMaskRCNN:
    """The network without memory for its weights, for counting only."""
    with torch.device("meta"):
        return FullMaskRCNN()


def trained_parameters(network: nn.Module) -> int:
    """The number of parameters with a gradient: all but the frozen scales and shifts."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)

"""MobileNetV2 taken apart, for tiny images: a frozen trunk, and a trained tail.

Differs    The frozen trunk's features of an image and of its mirror image never change, so they are computed once and
           stored: an epoch of the tail costs a fraction of an epoch of the whole network.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from common.data import Images, weights
from common.train import half_pays

SIDE = 96  # pixels: at 224 an image costs five times as much
SMALLER = 64  # pixels if every weight is tuned, which costs three times as much as a prediction
CUT = 14  # blocks that stay frozen when the last ones are tuned
FEATURES = 1280
Both = Float[Tensor, "n 2 channels height width"]  # of an image, and of its mirror image


class Tail(nn.Module):
    """The end of the network: some blocks, the mean over the picture, and a new last layer."""

    def __init__(self, blocks: nn.Module, classes: int = 10) -> None:
        super().__init__()
        self.blocks = copy.deepcopy(blocks)
        self.classify = nn.Sequential(nn.Dropout(0.2), nn.Linear(FEATURES, classes))

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 1280"]:
        return self.blocks(x).mean(dim=(2, 3))

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        return self.classify(self.features(x))


def enlarge(images: Float[Tensor, "batch 3 height width"], side: int = SIDE) -> Float[Tensor, "batch 3 side side"]:
    """Images enlarged to the network's input size."""
    large = nn.functional.interpolate(images, size=side, mode="bicubic", align_corners=False)
    return large.contiguous(memory_format=torch.channels_last)


def compute_activations(trunk: nn.Module, part: Images, device: torch.device) -> Both:
    """The trunk's output for every image and its mirror image, in 16 bits if that is faster."""
    half = half_pays(device)
    kept, images = [], weights.imagenet_inputs(part.images)
    trunk = trunk.to(device, memory_format=torch.channels_last).eval()
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=half):
        for chunk in images.split(100):
            sides = [trunk(enlarge(side.to(device))) for side in (chunk, chunk.flip(3))]
            kept.append(torch.stack(sides, dim=1).to(torch.bfloat16 if half else torch.float32))
    return torch.cat(kept)


def pick_either(both: Both, generator: torch.Generator) -> Float[Tensor, "n channels height width"]:
    """The image or its mirror image, with probability ½ each: for LabelledImages' augment."""
    side = torch.randint(2, (len(both),), generator=generator).to(both.device)
    return both[torch.arange(len(both), device=both.device), side].float().contiguous(memory_format=torch.channels_last)


def enlarge_and_mirror(
    images: Float[Tensor, "n 3 height width"], generator: torch.Generator
) -> Float[Tensor, "n 3 side side"]:
    """Images enlarged to SMALLER, each one mirrored with probability ½: for LabelledImages' augment."""
    return enlarge(pick_either(torch.stack([images, images.flip(3)], dim=1), generator), SMALLER)


def classify(network: nn.Module, both: Both) -> Int[np.ndarray, "n"]:
    """The class with the largest output, summed over the image and its mirror image."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device)):
        sums = [sum(network(chunk[:, side].to(device)).float() for side in (0, 1)) for chunk in both.split(100)]
    return torch.cat(sums).argmax(dim=1).cpu().numpy()


def layers_of(mobilenet: nn.Module) -> dict[str, nn.Sequential]:
    """Five layers of rectified units, one at each scale: the first, the wide ones inside three blocks, the last."""
    blocks = mobilenet.features
    inside = {f"block {n}": nn.Sequential(*blocks[:n], blocks[n].conv[0]) for n in (3, 7, 14)}
    return {"layer 1": blocks[:1], **inside, "last": blocks}

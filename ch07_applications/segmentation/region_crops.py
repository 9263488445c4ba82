"""A region as two crops, its box, and its box with the mean outside the region; and the crops' features.

Method     Hariharan et al. 2014, §3.2: the box's crop shows the surroundings, the region's crop the outline. Each goes
           through a network of its own, and both feature vectors are concatenated. Outside the region the crop is set
           to the mean image, which is zero for a network with standardised inputs. Black would be a colour like any
           other, and would add an edge along the region's border.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from skimage.color import rgb2lab
from torch import Tensor, nn
from torchvision.ops import roi_align

from common.data.weights import imagenet_inputs, imagenet_statistics
from common.features.hog import cell_histograms, normalised_blocks
from common.proposals.regions import Regions

SIDE = 64  # pixels of a crop
MARGIN = 1 / 8  # of a box's side, added on each side
GRID = 10  # cells along each side of the coarse mask: §3.4
LAYERS = 14  # of MobileNetV2: maps of stride 16 with 96 channels, 4 × 4 of them for a crop
BATCH = 160  # crops per batch of the trunk
COLOURS = 8  # bins per channel of Lab
CELL = 8  # pixels of a cell of HOG

Crops = Float[Tensor, "n 3 side side"]
Describe = Callable[[Crops, Float[Tensor, "n side side"]], Float[Tensor, "n features"]]


class Described(NamedTuple):
    """Regions with their features. box, region: features of the two crops. grid: the region's mask, projected. boxes:
    with their margin, as covered by the crops and the grid.
    """

    box: Float[Tensor, "n box_features"]
    region: Float[Tensor, "n region_features"]
    grid: Float[Tensor, "n cells"]
    boxes: Float[Tensor, "n 4"]

    def features(self, parts: Sequence[str]) -> Float[Tensor, "n features"]:
        """The chosen features of "box" and "region", concatenated."""
        return torch.cat([getattr(self, part) for part in parts], dim=1)

    def take(self, order: Tensor | np.ndarray | slice) -> Described:
        """The regions with these indices."""
        return Described(*(values[order] for values in self))


def with_margin(boxes: Float[np.ndarray, "n 4"]) -> Float[Tensor, "n 4"]:
    """Boxes xyxy, each grown by MARGIN of its width and height on each side; they may reach beyond the picture."""
    boxes = torch.as_tensor(boxes, dtype=torch.float32)
    size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + MARGIN * size * torch.tensor([-1.0, -1, 1, 1])


def covered(
    low: Float[Tensor, "n"], high: Float[Tensor, "n"], cells: int, length: int
) -> Float[Tensor, "n cells length"]:
    """The share of each of `cells` intervals from low to high that each pixel [i, i + 1] covers."""
    ends = low[:, None] + (high - low)[:, None] * torch.arange(cells + 1) / cells
    pixel = torch.arange(length)
    common = torch.minimum(ends[:, 1:, None], pixel + 1) - torch.maximum(ends[:, :-1, None], pixel)
    return common.clamp(min=0) / (ends[:, 1:] - ends[:, :-1])[:, :, None]


def project(
    masks: Float[Tensor, "n height width"], boxes: Float[Tensor, "n 4"], cells: int = GRID
) -> Float[Tensor, "n cells cells"]:
    """Each mask on a coarse grid over its box: the share of each cell that it covers. §3.4.

    Outside the picture nothing is covered. The inverse is mask_pasting.paste.
    """
    rows = covered(boxes[:, 1], boxes[:, 3], cells, masks.shape[1])
    columns = covered(boxes[:, 0], boxes[:, 2], cells, masks.shape[2])
    return rows @ masks @ columns.mT


def cut_out(
    image: UInt8[np.ndarray, "height width 3"], masks: Float[Tensor, "n height width"], boxes: Float[Tensor, "n 4"]
) -> tuple[Crops, Float[Tensor, "n side side"]]:
    """The standardised crop of each box, and the degree from 0 to 1 to which each pixel belongs to the region."""
    cut = {"output_size": SIDE, "sampling_ratio": 2, "aligned": True}
    number = torch.arange(len(boxes), dtype=torch.float32)[:, None]
    crops = roi_align(imagenet_inputs(image[None]), [boxes], **cut)
    return crops, roi_align(masks[:, None], torch.cat([number, boxes], dim=1), **cut)[:, 0]


def on_mean(crops: Crops, inside: Float[Tensor, "n side side"]) -> Crops:
    """The crops with the mean image, which is zero, outside the region. §3.2."""
    return crops * inside[:, None]


class TrunkFeatures:
    """The activations of a frozen MobileNetV2 up to a layer, flattened, so that they keep the place within the crop."""

    def __init__(self, network: nn.Module, layers: int = LAYERS) -> None:
        self.trunk = network.features[:layers].eval()

    def __call__(self, crops: Crops, inside: Float[Tensor, "n side side"]) -> Float[Tensor, "n features"]:
        with torch.inference_mode():
            return torch.cat(
                [self.trunk(x.contiguous(memory_format=torch.channels_last)).flatten(1) for x in crops.split(BATCH)]
            ).clone()


def hand_made_features(crops: Crops, inside: Float[Tensor, "n side side"]) -> Float[Tensor, "n features"]:
    """HOG of the crop, and the histogram of Lab colours within the region: features without a network."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in imagenet_statistics())
    pictures = (255 * (crops * deviation + mean)).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()
    blocks = normalised_blocks(cell_histograms(pictures, pixels_per_cell=(CELL, CELL)), (2, 2))
    low, high = np.array([0.0, -60, -60]), np.array([100.0, 60, 60])
    bins = ((rgb2lab(pictures[:, ::2, ::2]) - low) / (high - low) * COLOURS).clip(0, COLOURS - 1).astype(int)
    weights = inside[:, ::2, ::2].reshape(len(crops), -1).numpy()
    places = bins.reshape(len(crops), -1, 3) + COLOURS * np.arange(3)
    places += 3 * COLOURS * np.arange(len(crops))[:, None, None]
    counts = np.bincount(places.ravel(), np.repeat(weights.ravel(), 3), minlength=3 * COLOURS * len(crops))
    colours = counts.reshape(len(crops), -1) / np.maximum(weights.sum(axis=1), 1)[:, None]
    return torch.from_numpy(np.concatenate([blocks, colours], axis=1).astype(np.float32))


def describe_masks(
    describe: Describe,
    image: UInt8[np.ndarray, "height width 3"],
    masks: Float[Tensor, "n height width"],
    boxes: Float[np.ndarray, "n 4"],
) -> Described:
    """The features of the masks of one image, given their boxes; no rows if there are no masks."""
    boxes = with_margin(boxes)
    crops, inside = (
        cut_out(image, masks, boxes) if len(masks) else (torch.zeros(1, 3, SIDE, SIDE), torch.ones(1, SIDE, SIDE))
    )
    features = describe(torch.cat([crops, on_mean(crops, inside)]), torch.cat([torch.ones_like(inside), inside]))
    box, region = (half[: len(masks)] for half in features.chunk(2))
    return Described(box, region, project(masks, boxes).flatten(1), boxes)


def describe_regions(
    describe: Describe, images: UInt8[np.ndarray, "items height width 3"], found: Sequence[Regions]
) -> list[Described]:
    """The features of the regions of each image."""
    return [
        describe_masks(describe, image, torch.from_numpy(own.masks()).float(), own.boxes)
        for image, own in zip(images, found, strict=True)
    ]

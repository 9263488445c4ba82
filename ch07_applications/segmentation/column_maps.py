"""The maps from which columns are sampled: layers of a trunk, or hand-made features.

Hand-made maps are Lab colours, blurred by Gaussians of three widths, and HOG (Dalal and Triggs 2005) of cells of 4, 8
and 16 pixels with the neighbouring cells, so that the widest descriptors cover 48 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.feature_extraction import create_feature_extractor

from common.data.weights import imagenet_inputs
from common.hog_detection.dense_hog import Cells

# MobileNetV2's layers by stride: the wide layer of the block that leads to the next stride, the last before narrowing.
TAPS = {4: "features.4.conv.0", 8: "features.7.conv.0", 16: "features.14.conv.0", 32: "features.17.conv.0"}
ENLARGED = 2  # times, before the trunk
SCALES = (1.0, 3.0, 8.0)  # σ in pixels
# A block with an odd number of cells is centred on a cell; padding gives every cell a block.
HOGS = {"HOG 4": Cells(4, 5, padding=2), "HOG 8": Cells(8, 5, padding=2), "HOG 16": Cells(16, 3, padding=1)}

Images = UInt8[np.ndarray, "n height width 3"]


class Map(NamedTuple):
    """A layer's activations. shift: the offset in cells by which the cell centres lie left of, and above, those of an
    even division of the image.
    """

    values: Float[Tensor, "n channels rows columns"]
    shift: float = 0.0


Maps = dict[str, Map]  # by the layer's name
MakeMaps = Callable[[Images], Maps]


class TrunkMaps:
    """The maps of a frozen trunk. taps: the layer's name at each stride. enlarged: the upsampling factor before."""

    def __init__(self, trunk: nn.Module, taps: Mapping[int, str] = TAPS, enlarged: int = ENLARGED) -> None:
        self.strides = {f"stride {stride}": stride for stride in taps}
        names = {layer: f"stride {stride}" for stride, layer in taps.items()}
        self.extract = create_feature_extractor(trunk, names).eval()
        self.enlarged = enlarged

    def __call__(self, images: Images) -> Maps:
        """Maps of images. Every stride must divide their enlarged sides."""
        x = imagenet_inputs(np.ascontiguousarray(images))
        if self.enlarged > 1:
            x = functional.interpolate(x, scale_factor=self.enlarged, mode="bilinear", align_corners=False)
        with torch.inference_mode():
            found = self.extract(x.to(memory_format=torch.channels_last))
        # A convolution of stride 2 has its outputs above every second input, not between two: the middle of cell i lies
        # above input i · stride, where an even division of the image has i · stride + (stride − 1) / 2.
        return {name: Map(found[name], (stride - 1) / (2 * stride)) for name, stride in self.strides.items()}


def hand_made_maps(images: Images) -> Maps:
    """Colours per pixel and HOG per cell. The images' sides must be multiples of 16."""
    lab = rgb2lab(images).astype(np.float32)
    blurred = [gaussian_filter(lab, (0, sigma, sigma, 0), mode="nearest") for sigma in SCALES]
    found = {"colours": np.concatenate(blurred, axis=3)} | {name: cells.blocks(images) for name, cells in HOGS.items()}
    return {name: Map(torch.from_numpy(values).permute(0, 3, 1, 2)) for name, values in found.items()}

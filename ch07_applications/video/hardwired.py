"""The hardwired layer: grey levels, their gradients and optical flow, in place of a first layer that learns.

Method     Ji, Xu, Yang & Yu 2010, §2.2 (H1): every frame becomes five kinds of maps, which encode prior knowledge of
           films: edges matter, and motion does.
Differs    The film's mean is subtracted from grey levels, and each frame's median from flow, which removes the camera's
           shake. The last frame has no next one, and gets the flow of the frame before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float16, Int, UInt8
from torch import Tensor

from ch07_applications.video.flow import find_flow, gradients

KINDS = ("grey", "gradient x", "gradient y", "flow x", "flow y")
GREY, GRADIENTS, FLOW = [0], [1, 2], [3, 4]  # their indices
LUMA = (0.299, 0.587, 0.114)  # BT.601
SIGNS = (1, -1, 1, -1, 1)  # the effect of mirroring on each kind
SHIFT = 3  # the largest shift of batches in pixels
CHUNK = 64  # films at a time
FilmArray = UInt8[np.ndarray, "films frames side columns 3"]
Maps = Float16[Tensor, "films 5 frames side columns"]


def grey_of(films: FilmArray) -> Float[Tensor, "films frames side columns"]:
    """Grey levels from 0 to 255."""
    return torch.tensor(films).float() @ torch.tensor(LUMA)


def flow_of(grey: Float[Tensor, "films frames side columns"]) -> Float[Tensor, "films pairs 2 side columns"]:
    """The flow from each frame to the next, in pixels."""
    pairs = [frames.flatten(0, 1) for frames in (grey[:, :-1], grey[:, 1:])]
    return find_flow(*pairs).unflatten(0, (len(grey), -1))


def hardwired(films: FilmArray) -> Maps:
    """The maps of the five KINDS. Raises ValueError for films of a single frame, which have no flow."""
    if films.shape[1] < 2:
        raise ValueError("a film of one frame has no optical flow")
    found = torch.empty((len(films), len(KINDS), *films.shape[1:4]), dtype=torch.float16)
    for start in range(0, len(films), CHUNK):
        own, grey = found[start : start + CHUNK], grey_of(films[start : start + CHUNK])
        flow = flow_of(grey)
        flow = flow - flow.flatten(3).median(dim=3).values[..., None, None]
        own[:, GREY] = (grey - grey.mean(dim=(1, 2, 3), keepdim=True))[:, None].half()
        own[:, GRADIENTS] = torch.stack(gradients(grey), dim=1).half()
        own[:, FLOW] = torch.cat([flow, flow[:, -1:]], dim=1).transpose(1, 2).half()
    return found


def spread(maps: Maps) -> Float[Tensor, "5 1 1 1"]:
    """The root mean square of each kind, by which maps are divided; 1 if all are 0."""
    size = maps[:500].float().square().mean(dim=(0, 2, 3, 4)).sqrt()
    return torch.where(size > 0, size, torch.ones(()))[:, None, None, None]


def mirrored(maps: Float[Tensor, "films 5 frames side columns"]) -> Float[Tensor, "films 5 frames side columns"]:
    """The maps of the mirrored films: right becomes left."""
    return maps.flip(4) * torch.tensor(SIGNS, dtype=maps.dtype)[:, None, None, None]


@dataclass
class FilmMaps:
    """Hardwired maps and labels, as common.train.Batches: divided by their spread, half of them mirrored, shifted."""

    maps: Maps
    labels: Int[Tensor, "films"]
    scale: Float[Tensor, "5 1 1 1"]

    def __len__(self) -> int:
        return len(self.maps)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        maps = self.maps[index].float() / self.scale
        left = torch.rand(len(index), generator=generator) < 0.5
        maps = torch.where(left[:, None, None, None, None], mirrored(maps), maps)
        moved = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=generator).tolist()
        return torch.roll(maps, moved, dims=(3, 4)), self.labels[index]

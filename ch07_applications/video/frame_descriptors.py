"""Hand-crafted descriptors of every frame of a film: its colours, its edges, and its motion.

Colours separate shots, because a cut changes them at once; edges and motion in cells separate actions. Flow is measured
from each frame to the next; across a cut it is noise, for one frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from ch07_applications.video.hardwired import FLOW, GRADIENTS, hardwired
from ch07_applications.video.motion_rivals import BINS, STILL, direction_histograms
from common.errors import Problem

LEVELS = 4  # of each colour: 64 bins
EDGES = BINS  # numbers per cell for edges; the others are for motion


@dataclass(frozen=True, eq=False)
class Described:
    """A film's descriptors. colours: the root of each frame's colour histogram, so that the product of two frames is 1
    for the same colours and 0 for none in common. edges, motion: roots of each frame's histograms of gradients and of
    flow in cells, each divided by its sum over the frame.
    """

    colours: Float32[np.ndarray, "frames bins"]
    edges: Float32[np.ndarray, "frames edges"]
    motion: Float32[np.ndarray, "frames motion"]

    @property
    def both(self) -> Float32[np.ndarray, "frames numbers"]:
        """Edges, and then motion: the scorers' inputs."""
        return np.concatenate([self.edges, self.motion], axis=1)

    def __len__(self) -> int:
        return len(self.colours)


def colour_roots(frames: UInt8[np.ndarray, "frames height width 3"]) -> Float32[np.ndarray, "frames 64"]:
    """The root of the share of each frame's pixels that have each of LEVELS³ colours."""
    levels = frames // (256 // LEVELS)
    codes = (levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]
    rows = codes.reshape(len(frames), -1).astype(np.int64) + LEVELS**3 * np.arange(len(frames))[:, None]
    counts = np.bincount(rows.ravel(), minlength=len(frames) * LEVELS**3).reshape(len(frames), -1)
    return np.sqrt(counts / rows.shape[1]).astype(np.float32)


def describe(frames: UInt8[np.ndarray, "frames side columns 3"]) -> Described:
    """Describe a film. Raises Problem for a film of one frame, and for pictures smaller than a cell."""
    if len(frames) < 2:
        raise Problem(f"a film needs two frames or more to show motion; this one has {len(frames)}")
    if min(frames.shape[1:3]) < 8:
        raise Problem(f"a film of {frames.shape[2]} × {frames.shape[1]} pixels: 8 × 8 are the fewest")
    maps, found = hardwired(frames[None]), []
    for kind, still in ((GRADIENTS, None), (FLOW, STILL)):
        cells = direction_histograms(maps[:, kind].float(), still, times=len(frames))[0].flatten(1)
        found.append((cells / cells.sum(dim=1, keepdim=True).clamp(min=1e-6)).sqrt().numpy().astype(np.float32))
    return Described(colour_roots(frames), *found)


def standardised(rows: list[Float32[np.ndarray, "_ numbers"]]) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean and the standard deviation of each number over all frames, by which the networks' inputs are scaled."""
    stacked = torch.tensor(np.concatenate(rows))
    return stacked.mean(dim=0), stacked.std(dim=0) + 1e-3

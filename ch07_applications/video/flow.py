"""Optical flow of many pairs of frames at once: Lucas and Kanade's least squares, from coarse to fine.

Method     Lucas & Kanade 1981. A patch keeps its brightness while it moves by (u, v): I_x u + I_y v + I_t = 0 at
           each of its pixels, which is two unknowns and many equations. Least squares with weights w gives

               ⎡Σ w I_x²     Σ w I_x I_y⎤ ⎡u⎤     ⎡Σ w I_x I_t⎤
               ⎣Σ w I_x I_y  Σ w I_y²   ⎦ ⎣v⎦ = − ⎣Σ w I_y I_t⎦

           The second frame is warped by the estimate, and the remaining flow is estimated again. Pictures of half the
           side come first, because I_t is linear only for small motion (Bouguet 2000).
Differs    A ridge is added to both diagonal terms: in regions without edges the flow is 0 and not noise.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pad

LEVELS, ROUNDS, REACH, RIDGE = 2, 2, 2, 40.0  # sides; warps of each; a patch's half side; (grey levels per pixel)²
Grey = Float[Tensor, "pairs height width"]
Flow = Float[Tensor, "pairs 2 height width"]


def find_flow(first: Grey, second: Grey) -> Flow:
    """(u, v) in pixels: the point at (x, y) in the first frame is at (x + u, y + v) in the second. Grey: 0 to 255."""
    flow, levels = None, [(first, second)]
    for _ in range(LEVELS - 1):
        levels.append(tuple(avg_pool2d(frame[:, None], 2, ceil_mode=True)[:, 0] for frame in levels[-1]))
    for before, after in reversed(levels):
        size = before.shape[1:]
        flow = before.new_zeros(len(before), 2, *size) if flow is None else 2 * interpolate(flow, size, mode="bilinear")
        for _ in range(ROUNDS):
            flow = flow + step(before, warp(after, flow))
    return flow


def step(first: Grey, second: Grey) -> Flow:
    """The least-squares estimate of the remaining flow between two frames, clipped to a pixel and a half."""
    middle = (first + second) / 2
    x, y, t = *gradients(middle), second - first
    sums = avg_pool2d(pad(torch.stack([x * x, x * y, y * y, x * t, y * t], dim=1), (REACH,) * 4, "replicate"),
                      2 * REACH + 1, 1)  # fmt: skip
    xx, xy, yy, xt, yt = sums.unbind(1)
    xx, yy = xx + RIDGE, yy + RIDGE
    determinant = xx * yy - xy * xy
    found = torch.stack([xy * yt - yy * xt, xy * xt - xx * yt], dim=1) / determinant[:, None]
    return found.clamp(-1.5, 1.5)


def gradients(frames: Float[Tensor, "*n height width"]) -> tuple[Tensor, Tensor]:
    """Central differences along x and y, in grey levels per pixel; at the border the difference to the neighbour."""
    y, x = torch.gradient(frames, dim=(-2, -1))
    return x, y


def warp(frames: Grey, flow: Flow) -> Grey:
    """The frames sampled at (x + u, y + v), bilinearly; beyond the border its pixels are repeated."""
    height, width = frames.shape[1:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x = (columns + flow[:, 0] + 0.5) * 2 / width - 1  # grid_sample: -1 and 1 are the picture's edges
    y = (rows + flow[:, 1] + 0.5) * 2 / height - 1
    grid = torch.stack([x, y], dim=-1)
    return grid_sample(frames[:, None], grid, padding_mode="border", align_corners=False)[:, 0]

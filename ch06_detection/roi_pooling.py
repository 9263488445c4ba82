"""One feature map for every proposal: a window of any size becomes a grid of a fixed size.

Question   Two hundred proposals of one picture overlap. Must a network process each of them from the pixels on?
Method     RoI max pooling: Girshick 2015 (Fast R-CNN), §2.1. The window is divided into bins, and each bin keeps its
           largest value. All bins at once: the largest values of all h×w rectangles of cells come from those of
           smaller ones, one comparison each; every bin is one of these rectangles.
Rival      The same trunk on every proposal cut out; torchvision's roi_pool; RoI Align (He et al. 2017), which does
           not round.
Differs    The paper leaves open how edges are rounded. Here it is as in its author's program and in torchvision.
Costs      5 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision import ops

from ch06_detection.boxes import Boxes
from ch06_detection.drawn_boxes import outline
from ch06_detection.region_network import STRIDE
from ch06_detection.roi_pool import Pooled, numbered, roi_pool, roi_pool_one_by_one
from ch06_detection.square_crops import cut
from ch06_detection.ssd_network import small_trunk
from common import plots
from common.data.scenes import scenes
from common.image_classifier import Pixels
from common.proposals.grouping import propose_all
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 6  # bins of a window along each axis
SHOWN = 1  # the scene that is drawn


def draw_pooling(
    image: UInt8[np.ndarray, "height width 3"],
    map_: Float[Tensor, "map_rows map_columns"],
    boxes: Boxes,
    pooled: Pooled,
) -> Figure:
    """The image with some windows, a channel of its map with the same, and what pooling makes of each."""
    figure, axes = plots.panels(2 + len(boxes), width=1.9, height=2.2)
    height, width = image.shape[:2]
    for axis, picture, title in zip(axes, (image, map_.numpy()), ("the scene", "one of its maps"), strict=False):
        axis.imshow(picture, extent=(0, width, height, 0), cmap="gray_r")
        axis.set_title(title, fontsize=9)
    for k, (axis, colour) in enumerate(zip(axes[2:], plots.CYCLE, strict=False)):
        for whole in axes[:2]:
            outline(whole, boxes[k : k + 1], colour, 1.8)
        axis.imshow(pooled[k, 0].numpy(), cmap="gray_r", vmin=0, vmax=float(map_.max()))
        axis.set_title(f"window {k + 1}, pooled", fontsize=9, color=colour)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
    return figure


def draw_shift(shifts: Float[np.ndarray, "n"], changes: dict[str, Float[np.ndarray, "n"]]) -> Figure:
    """How far a window's pooled features are from those at the start, as the window moves."""
    figure, axis = plots.panels(width=5.4, height=3.2)
    for (name, change), colour in zip(changes.items(), plots.CYCLE, strict=False):
        axis.plot(shifts, 100 * change, color=colour, label=name)
    axis.set(xlabel="window moved to the right, pixels", ylabel="change, %", title="A window moves; a cell is 8 pixels")
    axis.legend()
    return figure


def seconds(work: Callable[[], Tensor], times: int) -> float:
    """Median seconds of a call, after one to warm up."""
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def edge_map(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1 rows columns"]:
    """The mean steepness of brightness in cells of STRIDE pixels: a map that a reader can check by eye."""
    grey = images.mean(dim=1, keepdim=True)
    steep = grey.diff(dim=2)[..., 1:].abs() + grey.diff(dim=3)[:, :, 1:].abs()
    return nn.functional.adaptive_avg_pool2d(steep, (images.shape[2] // STRIDE, images.shape[3] // STRIDE))


def lesson(run: Run) -> None:
    part = scenes(run.scale).validation
    image, truth = part.images[SHOWN], part.targets[SHOWN]["boxes"]
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        trunk = small_trunk()[0].eval()  # speed does not depend on what the weights are
    pixels = Pixels.of(part.images)
    inputs = pixels(part.images[: run.pick(smoke=2, lecture=10)])
    boxes = [proposals[:150] for proposals in propose_all(part.images[: len(inputs)], workers=1, seed=run.seed)]
    several, times = numbered(boxes), run.pick(smoke=1, lecture=5)
    with torch.inference_mode():
        maps = trunk(inputs)
        windows = {
            "roi_pool": lambda: roi_pool(maps, several, (SIDE, SIDE), 1 / STRIDE),
            "one by one": lambda: roi_pool_one_by_one(maps, several[: len(boxes[0])], (SIDE, SIDE), 1 / STRIDE),
            "torchvision's roi_pool": lambda: ops.roi_pool(maps, several, (SIDE, SIDE), 1 / STRIDE),
            "the trunk, once an image": lambda: trunk(inputs),
            "the trunk on every crop": lambda: trunk(cut(inputs[:1], boxes[:1], 8 * SIDE)),
        }
        of_one = ("one by one", "the trunk on every crop")  # are slow: the first image is enough
        taken = {n: seconds(work, times) / (1 if n in of_one else len(inputs)) for n, work in windows.items()}
        same = torch.equal(windows["roi_pool"](), windows["torchvision's roi_pool"]())
        shifts = np.linspace(0, STRIDE, run.pick(smoke=5, lecture=65))
        moved = torch.tensor([0.0, 20.0, 20.0, 70.0, 80.0]) + torch.tensor(shifts[:, None] * [0, 1, 0, 1, 0]).float()
        changes = {}
        for name, pool in (("RoI pooling", roi_pool), ("RoI Align", ops.roi_align)):
            said = pool(maps[:1], moved, (SIDE, SIDE), 1 / STRIDE).flatten(1)
            changes[name] = ((said - said[0]).norm(dim=1) / said[0].norm()).numpy().astype(float)
    for name, value in taken.items():
        run.fact(f"milliseconds an image, {name}", 1000 * value, "ms")
    run.fact("proposals an image", len(several) / len(inputs))
    run.fact("equal to torchvision's, 1 for yes", float(same))
    saved = run.fact("a trunk on every crop, over trunk and pooling", taken["the trunk on every crop"]
                     / (taken["the trunk, once an image"] + taken["roi_pool"]), "times")  # fmt: skip
    steps = {name: 100 * float(np.abs(np.diff(change)).max()) for name, change in changes.items()}
    for name, step in steps.items():
        run.fact(f"largest jump when a window moves by {shifts[1]:g} pixels, {name}", step, "%")
    shown = truth[truth[:, 2].sub(truth[:, 0]).argsort(descending=True)][:3]
    edges = edge_map(pixels(image[None]))
    run.figure(
        "pooled", draw_pooling, image, edges[0, 0], shown, roi_pool(edges, [shown], (SIDE, SIDE), 1 / STRIDE),
        caption="How steep a scene's brightness is, on a map of 16×16 cells, and windows of different shapes: "
        f"each becomes {SIDE}×{SIDE} numbers, the largest of each bin. "
        "A bin that lies beyond the map says 0.",
    )  # fmt: skip
    run.figure(
        "shift", draw_shift, shifts, changes,
        caption="How far the features of a window are from those before it moved, in per cent of their length. RoI "
        "pooling rounds the window to whole cells; RoI Align interpolates.",
    )  # fmt: skip
    theirs = taken["torchvision's roi_pool"]
    run.note(
        f"{len(several) / len(inputs):.0f} windows of a scene: the trunk once and RoI pooling are {saved:.0f} times as "
        f"fast as the trunk on every crop. Pooling takes {1000 * taken['roi_pool']:.1f} ms, torchvision's "
        f"{1000 * theirs:.1f} ms, bin by bin {1000 * taken['one by one']:.0f} ms."
    )
    run.note(
        f"A window moves by {shifts[1]:g} pixels: RoI pooling's answer jumps by up to {steps['RoI pooling']:.0f} %, "
        f"RoI Align's by at most {steps['RoI Align']:.0f} %."
    )

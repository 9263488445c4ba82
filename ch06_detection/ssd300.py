"""The single-shot detector at its full size, compared with torchvision's: the same weights, the same outputs.

Question   What is SSD300 made of, where are its 26 million parameters, and what does one forward pass cost?
Method     SSD300 with VGG-16: Liu et al. 2016, Fig. 2 and §3. The network is in vgg_ssd.py. Parameters, shapes and
           products are counted on a network that has no numbers (PyTorch's meta device).
Rival      torchvision's ssd300_vgg16 as the reference, with its random weights copied into ours: nothing is trained.
Differs    Box sizes are those of the authors' program for VOC; for the comparison those of COCO, as in torchvision.
Costs      11 s on two cores; at smoke nothing is computed, only counted.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ch06_detection.default_boxes import (
    SSD300_COCO_SIZES,
    SSD300_GRIDS,
    SSD300_RATIOS,
    SSD300_SIZES,
    SSD300_STEPS,
    default_boxes,
    sizes_of_a_cell,
)
from ch06_detection.vgg_ssd import BOXES, MAPS, SSD300, detections
from common import data, plots
from common.run import Run
from common.train import half_pays

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 300
CLASSES = 21  # VOC's twenty and the background
PHOTO = "cat"
TRIES = 2  # the fastest of so many looks at an image


def parts(network: SSD300) -> dict[str, list[nn.Module]]:
    """Where parameters and products are counted."""
    return {
        "VGG-16 to conv4_3": [network.to_conv4_3],
        "conv5_1 to conv5_3": [network.to_fc7[:7]],
        "fc6 and fc7": [network.to_fc7[7:]],
        "extra blocks": [network.extra],
        "heads, classes": [network.confidence],
        "heads, offsets": [network.location],
    }


def products(network: SSD300) -> dict[str, int]:
    """Multiply-adds of every part for one image: of a convolution, k² × channels in × numbers out."""
    counts: dict[nn.Module, int] = {}

    def count(layer: nn.Conv2d, inputs: tuple[Tensor], output: Tensor) -> None:
        counts[layer] = output.numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    network(torch.zeros(1, 3, SIDE, SIDE, device=network.scale.device))
    for hook in hooks:
        hook.remove()
    return {
        name: sum(counts.get(layer, 0) for part in modules for layer in part.modules())
        for name, modules in parts(network).items()
    }


def receptive_field(layers: nn.Module, field: int = 1, stride: int = 1) -> tuple[int, int]:
    """Pixels that one number depends on, along an axis, and pixels from one number to the next; what comes before.

    A layer with a window of k cells, dilated by d, adds d (k − 1) strides to the field.
    """
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            size, step, dilation = (
                value[0] if isinstance(value, tuple) else value
                for value in (layer.kernel_size, layer.stride, layer.dilation)
            )
            field, stride = field + dilation * (size - 1) * stride, stride * step
    return field, stride


def fields(network: SSD300) -> list[int]:
    """The receptive field of a head on each map, in pixels."""
    found, field, stride = [], 1, 1
    for block in (network.to_conv4_3, network.to_fc7, *network.extra):
        field, stride = receptive_field(block, field, stride)
        found.append(field + 2 * stride)  # the head's own 3×3
    return found


def seconds(network: nn.Module, image: Float[Tensor, "1 3 height width"], half: bool) -> float:
    """The fastest of TRIES looks at an image, in 32 bits or, but for what needs them, in 16 (bfloat16)."""
    taken = []
    for _ in range(TRIES):
        start = perf_counter()
        with torch.no_grad(), torch.autocast(image.device.type, torch.bfloat16, enabled=half):
            network(image)
        taken.append(perf_counter() - start)
    return min(taken)


def beside_torchvision(run: Run, picture: Float[Tensor, "3 height width"]) -> None:
    """Copy torchvision's random weights, look at the picture (0 … 1) with both networks, and measure what differs."""
    from torchvision.models.detection import ssd300_vgg16

    torch.manual_seed(run.seed)
    ours, theirs = SSD300(CLASSES).eval(), ssd300_vgg16(weights=None, weights_backbone=None, num_classes=CLASSES).eval()
    with torch.no_grad():
        for mine, weights in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.copy_(weights)
        image = theirs.transform([picture])[0].tensors  # 300×300, less the mean
        offsets, logits = ours(image)
        expected = theirs.head(list(theirs.backbone(image).values()))
        found = theirs([picture])[0]
    for name, mine, other in [("offsets", offsets, "bbox_regression"), ("logits", logits, "cls_logits")]:
        run.fact(f"{name}, largest", mine.abs().max().item())
        run.fact(f"{name}, largest difference to torchvision's", (mine - expected[other]).abs().max().item())

    how = {"steps": SSD300_STEPS, "clip": True}
    defaults = default_boxes((SIDE, SIDE), SSD300_GRIDS, SSD300_COCO_SIZES, SSD300_RATIOS, **how)
    start = perf_counter()
    answer = detections(offsets[0], logits[0], defaults, (SIDE, SIDE))
    run.fact("seconds from answers to detections", perf_counter() - start, "s")
    height, width = picture.shape[1:]
    boxes = answer["boxes"] * torch.tensor([width, height, width, height]) / SIDE
    n = min(len(boxes), len(found["boxes"]))
    same = answer["labels"][:n] == found["labels"][:n]
    same &= (boxes[:n] - found["boxes"][:n]).abs().amax(dim=1) < 0.01
    same &= (answer["scores"][:n] - found["scores"][:n]).abs() < 1e-4
    run.fact("detections", len(boxes))
    run.fact("of them torchvision's, too: label, box to 0.01 pixels, score to 0.0001", int(same.sum()))

    widths = [("32 bits", False)]
    if half_pays(image.device):  # elsewhere 16 bits are imitated, and an image takes minutes
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            coarse = ours(image)[1].float()
        run.fact("logits, largest difference of 16 bits to 32", (coarse - logits).abs().max().item())
        widths.append(("16 bits", True))
    for name, half in widths:
        run.fact(f"seconds for one image, {name}", seconds(ours, image, half), "s")


def slab(axis: Axes, x: float, height: float, depth: float, colour: str) -> float:
    """A map as a box seen from the side: height for its rows, depth for its channels. Returns its right end."""
    from matplotlib.patches import Polygon

    slant = 0.35 * height
    corners = np.array([[x, -height / 2], [x + depth, -height / 2], [x + depth, height / 2], [x, height / 2]])
    back = np.array([slant, slant]) * 0.6
    top = np.array([corners[3], corners[2], corners[2] + back, corners[3] + back])
    side = np.array([corners[1], corners[2], corners[2] + back, corners[1] + back])
    for face, strength in [(top, 0.35), (side, 0.55), (corners, 0.18)]:
        axis.add_patch(Polygon(face, facecolor="white", edgecolor="none"))
        axis.add_patch(Polygon(face, facecolor=colour, alpha=strength, edgecolor="none"))
        axis.add_patch(Polygon(face, fill=False, edgecolor=colour, linewidth=0.9))
    return x + depth + back[0]


def draw_architecture(total: int) -> Figure:
    """The input and the six maps, and how many default boxes answer on each."""
    figure, axis = plots.panels(width=9.6, height=3.9)
    sizes = [rows for rows, _ in SSD300_GRIDS]
    x, last = 0.0, None
    maps = [("image", SIDE, 3, 0), *zip(MAPS, sizes, MAPS.values(), BOXES, strict=True)]
    for name, rows, channels, boxes in maps:
        height, depth = min(0.42 * rows**0.5, 3.6), 0.08 + channels / 900
        end = slab(axis, x, height, depth, plots.BLUE if boxes else plots.GREY)
        middle = (x + end) / 2
        axis.text(middle, 3.1, name, ha="center", weight="bold")
        axis.text(middle, 2.7, f"{rows}×{rows}×{channels}", ha="center", fontsize=8.5)
        arrow = {"arrowstyle": "->", "lw": 0.9, "color": plots.INK}
        if boxes:
            axis.annotate("", (x - 0.08, 0), (last + 0.08, 0), arrowprops=arrow)
            axis.annotate("", (middle, -2.6), (middle, -height / 2 - 0.1), arrowprops=arrow)
            axis.text(middle, -3.0, f"{boxes} × {rows}²", ha="center", fontsize=8.5)
            axis.text(middle, -3.4, f"= {boxes * rows**2}", ha="center", fontsize=8.5, color=plots.BLUE, weight="bold")
        x, last = max(end + 0.9, x + 1.9), end
    axis.text(x / 2, -4.1, f"{total} default boxes, each with scores and four offsets  →  suppression", ha="center")
    axis.set(xlim=(-0.5, x - 0.2), ylim=(-4.3, 3.5), aspect="equal")
    axis.axis("off")
    return figure


def draw_fields(photo: UInt8[np.ndarray, "height width 3"], fields: list[int]) -> Figure:
    """For every map: the default boxes of the cell in the middle, and what the head there sees."""
    from matplotlib.patches import Rectangle

    figure, axes = plots.panels(6, width=1.75, height=2.15)
    for k, (axis, name, (rows, _)) in enumerate(zip(axes, MAPS, SSD300_GRIDS, strict=True)):
        centre = (rows // 2 + 0.5) * SIDE / rows
        axis.imshow(photo, extent=(0, SIDE, SIDE, 0), alpha=0.25)
        side = fields[k]
        axis.add_patch(Rectangle((centre - side / 2,) * 2, side, side, color=plots.SKY, alpha=0.3, lw=0))
        for wide, high in sizes_of_a_cell(SSD300_SIZES[k], SSD300_SIZES[k + 1], SSD300_RATIOS[k]).tolist():
            place = centre - wide / 2, centre - high / 2
            axis.add_patch(Rectangle(place, wide, high, fill=False, edgecolor=plots.ORANGE, lw=1.3))
        axis.set(xlim=(0, SIDE), ylim=(SIDE, 0), xticks=[], yticks=[])
        axis.set_title(f"{name}, {rows}×{rows}\nsees {side} pixels", fontsize=8.5)
    return figure


def lesson(run: Run) -> None:
    with torch.device("meta"):
        counted = SSD300(CLASSES)
        offsets, logits = counted(torch.zeros(1, 3, SIDE, SIDE))
    run.fact("default boxes", offsets.shape[1])
    run.fact("numbers for an image", offsets.numel() + logits.numel())
    run.fact("parameters", sum(weights.numel() for weights in counted.parameters()))
    multiplied = products(counted)
    for name, modules in parts(counted).items():
        run.fact(f"parameters, {name}", sum(weights.numel() for part in modules for weights in part.parameters()))
        run.fact(f"multiply-adds, {name}", multiplied[name] / 1e9, "10⁹")
    run.fact("multiply-adds", sum(multiplied.values()) / 1e9, "10⁹")
    for name, field in zip(MAPS, fields(counted), strict=True):
        run.fact(f"pixels that a head on {name} sees", field)
    first = next(iter(multiplied))
    share = 100 * multiplied[first] / sum(multiplied.values())
    run.note(f"{first} does {share:.0f} % of all products.")

    photo = data.photo(PHOTO)
    if run.pick(smoke=False, lecture=True):
        beside_torchvision(run, torch.tensor(photo).permute(2, 0, 1) / 255)
    run.figure(
        "architecture",
        draw_architecture,
        offsets.shape[1],
        caption="SSD300. The layers up to conv4_3 are VGG-16's. Each map has a head, which predicts for 4 or 6 default "
        "boxes at every place: scores of all classes and four offsets for each.",
    )
    run.figure(
        "fields",
        draw_fields,
        photo[:SIDE, 80 : 80 + SIDE],
        fields(counted),
        caption="Orange: the default boxes of the cell in the middle of each map. Blue: the pixels that the head there "
        "depends on.",
    )

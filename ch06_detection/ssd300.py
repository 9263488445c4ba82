"""The single-shot detector at its full size, compared with torchvision's: the same weights, the same outputs.

Question   What is SSD300 made of, where are its 26 million parameters, and what does one forward pass cost?
Method     SSD300 with VGG-16: Liu et al. 2016, Fig. 2 and §3. Parameters, shapes and products are counted on a network
           without numbers (PyTorch's meta device).
Rival      torchvision's ssd300_vgg16 as the reference, with its random weights copied into ours: nothing is trained.
Differs    Box sizes are those of the authors' program for VOC; for the comparison those of COCO, as in torchvision.
Costs      5 s on two cores; at smoke nothing is computed, only counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import perf_counter

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ch06_detection.boxes import Boxes, clip, decode
from ch06_detection.default_boxes import (
    SSD300_COCO_SIZES,
    SSD300_GRIDS,
    SSD300_RATIOS,
    SSD300_STEPS,
    default_boxes,
    flatten_head,
)
from ch06_detection.drawings.ssd300 import draw_architecture, draw_fields
from ch06_detection.geometry.detections import select_detections
from common import data
from common.data.boxed import Target
from common.run import Run
from common.train import half_pays

SIDE = 300
CLASSES = 21  # VOC's twenty and the background
PHOTO = "cat"
TRIES = 2  # passes, of which the fastest counts
VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # a block ends with a pooling
MAPS = {"conv4_3": 512, "fc7": 1024, "conv8_2": 512, "conv9_2": 256, "conv10_2": 256, "conv11_2": 256}  # channels
BOXES = (4, 6, 6, 6, 4, 4)  # default boxes per place of each map
MEAN = (123.0, 117.0, 104.0)  # of ImageNet's red, green and blue: subtracted from inputs of 0 … 255

convolution = partial(nn.Conv2d, kernel_size=3, padding=1)


def relu_after(*layers: nn.Conv2d) -> list[nn.Module]:
    """The convolutions, with a ReLU after each."""
    return [module for layer in layers for module in (layer, nn.ReLU(inplace=True))]


def vgg_block(channels: int, widths: Sequence[int]) -> list[nn.Module]:
    """3×3 convolutions of these widths."""
    return relu_after(*(convolution(a, b) for a, b in zip((channels, *widths), widths, strict=False)))


def narrow_then(channels: int, narrow: int, wide: int, **how: int) -> nn.Sequential:
    """An extra block: 1×1 to fewer channels, then 3×3 that reduces the map."""
    return nn.Sequential(*relu_after(nn.Conv2d(channels, narrow, 1), nn.Conv2d(narrow, wide, 3, **how)))


class SSD300(nn.Module):
    """Maps images (300×300, red, green, blue: 0 … 255 minus MEAN) to logits and offsets of 8732 default boxes. Fig. 2.

    classes: with the background. New layers use the initialisation of Glorot & Bengio 2010 (§3), VGG's that of He et
    al. 2015.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.scale = nn.Parameter(torch.full((512,), 20.0))
        one, two, three, four, five = (
            vgg_block(channels, widths) for channels, widths in zip((3, 64, 128, 256, 512), VGG, strict=True)
        )
        pooled = nn.MaxPool2d
        self.to_conv4_3 = nn.Sequential(
            *one,
            pooled(2),
            *two,
            pooled(2),
            *three,
            pooled(2, ceil_mode=True),
            *four,  # 300, 150, 75, 38
        )
        fc6, fc7 = nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.Conv2d(1024, 1024, 1)
        self.to_fc7 = nn.Sequential(pooled(2), *five, pooled(3, stride=1, padding=1), *relu_after(fc6, fc7))
        self.extra = nn.ModuleList(
            [
                narrow_then(1024, 256, 512, stride=2, padding=1),
                narrow_then(512, 128, 256, stride=2, padding=1),
                narrow_then(256, 128, 256),
                narrow_then(256, 128, 256),
            ]
        )
        heads = list(zip(MAPS.values(), BOXES, strict=True))
        self.confidence = nn.ModuleList(convolution(channels, boxes * classes) for channels, boxes in heads)
        self.location = nn.ModuleList(convolution(channels, boxes * 4) for channels, boxes in heads)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        for layer in (*one, *two, *three, *four, *five):
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")

    def maps(self, images: Float[Tensor, "batch 3 height width"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """The six feature maps, the finest first."""
        found = [self.to_conv4_3(images)]
        for block in (self.to_fc7, *self.extra):
            found.append(block(found[-1]))
        found[0] = self.scale[:, None, None] * functional.normalize(found[0])
        return found

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch n 4"], Float[Tensor, "batch n classes"]]:
        """The offsets, and logits of background and classes, in default_boxes' order: map, row, column, box."""
        maps = self.maps(images)
        offsets = [flatten_head(head(x), 4) for head, x in zip(self.location, maps, strict=True)]
        logits = [flatten_head(head(x), self.classes) for head, x in zip(self.confidence, maps, strict=True)]
        return torch.cat(offsets, dim=1), torch.cat(logits, dim=1)


def detect(
    offsets: Float[Tensor, "n 4"],
    logits: Float[Tensor, "n classes"],
    defaults: Boxes,
    size: tuple[int, int],
    *,
    least: float = 0.01,
    candidates: int = 400,
    overlap: float = 0.45,
    most: int = 200,
) -> Target:
    """Convert one image's outputs to detections: boxes in an image of size (height, width), labels, scores. §3.

    least: score of a candidate. candidates: the highest-scoring of each class. overlap: IoU above which the box
    with the higher score suppresses the other of its class. most: the most detections.
    """
    boxes = clip(decode(offsets.float(), defaults), *size)
    scores = logits.float().softmax(dim=1)[:, 1:]
    return select_detections(boxes, scores, least=least, suppression=overlap, keep=most, candidates=candidates)


def parts(network: SSD300) -> dict[str, list[nn.Module]]:
    """The parts in which parameters and products are counted."""
    return {
        "VGG-16 to conv4_3": [network.to_conv4_3],
        "conv5_1 to conv5_3": [network.to_fc7[:7]],
        "fc6 and fc7": [network.to_fc7[7:]],
        "extra blocks": [network.extra],
        "heads, classes": [network.confidence],
        "heads, offsets": [network.location],
    }


def products(network: SSD300) -> dict[str, int]:
    """Multiply-adds of every part for one image; a convolution has k² × input channels × outputs."""
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
    """The receptive field and the stride of outputs in pixels along an axis. field, stride: of the layers' input.

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


def receptive_fields(network: SSD300) -> list[int]:
    """The receptive field of a head on each map, in pixels."""
    found, field, stride = [], 1, 1
    for block in (network.to_conv4_3, network.to_fc7, *network.extra):
        field, stride = receptive_field(block, field, stride)
        found.append(field + 2 * stride)  # the head's own 3×3
    return found


def fastest_seconds(network: nn.Module, image: Float[Tensor, "1 3 height width"], half: bool) -> float:
    """The fastest of TRIES forward passes of an image, in 32 bits or, if the layers allow it, 16 (bfloat16)."""
    taken = []
    for _ in range(TRIES):
        start = perf_counter()
        with torch.no_grad(), torch.autocast(image.device.type, torch.bfloat16, enabled=half):
            network(image)
        taken.append(perf_counter() - start)
    return min(taken)


def beside_torchvision(run: Run, picture: Float[Tensor, "3 height width"]) -> None:
    """Copy torchvision's random weights, run both networks on the picture (0 … 1), and measure the differences."""
    from torchvision.models.detection import ssd300_vgg16

    torch.manual_seed(run.seed)
    ours, theirs = SSD300(CLASSES).eval(), ssd300_vgg16(weights=None, weights_backbone=None, num_classes=CLASSES).eval()
    with torch.no_grad():
        for mine, weights in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.copy_(weights)
        image = theirs.transform([picture])[0].tensors  # 300×300, minus the mean
        offsets, logits = ours(image)
        expected = theirs.head(list(theirs.backbone(image).values()))
        found = theirs([picture])[0]
    for name, mine, other in [("offsets", offsets, "bbox_regression"), ("logits", logits, "cls_logits")]:
        run.fact(f"{name}, largest", mine.abs().max().item())
        run.fact(f"{name}, largest difference to torchvision's", (mine - expected[other]).abs().max().item())

    how = {"steps": SSD300_STEPS, "clip": True}
    defaults = default_boxes((SIDE, SIDE), SSD300_GRIDS, SSD300_COCO_SIZES, SSD300_RATIOS, **how)
    start = perf_counter()
    answer = detect(offsets[0], logits[0], defaults, (SIDE, SIDE))
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
        run.fact(f"seconds for one image, {name}", fastest_seconds(ours, image, half), "s")


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
    for name, field in zip(MAPS, receptive_fields(counted), strict=True):
        run.fact(f"receptive field of the head on {name}", field, "px")
    first = next(iter(multiplied))
    share = 100 * multiplied[first] / sum(multiplied.values())
    run.note(f"{first} does {share:.0f} % of all products.")

    photo = data.photo(PHOTO)
    if run.pick(smoke=False, lecture=True):
        beside_torchvision(run, torch.tensor(photo).permute(2, 0, 1) / 255)
    run.figure(
        "architecture",
        draw_architecture,
        MAPS,
        BOXES,
        offsets.shape[1],
        caption="SSD300. The layers up to conv4_3 are VGG-16's. Each map has a head, which predicts for 4 or 6 default "
        "boxes at every place: scores of all classes and four offsets for each.",
    )
    run.figure(
        "fields",
        draw_fields,
        MAPS,
        photo[:SIDE, 80 : 80 + SIDE],
        receptive_fields(counted),
        caption="Orange: the default boxes of the cell in the middle of each map. Blue: the pixels that the head there "
        "depends on.",
    )

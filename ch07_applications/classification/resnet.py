"""ResNet: shortcuts around pairs of layers, so that a deeper network need not be a worse one.

Question   A deeper network can do all that a shallower one does: its additional layers could be the identity. Yet plain
           networks of 44 layers have a higher training loss than plain ones of 20. Why, and what helps?
Method     He, Zhang, Ren & Sun 2015, "Deep residual learning for image recognition". Layers compute a residual that is
           added to their input (§3.1, Eq. 1):

               y = ReLU(F(x, {W}) + x)

           With F = 0 a block is the identity. Plain and residual networks of equal depth are trained in the same way
           (§4.2; depth_study.py); with shortcuts that have no parameters (option A) their size is equal, too. The loss
           is drawn around both minima (Li et al. 2018; loss_surface.py).
Rival      The plain network of the same depth. For the network trained for a minute: Fisher vectors and HOG with an
           SVM.
Differs    The published networks are built and counted. Depth is studied with 8, 16 and 32 maps on images of 16×16
           pixels. torchvision's bottleneck subsamples in its 3×3, the paper's in its first 1×1: a setting (strided).
Costs      165 s on two cores: 60 for the small network, 75 for the study of depth, the rest for the rivals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.counting import Layer, layers_of, multiplications_of
from ch07_applications.blocks.drawn_networks import draw_maps
from ch07_applications.classification.cifar import FISHER, HOG, cifar, classifier, score_rivals
from ch07_applications.classification.depth_study import compare_depths, decay_groups
from common.augment import Crops, Cutout, InTurn, Poses
from common.claims import beats, level
from common.image_classifier import ImageClassifier
from common.muon import Muon
from common.paper_claims import PaperClaims
from common.run import Run

PLAIN, OPTIONS = "plain", ("A", "B", "C")
STRIDED = ("3x3", "1x1")  # the convolution of a bottleneck that subsamples
IMAGENET = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}  # Table 1
EXPANSION = 4  # outputs of a bottleneck, as a multiple of its inner width
SIDE, CLASSES = (3, 224, 224), 10
ENDS = ("conv1", "pool", "conv2_x", "conv3_x", "conv4_x", "conv5_x", "classes")  # what Table 1 calls the stages
OURS, SMALL_RESNET = "small ResNet", "small ResNet, cifar10"  # the method; the name by which lessons share it
STUDY = {
    "plain-20": {"depth": 20, "option": PLAIN},
    "plain-44": {"depth": 44, "option": PLAIN},
    "ResNet-20": {"depth": 20},
    "ResNet-44": {"depth": 44},
    "option B": {"depth": 20, "option": "B"},
    "option C": {"depth": 20, "option": "C"},
    "last γ at 0": {"depth": 20, "zero": True},
}
WIDTH = 8  # of the networks of the study; the paper's have 16
EPOCHS, DECAY = 36, 0.1  # for the small network
VGG_16, VGG_19 = 15_470_264_320, 19_632_062_464  # multiplications for an image of 224×224

Maps = Float[Tensor, "batch channels height width"]
Output = Float[Tensor, "batch outputs rows columns"]


class PaddedShortcut(nn.Module):
    """Option A (§3.3, §4.2): every stride-th pixel of x, and zeros for the channels that x lacks, half on each side.

    It has no parameters. Raises ValueError if there are fewer outputs than inputs.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        if outputs < inputs:
            raise ValueError(f"zeros only add channels: {inputs} cannot become {outputs}")
        self.before, self.after, self.stride = (outputs - inputs) // 2, (outputs - inputs + 1) // 2, stride

    def forward(self, x: Maps) -> Output:
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without a bias, which the offset of the following BatchNorm replaces."""
    return nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)


def shortcut(inputs: int, outputs: int, stride: int, option: str) -> nn.Module:
    """The shortcut of a block (§4.1): the identity, or zeros (A) or a projection (B: Eq. 2) where the size changes.

    With option C every shortcut is a projection: 1×1 with BatchNorm.
    """
    changes = stride != 1 or inputs != outputs
    if option == "C" or (option == "B" and changes):
        return nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
    return PaddedShortcut(inputs, outputs, stride) if changes else nn.Identity()


class Block(nn.Module):
    """ReLU(F(x) + shortcut(x)), Eq. 1; a plain block is ReLU(F(x)), with as many parameters (Fig. 2).

    width: maps of its 3×3 convolutions. option: see shortcut, or "plain". bottleneck: F is 1×1, 3×3, 1×1 with 4 · width
    outputs, in place of two 3×3 (Fig. 5). strided: see STRIDED. zero: γ of the last BatchNorm starts at 0, so that the
    block equals its shortcut at first (Goyal et al. 2017, §5.1). Raises ValueError for an unknown option or strided.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int = 1,
        *,
        option: str = "B",
        bottleneck: bool = False,
        strided: str = "3x3",
        zero: bool = False,
    ) -> None:
        super().__init__()
        if option not in (PLAIN, *OPTIONS) or strided not in STRIDED:
            raise ValueError(
                f"no block with option {option!r} and stride in {strided!r}: {PLAIN}, {OPTIONS}; {STRIDED}"
            )
        self.outputs = EXPANSION * width if bottleneck else width
        sizes = [(inputs, width, 3, stride), (width, width, 3, 1)]
        if bottleneck:
            first, second = (1, stride) if strided == "3x3" else (stride, 1)
            sizes = [(inputs, width, 1, first), (width, width, 3, second), (width, self.outputs, 1, 1)]
        layers = [layer for size in sizes for layer in (convolution(*size), nn.BatchNorm2d(size[1]), nn.ReLU())]
        self.body = nn.Sequential(*layers[:-1])  # the last ReLU follows the sum
        self.shortcut = None if option == PLAIN else shortcut(inputs, self.outputs, stride, option)
        self.zero = zero

    def forward(self, x: Maps) -> Output:
        y = self.body(x)
        return functional.relu(y if self.shortcut is None else y + self.shortcut(x))


@dataclass(frozen=True)
class Stage:
    """`blocks` residual blocks of this width; the first has this stride."""

    blocks: int
    width: int
    stride: int


class ResNet(nn.Module):
    """A stem with `width` outputs, stages of blocks, global average pooling, one dense layer. how: settings of every
    Block.

    Filters start with variance 2 / (k² · outputs) (He et al. 2015, "Delving deep into rectifiers").
    """

    def __init__(
        self, stem: nn.Sequential, width: int, stages: Sequence[Stage], classes: int = CLASSES, **how: Any
    ) -> None:
        super().__init__()
        self.stem, blocks = stem, []
        for stage in stages:
            for stride in (stage.stride, *[1] * (stage.blocks - 1)):
                blocks.append(Block(width, stage.width, stride, **how))
                width = blocks[-1].outputs
        self.blocks = nn.Sequential(*blocks)
        self.classify = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        for block in blocks:
            if block.zero:
                nn.init.zeros_(block.body[-1].weight)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        return self.classify(self.blocks(self.stem(images)))


def stem(width: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """The first layer: convolution, BatchNorm, ReLU."""
    return nn.Sequential(convolution(3, width, kernel, stride), nn.BatchNorm2d(width), nn.ReLU())


def imagenet(depth: int, classes: int = 1000, option: str = "B", strided: str = "3x3") -> ResNet:
    """ResNet-18, 34, 50, 101 or 152 (Table 1), for images of 224×224. Raises ValueError for another depth."""
    if depth not in IMAGENET:
        raise ValueError(f"depth must be one of {', '.join(map(str, IMAGENET))}, got {depth}")
    stages = [Stage(n, 64 * 2**place, 2 if place else 1) for place, n in enumerate(IMAGENET[depth])]
    first = stem(64, kernel=7, stride=2).append(nn.MaxPool2d(3, stride=2, padding=1))
    return ResNet(first, 64, stages, classes, option=option, bottleneck=depth >= 50, strided=strided)


def cifar_net(depth: int, option: str = "A", width: int = 16, zero: bool = False) -> ResNet:
    """The networks of §4.2: 6n + 2 layers, n blocks each with width, 2 · width and 4 · width maps.

    option: kind of the shortcuts, or "plain". Raises ValueError for a depth that is not 6n + 2.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"depth must be 6n + 2 (8, 14, 20 …), got {depth}")
    stages = [Stage(blocks, width, 1), Stage(blocks, 2 * width, 2), Stage(blocks, 4 * width, 2)]
    return ResNet(stem(width), width, stages, option=option, zero=zero)


@dataclass(frozen=True)
class Colours:
    """An augmentation of every channel of every image: times 1 ± amount, plus or minus amount (standard deviations)."""

    amount: float = 0.3

    def __call__(self, images: Maps, generator: torch.Generator) -> Maps:
        gain, offset = (2 * torch.rand((2, *images.shape[:2], 1, 1), generator=generator) - 1) * self.amount
        return images * (1 + gain).to(images.device) + offset.to(images.device)


def small_network() -> ResNet:
    """A network for 32×32 pixels and a minute: 16 maps at full size, then three blocks, each with stride 2."""
    return ResNet(stem(16), 16, [Stage(1, 32, 2), Stage(1, 64, 2), Stage(1, 112, 2)])


def small_resnet(run: Run) -> ImageClassifier:
    """The small network with its recipe: its widths, optimiser and augmentation were chosen on validation images."""
    moved = InTurn((Crops(0), Poses(shift=4, angle=12, scale=0.2), Colours(), Cutout(12)))  # Crops(0): mirror images
    smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)
    return classifier(
        run, small_network, run.pick(smoke=1, lecture=EPOCHS, full=3 * EPOCHS), augment=moved, loss=smoothed,
        optimiser=Muon, groups=partial(decay_groups, decay=DECAY, orthogonal=True), warm_up=0.2,
        checkpoint="small_resnet",
    )  # fmt: skip


def depth_of(network: ResNet) -> int:
    """The depth by the paper's count: convolutions and dense layers, but no projections in shortcuts."""
    around = {id(layer) for block in network.blocks if block.shortcut for layer in block.shortcut.modules()}
    kinds = (nn.Conv2d, nn.Linear)
    return sum(isinstance(layer, kinds) and id(layer) not in around for layer in network.modules())


def published(depth: int, **how: Any) -> ResNet:
    """An ImageNet network to be counted, on the meta device, where weights take no memory."""
    with torch.device("meta"):
        return imagenet(depth, **how)


def ends_of_stages(network: ResNet) -> list[Layer]:
    """The last layers of an ImageNet network's stages: first convolution, pooling, last block of each, dense layer.

    A block has no map of its own in layers_of; the last BatchNorm of its body has the same one.
    """
    layers = {layer.name: layer for layer in layers_of(network, SIDE)}
    bodies = [layers[f"blocks.{k}.body.{len(block.body) - 1}"] for k, block in enumerate(network.blocks)]
    last = {layer.map[1]: layer for layer in bodies}  # by side: a later block takes the place of an earlier one
    return [layers["stem.0"], layers["stem.3"], *last.values(), layers["classify.2"]]


def claim_counts(claims: PaperClaims) -> None:
    """The claims that counting decides: multiplications of the published networks, weights of a bottleneck."""
    cost = {depth: multiplications_of(published(depth, strided="1x1"), SIDE) for depth in (34, 152)}
    pair, bottleneck = (
        sum(layer.weight.numel() for layer in block.body if isinstance(layer, nn.Conv2d))
        for block in (Block(64, 64), Block(256, 64, bottleneck=True))
    )
    claims.counted(
        "152 layers multiply less than VGG-16", source="§4.1, Table 1", paper="11.3 against 15.3 billion",
        ours=f"{cost[152] / 1e9:.1f} billion", against=f"{VGG_16 / 1e9:.1f} billion", holds=cost[152] < VGG_16,
    )  # fmt: skip
    claims.counted(
        "34 layers multiply a fifth of VGG-19", source="§3.3", paper="3.6 against 19.6 billion: 18 %",
        ours=f"{cost[34] / 1e9:.2f} billion", against=f"{VGG_19 / 1e9:.1f} billion", holds=cost[34] < 0.2 * VGG_19,
    )  # fmt: skip
    claims.counted(
        "A bottleneck for 256 maps costs no more than two 3×3 for 64", source="§4.1, Fig. 5", paper="similar",
        ours=f"{bottleneck:,} weights", against=f"{pair:,} weights", holds=bottleneck <= pair,
    )  # fmt: skip


def lesson(run: Run) -> None:
    parts, claims = cifar(run), PaperClaims(run)
    for strided in STRIDED:
        count = multiplications_of(published(50, strided=strided), SIDE)
        run.fact(f"multiplications of ResNet-50, stride in the {strided}", count / 1e9, "billion")
    run.figure(
        "maps", draw_maps, ends_of_stages(published(50)), SIDE, ENDS,
        caption="The maps of ResNet-50 to scale: after the stem, its pooling and each stage, and the classes.",
    )  # fmt: skip
    compare_depths(
        run, parts, claims, {name: partial(cifar_net, **which, width=WIDTH) for name, which in STUDY.items()}
    )
    with run.method(OURS, kind="deep") as method:
        method.fit_shared(SMALL_RESNET, partial(small_resnet, run), parts.whole)
        method.score(parts.test)
    score_rivals(run, parts)
    for rival in (FISHER, HOG):
        run.compare(OURS, rival)
        run.claim(f"The small ResNet beats {rival}.", beats(OURS, rival, "accuracy"))
        run.claim(f"The small ResNet and {rival} are not significantly different.", level(OURS, rival, "accuracy"))
    claim_counts(claims)
    run.floor(OURS, "accuracy", at_least=72)

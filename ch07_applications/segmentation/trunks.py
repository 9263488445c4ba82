"""Trunks of fully convolutional networks: VGG-16 as published, a small one, MobileNetV2; each as stages.

Each stage ends with maps that may be scored, and each stage's stride is twice that of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def as_convolution(dense: nn.Linear, channels: int, side: int) -> nn.Conv2d:
    """A dense layer on maps of side × side as a convolution that computes the same at every place. §3.1."""
    layer = nn.Conv2d(channels, dense.out_features, side, padding=side // 2, device=dense.weight.device)
    layer.weight.data = dense.weight.data.reshape(layer.weight.shape)
    layer.bias.data = dense.bias.data
    return layer


def vgg16_stages(ends: Sequence[int] = (17, 24, 31)) -> list[nn.Sequential]:
    """VGG-16 up to the layers with these numbers; the dense layers become convolutions of the last stage. §4.1.

    Maps of 256, 512 and 4096 channels at strides 8, 16 and 32. Differs: fc6 is padded, the image is not.
    """
    from torchvision.models import vgg16

    vgg = vgg16()
    first, second = (vgg.classifier[place] for place in (0, 3))
    dense = [as_convolution(first, 512, 7), nn.ReLU(), nn.Dropout2d(), as_convolution(second, 4096, 1), nn.ReLU()]
    stages = [vgg.features[start:end] for start, end in zip((0, *ends), ends, strict=False)]
    stages[-1] = nn.Sequential(*stages[-1], *dense, nn.Dropout2d())
    return stages


def block(channels: int, width: int, stride: int = 1) -> list[nn.Module]:
    """A 3×3 convolution, BatchNorm and ReLU."""
    convolution = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]


def small_stages(widths: Sequence[int], depths: Sequence[int] = (1, 2, 3)) -> list[nn.Sequential]:
    """Three stages with maps of strides 4, 8 and 16, after a first layer of stride 2."""
    stages = []
    for before, width, depth in zip(widths, widths[1:], depths, strict=False):
        layers = block(before, width, 2)
        for _ in range(depth):
            layers += block(width, width)
        stages.append(nn.Sequential(*layers))
    stages[0] = nn.Sequential(*block(3, widths[0], 2), *stages[0])
    return stages


def mobilenet_stages(trunk: nn.Module) -> list[nn.Sequential]:
    """MobileNetV2's layers (torchvision's network) up to its widest maps of strides 4, 8, 16 and 32.

    These maps lie inside the first block of the next stride, after its 1×1 convolution: 144, 192, 576, 1280 channels.
    """
    layers = list(trunk.features)
    stages, start = [], []
    for low, high in ((0, 4), (5, 7), (8, 14)):
        widened, *rest = layers[high].conv
        stages.append(nn.Sequential(*start, *layers[low:high], widened))
        start = rest
    return [*stages, nn.Sequential(*start, *layers[15:])]

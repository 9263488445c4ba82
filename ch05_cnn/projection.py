"""From one unit of a network back to the pixels: every layer of the forward pass provides its own backward step.

Method     Deconvolutional network, Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", §2.1.
           Up: filter, rectify, pool. Down: unpool with the switches of the way up, rectify, filter with the same
           filters transposed. Biases are not taken back: they came from no pixel.
Rival      The gradient (Simonyan, Vedaldi & Zisserman 2014) goes down the same way but for one line: its rectification
           lets through what was positive on the way up, the deconvnet's what is positive on the way down. Guided
           backpropagation (Springenberg et al. 2015) asks for both.
Differs    The paper's network has neither BatchNorm, which is a scaling once it has learned, nor shortcuts, along which
           the signal comes down beside the one through the block; and its strides are handled as transposed strides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ch05_cnn.networks import Residual

Maps = Float[Tensor, "n c height width"]
Above = Float[Tensor, "n units rows columns"]  # maps of the layer above
Back = Callable[[Tensor], Tensor]


def passed(z: Maps, layer: nn.Module) -> Bool[Tensor, "n c height width"]:
    """Where a rectifier, ReLU or ReLU6, handed its input on: there its derivative is 1."""
    return (z > 0) & (z < 6) if isinstance(layer, nn.ReLU6) else z > 0


def rectified(z: Maps, signal: Maps, layer: nn.Module) -> Maps:
    """The deconvnet: what arrives from above goes through the same rectification as what went up."""
    return signal.clamp(min=0)


def derived(z: Maps, signal: Maps, layer: nn.Module) -> Maps:
    """The gradient: ∂relu(z)/∂z · signal."""
    return signal * passed(z, layer)


def guided(z: Maps, signal: Maps, layer: nn.Module) -> Maps:
    """Guided backpropagation: what was positive on the way up and is positive on the way down."""
    return signal.clamp(min=0) * (z > 0)


def filter_back(layer: nn.Conv2d, size: tuple[int, int], signal: Above) -> Maps:
    """Σ_{f'} θ_{ijff'} y_{i'j'f'}: the layer's filters, transposed. A stride becomes zeros between the signal's values.

    size: of the layer's input; rows and columns that no filter reached come back as zeros.
    """
    (kh, kw), (sh, sw), (ph, pw) = layer.kernel_size, layer.stride, layer.padding
    rows, columns = signal.shape[2:]
    left_over = size[0] - (sh * (rows - 1) + kh - 2 * ph), size[1] - (sw * (columns - 1) + kw - 2 * pw)
    return functional.conv_transpose2d(
        signal, layer.weight, stride=layer.stride, padding=layer.padding, output_padding=left_over, groups=layer.groups
    )


def unpool(
    switches: Int[Tensor, "n c rows columns"], size: tuple[int, int], signal: Float[Tensor, "n c rows columns"]
) -> Maps:
    """Every value goes to where the maximum of its window stood; all other places are zero."""
    empty = signal.new_zeros(*signal.shape[:2], size[0] * size[1])
    return empty.scatter_add(2, switches.flatten(2), signal.flatten(2)).unflatten(2, size)


def scale_back(layer: _BatchNorm, signal: Maps) -> Maps:
    """In evaluation BatchNorm is y = γ (x − μ) / √(σ² + ε) + β: the way back multiplies by γ / √(σ² + ε)."""
    return signal * (layer.weight / torch.sqrt(layer.running_var + layer.eps))[:, None, None]


def shortcut_around(layer: nn.Module) -> nn.Module | None:
    """The f of a block that computes x + f(x): ours, or MobileNetV2's."""
    if isinstance(layer, Residual):
        return layer.body
    return layer.conv if getattr(layer, "use_res_connect", False) else None


def there_and_back(layer: nn.Module, x: Maps, rule: Callable = rectified) -> tuple[Above, Back]:
    """layer(x), and the function that takes a signal from the layer's output down to its input.

    rule: rectified, derived or guided. Raises TypeError for a layer without a way back.
    """
    if isinstance(layer, nn.Conv2d):
        return layer(x), partial(filter_back, layer, tuple(x.shape[2:]))
    if isinstance(layer, nn.ReLU | nn.ReLU6):
        return layer(x.clone()), partial(rule, x, layer=layer)  # a copy: some rectifiers overwrite what they are given
    if isinstance(layer, nn.MaxPool2d):
        pooled, switches = functional.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding, return_indices=True)
        return pooled, partial(unpool, switches, tuple(x.shape[2:]))
    if isinstance(layer, _BatchNorm) and not layer.training:
        return layer(x), partial(scale_back, layer)
    if (block := shortcut_around(layer)) is not None:
        beside, back = there_and_back(block, x, rule)
        return x + beside, lambda signal: signal + back(signal)
    parts = layer if isinstance(layer, nn.Sequential) else getattr(layer, "conv", None)
    if not isinstance(parts, nn.Sequential):
        raise TypeError(f"no way back through {type(layer).__name__}")
    backs: list[Back] = []
    for part in parts:
        x, back = there_and_back(part, x, rule)
        backs.append(back)
    return x, partial(down, tuple(reversed(backs)))


def down(backs: Iterable[Back], signal: Tensor) -> Tensor:
    """The signal through one way back after the other."""
    for back in backs:
        signal = back(signal)
    return signal


def strongest(maps: Maps, units: Int[Tensor, "n"]) -> tuple[Float[Tensor, "n"], Int[Tensor, "n 2"]]:
    """Of image n the largest activation of its unit, and the row and column where that stands in the map."""
    values, places = maps[torch.arange(len(maps)), units].flatten(1).max(dim=1)
    return values, torch.stack([places // maps.shape[3], places % maps.shape[3]], dim=1)


@torch.no_grad()
def project(
    layers: nn.Module, images: Maps, units: Int[Tensor, "n"], rule: Callable = rectified
) -> tuple[Maps, Int[Tensor, "n 2"]]:
    """Each image's unit, where it is most active, brought down to pixels; and its row and column in the layer's map.

    All other activations of the layer are set to zero first (§2.1).
    """
    maps, back = there_and_back(layers, images, rule)
    values, places = strongest(maps, units)
    signal = torch.zeros_like(maps)
    signal[torch.arange(len(maps)), units, places[:, 0], places[:, 1]] = values
    return back(signal), places


def receptive_field(layers: nn.Module) -> tuple[int, int, int]:
    """(size, step, start) in pixels: the unit in row i sees the rows from start + i·step on, so many of them.

    Along a shortcut it sees no more than through the block.
    """
    size, step, start = 1, 1, 0
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, stride, padding = (
                value if isinstance(value, int) else value[0]
                for value in (layer.kernel_size, layer.stride, layer.padding)
            )
            size, start, step = size + (kernel - 1) * step, start - padding * step, step * stride
    return size, step, start

"""Deconvolutional networks: what does a unit in the fifth layer respond to?

Question   Which part of which image excites a unit most, and which pattern in it?
Method     Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", §2.1. Forward: filter, rectify,
           pool. Backward: the largest activation of a single unit is unpooled with the switches of the forward pass,
           rectified, and filtered with the same filters transposed, layer by layer; biases are left out. Then the
           picture is tested (seeing/masking.py): cover the tenth of the pixels in which a projection is strongest, and
           compute the unit again.
Rival      Other rankings of the pixels: by the gradient (Simonyan et al. 2014), also times the input, by guided
           backpropagation (Springenberg et al. 2015), by contrast, and by chance. HOG, for invariance.
Differs    Two networks: five convolutional layers with three poolings, our own, for clothes of 28×28 pixels; and
           MobileNetV2 with ImageNet's weights, on 128×128 crops of photos. It has no max pooling, so no switches;
           strided filters are transposed, a shortcut is a second path of the signal, and BatchNorm is a scaling.
Costs      8 s on two cores, a quarter of it training; once a download of 14 MB, not at smoke.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ch05_cnn.drawings.deconvnet import draw_filters, draw_masking, draw_units
from ch05_cnn.models.mobilenet import layers_of
from ch05_cnn.models.networks import build_five_layers
from ch05_cnn.seeing.exciting import Tiles, cut_tiles, find_most_exciting, photo_crops
from ch05_cnn.seeing.invariance import compare_invariance
from ch05_cnn.seeing.masking import COVERED, activation_left, find_most_excited
from ch05_cnn.seeing.units import find_strongest, receptive_field
from common import data
from common.claims import beats
from common.data import weights
from common.image_classifier import ImageClassifier, Pixels
from common.residual import Residual
from common.run import Run
from common.train import Training

LAST = "layer 5"

Maps = Float[Tensor, "n c height width"]
Above = Float[Tensor, "n units rows columns"]  # maps of the layer above
Back = Callable[[Tensor], Tensor]


def has_passed(z: Maps, layer: nn.Module) -> Bool[Tensor, "n c height width"]:
    """True where a rectifier, ReLU or ReLU6, passed its input: there its derivative is 1."""
    return (z > 0) & (z < 6) if isinstance(layer, nn.ReLU6) else z > 0


def deconvnet_rule(z: Maps, signal: Maps, layer: nn.Module) -> Maps:
    """The deconvnet: the signal from above is rectified like the forward activations."""
    return signal.clamp(min=0)


def gradient_rule(z: Maps, signal: Maps, layer: nn.Module) -> Maps:
    """The gradient: ∂relu(z)/∂z · signal."""
    return signal * has_passed(z, layer)


def guided_rule(z: Maps, signal: Maps, layer: nn.Module) -> Maps:
    """Guided backpropagation: the signal passes where it and the forward input are positive."""
    return signal.clamp(min=0) * (z > 0)


def filter_back(layer: nn.Conv2d, size: tuple[int, int], signal: Above) -> Maps:
    """Σ_{f'} θ_{ijff'} y_{i'j'f'}: the layer's filters, transposed. A stride becomes zeros between the signal's values.

    size: of the layer's input; rows and columns that no filter reached become zeros.
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
    """Every value goes to the place of its window's maximum; all other places are zero."""
    empty = signal.new_zeros(*signal.shape[:2], size[0] * size[1])
    return empty.scatter_add(2, switches.flatten(2), signal.flatten(2)).unflatten(2, size)


def scale_back(layer: _BatchNorm, signal: Maps) -> Maps:
    """In evaluation BatchNorm is y = γ (x − μ) / √(σ² + ε) + β: the backward pass multiplies by γ / √(σ² + ε)."""
    return signal * (layer.weight / torch.sqrt(layer.running_var + layer.eps))[:, None, None]


def shortcut_around(layer: nn.Module) -> nn.Module | None:
    """The f of a block that computes x + f(x): ours, or MobileNetV2's."""
    if isinstance(layer, Residual):
        return layer.f
    return layer.conv if getattr(layer, "use_res_connect", False) else None


def there_and_back(layer: nn.Module, x: Maps, rule: Callable = deconvnet_rule) -> tuple[Above, Back]:
    """layer(x), and the function that maps a signal from the layer's output to its input.

    rule: deconvnet_rule, gradient_rule or guided_rule. Raises TypeError for a layer without a backward rule.
    """
    if isinstance(layer, nn.Conv2d):
        return layer(x), partial(filter_back, layer, tuple(x.shape[2:]))
    if isinstance(layer, nn.ReLU | nn.ReLU6):
        return layer(x.clone()), partial(rule, x, layer=layer)  # a copy: some rectifiers overwrite their input
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
    return x, partial(go_down, tuple(reversed(backs)))


def go_down(backs: Iterable[Back], signal: Tensor) -> Tensor:
    """Pass the signal through the backward functions in sequence."""
    for back in backs:
        signal = back(signal)
    return signal


@torch.no_grad()
def project(
    layers: nn.Module, images: Maps, units: Int[Tensor, "n"], rule: Callable = deconvnet_rule
) -> tuple[Maps, Int[Tensor, "n 2"]]:
    """Project each image's unit, where it is most active, to pixels. Also returns its row and column in the map.

    All other activations of the layer are set to zero first (§2.1).
    """
    maps, back = there_and_back(layers, images, rule)
    values, places = find_strongest(maps, units)
    signal = torch.zeros_like(maps)
    signal[torch.arange(len(maps)), units, places[:, 0], places[:, 1]] = values
    return back(signal), places


@torch.no_grad()
def correlate_with_other_image(
    layers: nn.Module, images: Maps, units: Int[Tensor, "n"], rule: Callable = deconvnet_rule
) -> float:
    """The mean correlation of a unit's projection with one that uses another image's forward pass.

    It is 1 if the projection does not depend on the image: the deconvnet without switches.
    """
    maps, back = there_and_back(layers, images, rule)
    signal, (_, places) = torch.zeros_like(maps), find_strongest(maps, units)
    signal[torch.arange(len(maps)), units, places[:, 0], places[:, 1]] = 1.0
    pair = torch.stack([back(signal), there_and_back(layers, images.roll(1, dims=0), rule)[1](signal)]).flatten(2)
    return float(nn.functional.cosine_similarity(*(pair - pair.mean(dim=2, keepdim=True))).mean())


def rank_pixels(
    layers: nn.Module, images: Maps, units: Int[Tensor, "n"], generator: torch.Generator
) -> dict[str, Maps]:
    """The importance of each pixel for its image's unit, by each method."""
    gradient = project(layers, images, units, gradient_rule)[0]
    return {
        "deconvnet": project(layers, images, units, deconvnet_rule)[0].abs(),
        "gradient": gradient.abs(),
        "guided backpropagation": project(layers, images, units, guided_rule)[0].abs(),
        "gradient × input": gradient * images,  # to first order the activation's fall if a pixel is set to 0
        "contrast": images.abs(),
        "chance": torch.rand(images.shape, generator=generator),
    }


def make_tiles(
    layers: nn.Module,
    images: Maps,
    pictures: Float[np.ndarray, "n side side 3"],
    chosen: Int[Tensor, "units columns"],
    ways: dict[str, Callable],
) -> dict[str, Tiles]:
    """The projections of units by rule, and their receptive fields as "seen". chosen: from find_most_exciting."""
    items, units = chosen[:, 1:].flatten(), chosen[:, 0].repeat_interleave(chosen.shape[1] - 1)
    projected = {name: project(layers, images[items], units, rule) for name, rule in ways.items()}
    signals, places = {name: signal for name, (signal, _) in projected.items()}, next(iter(projected.values()))[1]
    return cut_tiles(layers, pictures[items.numpy()], signals, places, len(chosen))


def show_mobilenet(run: Run, mobilenet: nn.Module) -> None:
    """Show facts and pictures of the pretrained network, on crops of photos."""
    crops = photo_crops()
    inputs = weights.imagenet_inputs(crops).contiguous(memory_format=torch.channels_last)
    ways = {"deconvnet": deconvnet_rule, "guided": guided_rule}
    shown: dict[str, dict[str, Tiles]] = {}
    for name, layers in layers_of(mobilenet).items():
        chosen = find_most_exciting(layers, inputs, run.rng)
        shown[name] = make_tiles(layers, inputs, crops / 255, chosen, ways)
    for way, rule in ways.items():
        same = correlate_with_other_image(layers, inputs[chosen[:, 1]], chosen[:, 0], rule)
        run.fact(f"correlation with another image's projection, MobileNetV2's last layer, {way}", same)
    run.figure(
        "mobilenet_early",
        draw_units,
        {name: {way: found[:3] for way, found in shown[name].items()} for name in list(shown)[:3]},
        caption="MobileNetV2, early layers; one row per unit. It has no max pooling, so no switches: the deconvnet "
        "draws the same for every image. Guided backpropagation depends on the image through the ReLUs.",
    )
    run.figure(
        "mobilenet_late",
        draw_units,
        {name: {way: found[:2] for way, found in shown[name].items()} for name in list(shown)[3:]},
        width=1.4,
        caption="MobileNetV2, late layers, whose units see the whole crop: their projections by the deconvnet and by "
        "guided backpropagation.",
    )


def fashion_network(run: Run, clothes: data.Dataset) -> tuple[nn.Sequential, Pixels]:
    """Our trained network on the CPU; and the standardisation of its inputs."""
    # Strong weight decay removes weights that no gradient supports, and with them noise from the pictures.
    optimiser = partial(torch.optim.AdamW, weight_decay=0.5)
    training = Training(run.pick(smoke=1, lecture=3), learning_rate=0.004, optimiser=optimiser, device=run.device)
    with run.method("five convolutional layers", kind="deep") as method:
        classifier = method.fit(ImageClassifier(build_five_layers, training, seed=run.seed), clothes.train)
        method.score(clothes.test)
    return classifier.network_.cpu(), classifier.pixels_


def measure_masking(run: Run, own: dict[str, nn.Sequential], images: Maps, part: data.Images) -> dict[str, list[float]]:
    """The remaining activation of units with their most important pixels covered, in %: the mean per layer.

    The last layer is scored, under mean grey and under the black of the background.
    """
    left = {}
    for name, layers in own.items():
        units, generator = find_most_excited(layers, images), torch.Generator().manual_seed(run.seed)
        for way, pixels in rank_pixels(layers, images, units, generator).items():
            kept = activation_left(layers, images, units, pixels)
            left.setdefault(way, []).append(float(kept.mean()))
            if name == LAST:
                black = activation_left(layers, images, units, pixels, fill=float(images.min()))
                with run.method(way, kind="classical" if way in ("contrast", "chance") else "from scratch") as method:
                    method.score_items("activation left under grey", kept.double().numpy(), part, unit="%")
                    method.score_items("activation left under black", black.double().numpy(), part, unit="%")
    run.compare("deconvnet", "chance")
    run.compare("gradient", "deconvnet")
    run.compare("gradient × input", "deconvnet")
    run.compare("deconvnet", "contrast", "activation left under black")
    run.floor("deconvnet", "activation left under grey", at_most=48.5)
    return left


def lesson(run: Run) -> None:
    clothes = data.fashion_mnist(run.scale)
    network, pixels = fashion_network(run, clothes)
    images = pixels(clothes.test.inputs)
    own = {f"layer {n}": network[:n] for n in range(1, 6)}
    for name, layers in own.items():
        run.fact(f"side of the receptive field, {name}", receptive_field(layers)[0])
    few = run.pick(smoke=50, lecture=300)
    left = measure_masking(run, own, images[:few], clothes.test.take(slice(few)))
    units = find_most_excited(own[LAST], images[:few])
    agreed = run.fact(
        "correlation with another image's projection, our layer 5",
        correlate_with_other_image(own[LAST], images[:few], units),
    )

    compare_invariance(run, network, own, images[: run.pick(smoke=30, lecture=300)], pixels)

    wanted = run.first and run.scale.preset != "smoke"  # photos take seconds
    mobilenet = weights.mobilenet_v2_or_none(run.scale, run.note) if wanted else None
    if run.first:
        first_filters = {"ours: 5×5, grey": network[0][0].weight}
        if mobilenet:
            first_filters["MobileNetV2: 3×3, colours"] = mobilenet.features[0][0].weight
        run.figure(
            "filters",
            draw_filters,
            {name: filters.detach() for name, filters in first_filters.items()},
            caption="The filters of the first layer: edges, and for photos colours. Each scaled by itself; grey is 0.",
        )
        grey = np.repeat(clothes.test.inputs[..., None] / 255, 3, axis=3)
        chosen = {name: find_most_exciting(layers, images, run.rng) for name, layers in own.items()}
        rule = {"deconvnet": deconvnet_rule}
        run.figure(
            "own",
            draw_units,
            {name: make_tiles(layers, images, grey, chosen[name], rule) for name, layers in own.items()},
            caption="Our network. Above, the projections of four units of each layer (one row each, three images); "
            "below, the patch that the unit sees.",
        )
        run.figure(
            "covered",
            draw_masking,
            left,
            COVERED,
            caption="What is left of a unit's activation if a tenth of its pixels is covered with grey, by layer and "
            "by the method that chose the pixels (first seed).",
        )
    if mobilenet:
        show_mobilenet(run, mobilenet)
    run.note(
        "Activation of a unit of layer 5 that is left if a tenth of its pixels is covered, chosen by the projection: "
        f"{left['deconvnet'][-1]:.0f} %, by gradient × input: {left['gradient × input'][-1]:.0f} %, by chance: "
        f"{left['chance'][-1]:.0f} %. With the switches of another image the projection correlates by {agreed:.2f}."
    )
    run.claim("The projection finds pixels that matter: it beats chance.", beats("deconvnet", "chance"))
    run.claim(
        "Gradient × input finds pixels that matter more: the projection shows what a unit looks for, rather than which "
        "pixels it used.",
        beats("gradient × input", "deconvnet"),
    )

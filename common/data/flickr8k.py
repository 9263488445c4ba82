"""Flickr8k: photographs with five captions each by people (Hodosh et al. 2013), if the reader has them.

A folder images, and captions.txt: comma-separated, with the header image,caption; a caption that has a comma stands in
quotes. Which part an image belongs to follows from its name alone, so it is the same in every copy of the set,
however many of its images that copy has.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from common.data.parts import read_only
from common.data.real_pictures import SMOKE, found_folder, pictures_in, read_picture
from common.data.scale import LECTURE, Scale
from common.errors import Problem, first_line

SIZE = 224
HEADER = ["image", "caption"]
PLACES = ("flickr8k", "Flickr8k", "")
TRAIN, VALIDATION = 0.775, 0.875  # of the images, up to where train and validation go; the rest is test


@dataclass(frozen=True, eq=False)
class CaptionedImages:
    """Square pictures and the captions of each. Arrays are read-only.

    images: (N, S, S, 3), each stretched to a square so that nothing is cut off. captions: of each image, as the file
    has them.
    """

    images: UInt8[np.ndarray, "items size size 3"]
    captions: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    ids: Int64[np.ndarray, "items"]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def inputs(self) -> UInt8[np.ndarray, "items size size 3"]:
        """What a model is given: the pictures."""
        return self.images

    @property
    def answers(self) -> tuple[tuple[str, ...], ...]:
        """The captions."""
        return self.captions

    def take(self, indices: np.ndarray | Sequence[int] | slice) -> CaptionedImages:
        """The images at these indices (or of this mask, or this slice), in that order."""
        places = np.arange(len(self))[indices]
        captions, names = (tuple(values[place] for place in places) for values in (self.captions, self.names))
        return CaptionedImages(read_only(self.images[places]), captions, names, read_only(self.ids[places]))


@dataclass(frozen=True, eq=False)
class Flickr8k:
    """Parts that share no image. In a folder of a handful of images a part may be empty."""

    train: CaptionedImages
    validation: CaptionedImages
    test: CaptionedImages
    source: str


def flickr8k(scale: Scale = LECTURE, size: int = SIZE) -> Flickr8k:
    """The set out of the data folder: all images that the folder has, size × size pixels.

    At the smoke preset the first 24 of each part. Raises Problem where it is missing, where a line of captions.txt is
    broken, where an image has no captions, and where a caption's image is not there.
    """
    how = "unpack the Flickr8k archive (images and captions.txt)"
    folder = found_folder(scale, PLACES, ("captions.txt", "images|Images"), "Flickr8k", how)
    captions = read_captions(folder / "captions.txt")
    images = folder / ("images" if (folder / "images").exists() else "Images")
    files = {path.name: path for path in pictures_in(images)}
    for name, (line, _) in captions.items():
        if name not in files:
            raise Problem(f"{folder / 'captions.txt'}, line {line}: there is no image {images / name}")
    for name, path in files.items():
        if name not in captions:
            raise Problem(f"{path} has no captions in {folder / 'captions.txt'}")
    parts = {"train": [], "validation": [], "test": []}
    for name in files:
        parts[part_of(name)].append(name)
    most = SMOKE if scale.preset == "smoke" else None
    read = {part: read_part([files[name] for name in names[:most]], captions, size) for part, names in parts.items()}
    return Flickr8k(**read, source="Flickr8k (Hodosh et al. 2013); non-commercial research and education")


def read_part(files: list[Path], captions: dict[str, tuple[int, list[str]]], size: int) -> CaptionedImages:
    """These images with their captions, in this order."""
    images = np.zeros((len(files), size, size, 3), np.uint8)
    for place, path in enumerate(files):
        images[place] = read_picture(path, (size, size))
    return CaptionedImages(
        read_only(images),
        tuple(tuple(captions[path.name][1]) for path in files),
        tuple(path.name for path in files),
        read_only(np.arange(len(files))),
    )


def flickr8k_or_none(scale: Scale, say: Callable[[str], None], size: int = SIZE) -> Flickr8k | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None."""
    try:
        return flickr8k(scale, size)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None


def part_of(name: str) -> str:
    """The part that an image belongs to, by a checksum of its name: 77.5 % train, 10 % validation, 12.5 % test."""
    place = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
    return "train" if place < TRAIN else "validation" if place < VALIDATION else "test"


def read_captions(path: Path) -> dict[str, tuple[int, list[str]]]:
    """Of each image's name: the line of its first caption, counted from 1, and its captions in order.

    Raises Problem, with the number of the line, for what is not image,caption.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path} can't be read as captions ({first_line(error)})") from error
    if not lines or fields(lines[0]) != HEADER:
        raise Problem(f"{path}, line 1: expected the header image,caption")
    captions: dict[str, tuple[int, list[str]]] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        found = fields(line)
        if len(found) != 2 or not all(field.strip() for field in found):
            raise Problem(
                f"{path}, line {number}: {line[:60]!r} is not image,caption (a caption that has a comma needs quotes)"
            )
        captions.setdefault(found[0].strip(), (number, []))[1].append(found[1].strip())
    return captions


def fields(line: str) -> list[str]:
    """The fields of one line; none where its quotes don't close."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []

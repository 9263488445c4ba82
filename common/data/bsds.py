"""BSDS500: photographs of 481 × 321 pixels (Arbeláez et al. 2011), if the reader has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from common.data.real_pictures import found_folder, pictures_in, read_picture, spread
from common.data.scale import LECTURE, Scale
from common.errors import Problem

LONGEST = 481
PLACES = ("BSDS500", "BSR/BSDS500/data", "BSDS500/data", "")


@dataclass(frozen=True, eq=False)
class NamedPictures:
    """Pictures of different sizes, by name: upright and lying ones."""

    names: tuple[str, ...]
    images: tuple[UInt8[np.ndarray, "height width 3"], ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class Bsds:
    """The parts: train, validation (`val`), and test where the folder has it, else None."""

    train: NamedPictures
    validation: NamedPictures
    test: NamedPictures | None
    source: str


def bsds500(scale: Scale = LECTURE, longest: int = LONGEST) -> Bsds:
    """The set out of the data folder, its pictures reduced to at most `longest` pixels on the longer side.

    At the smoke preset 24 of each part. Raises Problem where it is missing or a picture can't be read.
    """
    how = "take the folder data/images out of Berkeley's BSDS500 archive"
    folder = found_folder(scale, PLACES, ("images/train", "images/val"), "BSDS500", how) / "images"
    train, validation = (read_part(folder / name, longest, scale) for name in ("train", "val"))
    test = read_part(folder / "test", longest, scale) if (folder / "test").exists() else None
    return Bsds(train, validation, test, "BSDS500 (Arbeláez et al. 2011); non-commercial research and education")


def bsds500_or_none(scale: Scale, say: Callable[[str], None], longest: int = LONGEST) -> Bsds | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None."""
    try:
        return bsds500(scale, longest)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None


def read_part(folder: Path, longest: int, scale: Scale) -> NamedPictures:
    """All pictures of a folder."""
    paths = spread(pictures_in(folder), scale)
    return NamedPictures(
        tuple(path.stem for path in paths), tuple(read_picture(path, longest=longest) for path in paths)
    )

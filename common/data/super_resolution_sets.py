"""Test sets of super-resolution in SelfExSR's layout (Huang et al. 2015): Set5, Set14, BSD100, Urban100, if there.

A set is a folder with image_SRF_2, image_SRF_3, …, one per factor, of pictures NAME_SRF_2_HR.png and NAME_SRF_2_LR.png.
The low resolution is MATLAB's bicubic, as papers use it. What else lies there (other methods' answers) is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from common.data.real_pictures import found_folder, pictures_in, read_picture
from common.data.scale import LECTURE, Scale
from common.errors import Problem


@dataclass(frozen=True, eq=False)
class Pair:
    """A picture in high resolution, and its reduced copy: high has exactly factor times the pixels of low per side."""

    name: str
    high: UInt8[np.ndarray, "height width 3"]
    low: UInt8[np.ndarray, "low_height low_width 3"]


@dataclass(frozen=True, eq=False)
class SuperResolutionSet:
    """pairs: of each factor that the folder has, in the order of their names."""

    name: str
    pairs: Mapping[int, tuple[Pair, ...]]
    source: str


def super_resolution_set(scale: Scale = LECTURE, name: str = "Set5") -> SuperResolutionSet:
    """The set of this name out of the data folder. Raises Problem where it is missing, incomplete or damaged."""
    places = (name, f"SelfExSR/data/{name}", f"data/{name}")
    how = f"take data/{name} out of jbhuang0604/SelfExSR on GitHub"
    folder = found_folder(scale, places, (".",), f"{name} of super-resolution", how)
    factors = sorted(
        int(match[1]) for path in folder.iterdir() if (match := re.fullmatch(r"image_SRF_(\d+)", path.name))
    )
    if not factors:
        raise Problem(f"{folder} has no folder image_SRF_2, image_SRF_3 or image_SRF_4; {how} as it is")
    source = f"{name}, with low resolution as in SelfExSR (Huang et al. 2015); for research"
    return SuperResolutionSet(name, {factor: read_pairs(folder, factor) for factor in factors}, source)


def super_resolution_set_or_none(
    scale: Scale, say: Callable[[str], None], name: str = "Set5"
) -> SuperResolutionSet | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None."""
    try:
        return super_resolution_set(scale, name)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None


def read_pairs(folder: Path, factor: int) -> tuple[Pair, ...]:
    """All pairs of one factor. Raises Problem where one of the two is missing, or sizes don't fit the factor."""
    place = folder / f"image_SRF_{factor}"
    found = {"HR": {}, "LR": {}}
    for path in pictures_in(place):
        if match := re.fullmatch(rf"(.+)_SRF_{factor}_(HR|LR)", path.stem):
            found[match[2]][match[1]] = path
    for name in sorted(found["HR"].keys() ^ found["LR"].keys()):
        missing = "LR" if name in found["HR"] else "HR"
        raise Problem(f"{place} has no picture {name}_SRF_{factor}_{missing}, but its counterpart")
    if not found["HR"]:
        raise Problem(f"{place} has no pictures NAME_SRF_{factor}_HR and NAME_SRF_{factor}_LR")
    return tuple(read_pair(name, found["HR"][name], found["LR"][name], factor) for name in sorted(found["HR"]))


def read_pair(name: str, high: Path, low: Path, factor: int) -> Pair:
    """One pair. Raises Problem where the sizes don't fit the factor."""
    pair = Pair(name, read_picture(high), read_picture(low))
    (height, width), (low_height, low_width) = pair.high.shape[:2], pair.low.shape[:2]
    if (height, width) != (factor * low_height, factor * low_width):
        raise Problem(
            f"{high} has {width} × {height} pixels, but {low.name} {low_width} × {low_height}: not a factor of {factor}"
        )
    return pair

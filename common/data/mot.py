"""Pedestrians: a sequence in MOTChallenge's layout, and where its two halves come from.

PETS 2009 S2.L1 (Ferryman and Shahrokni 2009) shows people who cross a yard, 768 × 576 pixels, 7 frames a second. The
boxes are MOTChallenge 2015's (Leal-Taixé et al. 2015), under CC BY-NC-SA 3.0: you lay them into the data folder
yourself. The frames may lie beside them (img1/*.jpg, or a video); if not, OpenCV's sample video is fetched: footage.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from common.data.boxed import BoxedImages, Target
from common.data.footage import found_film, pictures
from common.data.full import first_line
from common.data.scale import LECTURE, Scale
from common.errors import Problem

NAME, SIZE = "PETS09-S2L1", (768, 576)  # width, height
RATE = 7  # frames a second
FOLDERS = ("", NAME, f"MOT15/train/{NAME}", f"train/{NAME}")


@dataclass(frozen=True, eq=False)
class Sequence:
    """People in the frames of a film. rows: frame (from 1), x1, y1, x2, y2, and 1 where the row counts, 0 where not."""

    rows: Float64[np.ndarray, "people 6"]
    boxes: Path
    film: Path
    size: tuple[int, int]

    def part(self, frames: Int64[np.ndarray, "n"]) -> BoxedImages:
        """These frames; ids are their numbers, groups the seconds of film: neighbouring frames show much the same.

        Boxes are cut off at the picture's border. Each target has `difficult` (n,), as Pascal VOC has: people far
        away for whom the organisers neither reward nor punish a detection; in this sequence, 7 in 100.
        """
        images = pictures(self.film, frames, self.size)
        return BoxedImages(
            images, tuple(self.target(frame) for frame in frames), ("pedestrian",), ids=frames, groups=frames // RATE
        )

    def target(self, frame: int | np.integer) -> Target:
        """Who is in a frame. A box that lies outside the picture, but for less than a pixel, is left out."""
        rows = self.rows[self.rows[:, 0] == frame]
        boxes = np.minimum(rows[:, 1:5].clip(min=0), [*self.size, *self.size])
        there = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        return {
            "boxes": torch.tensor(boxes[there], dtype=torch.float32),
            "labels": torch.ones(int(there.sum()), dtype=torch.int64),
            "difficult": torch.tensor(rows[there, 5] == 0),
        }


@dataclass(frozen=True, eq=False)
class PedestrianSet:
    """Frames to learn and to choose from, and the frames that follow, to test on; after: numbers of what comes then.

    Nothing is for validation: settings are chosen by cross-validation over blocks of the training frames.
    """

    train: BoxedImages
    test: BoxedImages
    classes: tuple[str, ...]
    source: str
    sequence: Sequence
    after: Int64[np.ndarray, "frames"]

    def later(self, every: int = 1) -> BoxedImages | None:
        """One in so many of the frames after those of test (all 395 of them are 520 MB); None without boxes."""
        return self.sequence.part(self.after[::every]) if len(self.after) else None


def pedestrians(
    scale: Scale = LECTURE,
    train: tuple[int, int] = (1, 320),
    test: tuple[int, int] = (321, 400),
    every: int = 2,
    size: tuple[int, int] = SIZE,
) -> PedestrianSet:
    """The sequence out of the data folder. train, test: first and last frame, from 1.

    every: of the training frames one in so many is read. size: width and height that the frames must have. Raises
    Problem where boxes or frames are missing or damaged. At the smoke preset nothing is downloaded.
    """
    folder, boxes = found_boxes(scale.cache)
    rows = read_rows(boxes)
    film = found_film(folder, scale)
    sequence = Sequence(rows, boxes, film, size)
    first, last = np.arange(train[0], train[1] + 1, every), np.arange(test[0], test[1] + 1)
    if (most := int(rows[:, 0].max())) < test[1]:
        raise Problem(f"{boxes} has boxes up to frame {most}, but frames up to {test[1]} are asked for")
    source = f"PETS 2009 S2.L1 with MOTChallenge 2015's boxes (CC BY-NC-SA 3.0); frames from {film.name}"
    after = np.arange(test[1] + 1, most + 1)
    return PedestrianSet(
        sequence.part(first), sequence.part(last), ("pedestrian",), source, sequence=sequence, after=after
    )


def pedestrians_or_none(scale: Scale, say: Callable[[str], None], **settings: object) -> PedestrianSet | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None."""
    try:
        return pedestrians(scale, **settings)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None


def found_boxes(folder: Path) -> tuple[Path, Path]:
    """The sequence's folder, in the data folder or the data folder itself, and its file of boxes. Raises Problem."""
    for place in (folder / name for name in FOLDERS):
        for boxes in (place / "gt" / "gt.txt", *sorted(place.glob("*gt*.txt"))):
            if boxes.is_file():
                return place, boxes
    raise Problem(
        f"no boxes of pedestrians: {folder} has neither gt/gt.txt nor {NAME}/gt/gt.txt; take {NAME} out of "
        "MOTChallenge's MOT15 archive and lay it there, or name its folder with --data DIR"
    )


def read_rows(path: Path) -> Float64[np.ndarray, "people 6"]:
    """MOTChallenge's file of boxes: frame, person, left, top, width, height, counts?, …; pixels are counted from 1.

    Raises Problem, with the number of the line, for what cannot be.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path} cannot be read as boxes ({first_line(error)})") from error
    rows = [read_row(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise Problem(f"{path} has no boxes in it")
    return np.array(rows)


def read_row(line: str, where: str) -> tuple[float, ...]:
    """A line as frame, x1, y1, x2, y2, counts; pixels from 0. Raises Problem, beginning with where."""
    try:
        frame, _, left, top, width, height, *more = (float(word) for word in line.split(","))
    except ValueError as error:
        raise Problem(f"{where}: {line[:60]!r} is not frame,id,left,top,width,height,… in numbers") from error
    if not np.isfinite([frame, left, top, width, height, *more[:1]]).all():
        raise Problem(f"{where}: a number is not finite in {line[:60]!r}")
    if frame < 1 or frame % 1:
        raise Problem(f"{where}: frame {frame:g}; frames are whole numbers from 1")
    if width <= 0 or height <= 0:
        raise Problem(f"{where}: a box of {width:g} × {height:g} pixels has no width or no height")
    return frame, left - 1, top - 1, left - 1 + width, top - 1 + height, more[0] if more else 1.0

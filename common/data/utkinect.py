"""UTKinect-Action3D: skeletons of people at ten actions (Xia et al. 2012), if the reader has them.

A folder joints with a file per recording, joints_s01_e02.txt (person 1, second time): in each line a frame number and
20 joints of x, y, z in metres. actionLabel.txt, in it or beside it, has the first and last frame of every action.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from common.data.real_pictures import found_folder
from common.data.scale import LECTURE, Scale
from common.errors import Problem, first_line

CLASSES = (*("walk", "sitDown", "standUp", "pickUp", "carry", "throw", "push", "pull", "waveHands", "clapHands"),)
JOINTS = 20
PLACES = ("UTKinect", "UTKinect-Action3D", "")


@dataclass(frozen=True, eq=False)
class Clip:
    """One action. joints: of each frame 20 points, metres; x to the right, y up, z away from the camera.

    label: counted from 0. person, take: from the file's name.
    """

    joints: Float32[np.ndarray, "time 20 3"]
    label: int
    person: int
    take: int


@dataclass(frozen=True, eq=False)
class Skeletons:
    """All clips, by person, take and action. left_out: what could not be used, in one line each."""

    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    left_out: tuple[str, ...]
    source: str

    @property
    def people(self) -> list[int]:
        """The numbers of those recorded."""
        return sorted({clip.person for clip in self.clips})

    def split(self, person: int) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
        """(train, test): test is everything of this person. Raises ValueError for one who isn't there."""
        if person not in self.people:
            raise ValueError(f"no person {person}: there are {self.people}")
        return tuple(c for c in self.clips if c.person != person), tuple(c for c in self.clips if c.person == person)


def utkinect(scale: Scale = LECTURE) -> Skeletons:
    """The clips of all people whom the folder has.

    Frames and clips without numbers (NaN) are left out, and so is a clip without frames: see left_out. Raises Problem
    where the set is missing or a line can't be read.
    """
    how = "unpack joints.zip and actionLabel.txt of UTKinect-Action3D"
    folder = found_folder(scale, PLACES, ("joints",), "UTKinect", how)
    labels = next(
        (path for path in (folder / "actionLabel.txt", folder / "joints/actionLabel.txt") if path.is_file()), None
    )
    if labels is None:
        raise Problem(f"no actionLabel.txt in {folder} or {folder / 'joints'}; {how} there")
    spans, left_out, clips = read_spans(labels), [], []
    files = sorted((folder / "joints").glob("joints_s*_e*.txt"))
    if not files:
        raise Problem(f"{folder / 'joints'} has no files joints_sXX_eYY.txt; {how} there")
    for path in files:
        match = re.fullmatch(r"joints_(s(\d+)_e(\d+))\.txt", path.name)
        if match is None or match[1] not in spans:
            raise Problem(f"{path} is a recording that {labels} does not name")
        found, why = cut(path, spans[match[1]], int(match[2]), int(match[3]))
        clips += found
        left_out += why
    source = "UTKinect-Action3D (Xia et al. 2012); for research"
    return Skeletons(tuple(clips), CLASSES, tuple(left_out), source)


def utkinect_or_none(scale: Scale, say: Callable[[str], None]) -> Skeletons | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None.

    What had to be left out of it is said, too.
    """
    try:
        found = utkinect(scale)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None
    for line in found.left_out:
        say(f"Left out: {line}")
    return found


def cut(path: Path, spans: dict[str, tuple[float, float]], person: int, take: int) -> tuple[list[Clip], list[str]]:
    """The clips of one recording, and what was left out of it."""
    rows = read_joints(path)
    whole = np.isfinite(rows).all(axis=1)
    clips, left_out = [], []
    if broken := int((~np.isfinite(rows[:, 0])).sum()):
        left_out.append(f"{path.name}: {broken} frames have no number")
    for action, (first, last) in spans.items():
        where = f"{path.name}, {action}"
        if not np.isfinite([first, last]).all():
            left_out.append(f"{where}: its first or last frame is not a number")
            continue
        inside = (rows[:, 0] >= first) & (rows[:, 0] <= last)
        if broken := int((inside & ~whole).sum()):
            left_out.append(f"{where}: {broken} of {int(inside.sum())} frames have a NaN")
        joints = rows[inside & whole, 1:].reshape(-1, JOINTS, 3).astype(np.float32)
        if len(joints) == 0:
            left_out.append(f"{where}: no frames from {first:g} to {last:g}")
            continue
        clips.append(Clip(joints, CLASSES.index(action), person, take))
    return clips, left_out


def read_joints(path: Path) -> Float64[np.ndarray, "frames columns"]:
    """A recording: frame, then x, y, z of 20 joints. Raises Problem, with the number of the line, for what isn't."""
    rows = []
    for number, line in numbered_lines(path):
        words = line.split()
        if len(words) != 1 + 3 * JOINTS:
            raise Problem(
                f"{path}, line {number}: {len(words)} columns; expected the frame and {3 * JOINTS} coordinates"
            )
        try:
            rows.append([float(word) for word in words])
        except ValueError as error:
            raise Problem(f"{path}, line {number}: {first_line(error)}") from error
    if not rows:
        raise Problem(f"{path} has no frames in it")
    return np.array(rows)


def read_spans(path: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Of each recording, as s01_e02, the first and last frame of each action. Raises Problem with the line's number."""
    spans: dict[str, dict[str, tuple[float, float]]] = {}
    current = None
    for number, line in numbered_lines(path):
        if re.fullmatch(r"s\d+_e\d+", line):
            current = spans.setdefault(line, {})
            continue
        match = re.fullmatch(r"(\w+)\s*:\s*(\S+)\s+(\S+)", line)
        try:
            if match is None or current is None or match[1] not in CLASSES:
                raise ValueError(line)
            current[match[1]] = (float(match[2]), float(match[3]))
        except ValueError as error:
            raise Problem(f"{path}, line {number}: {line[:60]!r} is neither s01_e01 nor walk: 252 390") from error
    return spans


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """The lines with something in them, stripped, each with its number from 1. Raises Problem."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path} can't be read ({first_line(error)})") from error
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]

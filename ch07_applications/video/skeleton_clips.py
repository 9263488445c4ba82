"""Skeletons of people at ten actions, normalised so that person, place and direction do not reveal the action.

Every frame's joints are relative to the hip of the same frame, which removes the place. Public code uses the hip of the
clip's first frame. Then the hip's path would remain: it is nearly 0 in the first frames and grows, so that it encodes
the time of each frame, and frames in random order could be sorted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64
from torch import Tensor

from common.data.utkinect import Clip, Skeletons
from common.errors import Problem

HIP, NECK, LEFT_HIP, RIGHT_HIP = 0, 2, 12, 16
OTHER_SIDE = (0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15)  # left and right exchanged
LONGEST, FOLDS = 32, 4
Joints = Float32[np.ndarray, "time 20 3"]


@dataclass(frozen=True, eq=False)
class Clips:
    """Clips of different lengths, and the action of each. groups: the person."""

    inputs: tuple[Float32[np.ndarray, "_ 60"], ...]
    answers: Int64[np.ndarray, "items"]
    ids: Int64[np.ndarray, "items"]
    groups: Int64[np.ndarray, "items"]

    def __len__(self) -> int:
        return len(self.answers)

    def take(self, chosen: Int64[np.ndarray, "n"]) -> Clips:
        """The clips with these indices."""
        return Clips(
            tuple(self.inputs[place] for place in chosen), self.answers[chosen], self.ids[chosen], self.groups[chosen]
        )

    def of_length(self, steps: int) -> Clips:
        """The same clips with this number of frames each."""
        return replace(self, inputs=tuple(resampled(clip, steps) for clip in self.inputs))

    def folds(self) -> list[tuple[Clips, Clips]]:
        """Four times (train, test): each person in one test part. Raises Problem for fewer people."""
        people = np.unique(self.groups)
        if len(people) < FOLDS:
            raise Problem(f"{FOLDS} folds by person need as many people: there are {len(people)}")
        tested = [np.isin(self.groups, people[start::FOLDS]) for start in range(FOLDS)]
        return [(self.take(np.flatnonzero(~chosen)), self.take(np.flatnonzero(chosen))) for chosen in tested]


def comparable(clip: Clip) -> Joints:
    """Joints without place, direction and size: relative to the frame's hip, hips along x, spine of length 1.

    Direction and size are medians over the clip, independent of order. Long clips keep every second, third, … frame.
    Raises Problem for a body without extent.
    """
    joints = clip.joints[:: -(-len(clip.joints) // LONGEST)]
    joints = joints - joints[:, HIP : HIP + 1]
    across = np.median(joints[:, RIGHT_HIP] - joints[:, LEFT_HIP], axis=0)
    size = np.median(np.linalg.norm(joints[:, NECK], axis=1))
    if size < 1e-3:
        raise Problem(f"person {clip.person}, take {clip.take}: all joints lie at one place")
    x, z = across[[0, 2]] / max(np.hypot(across[0], across[2]), 1e-6)
    turn = np.array([[x, 0, z], [0, 1, 0], [-z, 0, x]], np.float32)
    return (joints @ turn.T / size).astype(np.float32)


def clips_of(found: Skeletons) -> Clips:
    """All clips, normalised."""
    inputs = tuple(comparable(clip).reshape(-1, 60) for clip in found.clips)
    answers, groups = (np.array([getattr(clip, name) for clip in found.clips]) for name in ("label", "person"))
    return Clips(inputs, answers, np.arange(len(inputs)), groups)


def resampled(series: Float[np.ndarray, "_ columns"], steps: int) -> Float32[np.ndarray, "_ columns"]:
    """`steps` frames at even distances, by linear interpolation; the first and the last remain."""
    places = np.linspace(0, len(series) - 1, steps)
    low = np.minimum(places.astype(int), max(len(series) - 2, 0))
    share = (places - low)[:, None]
    return ((1 - share) * series[low] + share * series[np.minimum(low + 1, len(series) - 1)]).astype(np.float32)


def padded(series: Sequence[Float32[np.ndarray, "_ columns"]]) -> Float[Tensor, "items time columns"]:
    """The series in one array, padded with NaN."""
    found = torch.full((len(series), max(map(len, series)), series[0].shape[1]), float("nan"))
    for row, each in zip(found, series, strict=True):
        row[: len(each)] = torch.from_numpy(each)
    return found


@dataclass
class DrawnClips:
    """Clips for common.train, padded with NaN, each randomly mirrored, rotated, rescaled and stretched in time."""

    part: Clips
    turn: float = 0.2  # radians, about the vertical axis
    speed: float = 0.2
    size: float = 0.05
    labels: Int[Tensor, "items"] = field(init=False)

    def __post_init__(self) -> None:
        self.labels = torch.tensor(self.part.answers)

    def __len__(self) -> int:
        return len(self.part)

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch time columns"], Int[Tensor, "batch"]]:
        """The clips at index, augmented, and their labels."""
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        changed = []
        for place in index.tolist():
            clip = self.part.inputs[place]
            steps = int(np.clip(round(len(clip) * np.exp(self.speed * rng.normal())), 2, LONGEST))
            joints = resampled(clip, steps).reshape(-1, 20, 3) * np.float32(np.exp(self.size * rng.normal()))
            if rng.random() < 0.5:
                joints = mirrored(joints)
            angle = self.turn * rng.normal()
            c, s = np.cos(angle), np.sin(angle)
            turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
            changed.append((joints @ turn.T).reshape(-1, 60))
        return padded(changed), self.labels[index]


def mirrored(joints: Joints) -> Joints:
    """Exchange left and right: the joints' indices, and the sign of x."""
    return joints[:, OTHER_SIDE] * np.array((-1, 1, 1), np.float32)

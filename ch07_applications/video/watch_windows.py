"""Windows of recordings: cut at fixed places for scoring, drawn at random places for training.

Neighbouring windows are nearly equal, and all windows of one person share a wrist, a strap and a style. So recordings
are split by person before windows are cut; in a random split of windows, the training part would contain near copies
of the test windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64
from torch import Tensor

from common.data.recordings import Recordings
from common.errors import Problem

RATE = 50  # samples per second
MIRRORED = (-1, 1, 1, 1, -1, -1)  # the other arm: acceleration along x, and turning about y and z, change their signs
APART = 10_000  # more than any recording has windows
Samples = Float32[np.ndarray, "_ channels"]


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one length. ids: unique among windows of a length. groups: the person. recordings: its id."""

    inputs: Float32[np.ndarray, "items time channels"]
    answers: Int64[np.ndarray, "items"]
    ids: Int64[np.ndarray, "items"]
    groups: Int64[np.ndarray, "items"]
    recordings: Int64[np.ndarray, "items"]

    def __len__(self) -> int:
        return len(self.answers)

    def mirrored(self) -> Windows:
        """Each window, and then each mirrored, as if on the other arm."""
        twice = {name: np.concatenate([getattr(self, name)] * 2) for name in ("answers", "ids", "groups", "recordings")}
        flipped = self.inputs * np.array(MIRRORED, np.float32)
        return Windows(np.concatenate([self.inputs, flipped]), **twice)


def windows_of(part: Recordings, length: int, hop: int) -> Windows:
    """All windows of `length` samples, one every `hop` samples.

    Windows with non-finite numbers and recordings shorter than a window are left out. Raises Problem if recordings
    differ in their channels, or if no window is left.
    """
    if len({series.shape[1] for series in part.series}) > 1:
        raise Problem(f"recordings have {sorted({series.shape[1] for series in part.series})} channels, not all alike")
    cut, places, numbers = [], [], []
    for place, series in enumerate(part.series):
        if len(series) < length:
            continue
        found = np.lib.stride_tricks.sliding_window_view(series, length, axis=0)[::hop].swapaxes(1, 2)
        whole = np.isfinite(found).all(axis=(1, 2))
        cut.append(found[whole])
        places += [place] * int(whole.sum())
        numbers.append(np.flatnonzero(whole))
    if not places:
        raise Problem(f"no recording of {len(part)} has {length} samples in a row that are all numbers")
    recordings = part.ids[places]
    ids = recordings * APART + np.concatenate(numbers)
    return Windows(np.concatenate(cut), part.labels[places], ids, part.subjects[places], recordings)


def resampled(series: Samples, rate: float) -> Samples:
    """A recording resampled to RATE by linear interpolation. Raises Problem for a rate that is not positive."""
    if not rate > 0:
        raise Problem(f"a rate of {rate} samples per second")
    if rate == RATE:
        return series
    times = np.arange(0, len(series) - 1 + 1e-9, rate / RATE)
    columns = [np.interp(times, np.arange(len(series)), column) for column in series.T]
    return np.stack(columns, axis=1).astype(np.float32)


def checked(series: Sequence[Float32[np.ndarray, "..."]], channels: int, shortest: int) -> None:
    """Raises Problem for a recording with other channels, with a number that is not finite, or with too few samples."""
    for number, each in enumerate(series):
        if each.ndim != 2 or each.shape[1] != channels:
            raise Problem(f"recording {number} has the shape {each.shape}: (time, {channels}) is expected")
        if not np.isfinite(each).all():
            first = int(np.flatnonzero(~np.isfinite(each).all(axis=1))[0])
            raise Problem(f"recording {number} has no number at sample {first}: cut it there, or fill the gap")
        if len(each) < shortest:
            raise Problem(f"recording {number} has {len(each)} samples, and {shortest} are the least")


@dataclass(frozen=True)
class Change:
    """The augmentation of drawn windows. turn: degrees. speed, strength: as standard deviations of a log."""

    turn: float = 0.0
    speed: float = 0.0
    strength: float = 0.0
    noise: float = 0.0  # in g and rad/s
    mirrored: bool = False


@dataclass
class DrawnWindows:
    """Windows at random places of the recordings, for common.train; an epoch has as many as non-overlapping ones.

    lengths: the least and the greatest, in samples; a batch has one length. step: lengths are multiples of it.
    """

    part: Recordings
    lengths: tuple[int, int]
    change: Change = field(default_factory=Change)
    step: int = 4
    samples: Float[Tensor, "time channels"] = field(init=False)
    first: Int[Tensor, "recordings"] = field(init=False)
    room: Int[Tensor, "recordings"] = field(init=False)
    owner: Int[Tensor, "items"] = field(init=False)

    def __post_init__(self) -> None:
        checked(self.part.series, self.part.series[0].shape[1], self.lengths[1])
        self.samples = torch.from_numpy(np.concatenate(self.part.series))
        self.room = torch.tensor([len(series) for series in self.part.series])
        self.first = self.room.cumsum(0) - self.room
        self.owner = torch.repeat_interleave(torch.arange(len(self.room)), self.room // self.lengths[0])

    def __len__(self) -> int:
        return len(self.owner)

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch time channels"], Int[Tensor, "batch"]]:
        """Windows of one length, each with its own random change, and their labels."""
        change, owner, n = self.change, self.owner[index], len(index)

        def normal(*shape: int) -> Float[Tensor, "..."]:
            return torch.randn(*shape, generator=generator)

        low, high = (length // self.step for length in self.lengths)
        length = self.step * int(torch.randint(low, high + 1, (), generator=generator))
        room = self.room[owner] - 1.0
        speed = torch.minimum((change.speed * normal(n)).exp(), room / (length - 1))
        start = torch.rand(n, generator=generator) * (room - speed * (length - 1))
        places = start[:, None] + speed[:, None] * torch.arange(length)
        whole = places.floor().long().clamp(max=room.long()[:, None] - 1)
        share = (places - whole)[..., None]
        whole = whole + self.first[owner][:, None]
        found = (1 - share) * self.samples[whole] + share * self.samples[whole + 1]
        turn = turned(np.deg2rad(change.turn) * normal(n, 3))
        found = (found.unflatten(2, (-1, 3)) @ turn[:, None].mT).flatten(2)  # one rotation rotates all vectors
        found[..., 3:] *= speed[:, None, None]  # faster movement has larger turning rates
        found = found * (change.strength * normal(n, 1, found.shape[2])).exp() + change.noise * normal(*found.shape)
        if change.mirrored:
            other = torch.rand(n, 1, 1, generator=generator) < 0.5
            found = torch.where(other, found * torch.tensor(MIRRORED), found)
        return found, torch.tensor(self.part.labels)[owner]


def turned(axes: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    """Rotations about axes, by their lengths in radians: the exponential of the cross product's matrix (Rodrigues)."""
    x, y, z = axes.unbind(1)
    nothing = torch.zeros_like(x)
    rows = (nothing, -z, y, z, nothing, -x, -y, x, nothing)
    return torch.linalg.matrix_exp(torch.stack(rows, dim=1).unflatten(1, (3, 3)))

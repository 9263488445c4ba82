"""Recordings of a watch on a wrist: seven shoulder exercises by ten people, with either arm (Burns et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int16, Int64, UInt8

from common.data.embedded import FOLDER, checked, confirm, content, described
from common.data.order import shuffled
from common.data.parts import read_only


@dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings of different lengths and the exercise of each. All arrays are read-only.

    series: of each recording (time, 6): acceleration in g along x, y, z, then turning rate in rad/s. labels: counted
    from 0. subjects: who is recorded, 1 to 10. right: on which arm. ids: each one's place in the whole set.
    """

    series: tuple[Float32[np.ndarray, "time channels"], ...]
    labels: Int64[np.ndarray, "items"]
    subjects: Int64[np.ndarray, "items"]
    right: Bool[np.ndarray, "items"]
    ids: Int64[np.ndarray, "items"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> tuple[Float32[np.ndarray, "time channels"], ...]:
        """What a model is given: the series."""
        return self.series

    @property
    def answers(self) -> Int64[np.ndarray, "items"]:
        """The labels."""
        return self.labels

    @property
    def groups(self) -> Int64[np.ndarray, "items"]:
        """Recordings of one person depend on each other."""
        return self.subjects

    def take(self, indices: np.ndarray | Sequence[int]) -> Recordings:
        """The recordings at these indices, or of this mask, in that order."""
        places = np.arange(len(self))[indices]
        arrays = (getattr(self, name)[places] for name in ("labels", "subjects", "right", "ids"))
        return Recordings(tuple(self.series[place] for place in places), *map(read_only, arrays))


@dataclass(frozen=True, eq=False)
class Watch:
    """All recordings, and what is known about them. rate: samples per second."""

    recordings: Recordings
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    rate: int
    source: str

    def split(self, test_subjects: Sequence[int]) -> tuple[Recordings, Recordings]:
        """(train, test): nobody who is in test is in train. Raises ValueError where a part would be empty."""
        chosen = np.isin(self.recordings.subjects, test_subjects)
        if chosen.all() or not chosen.any():
            raise ValueError(f"subjects {list(test_subjects)} leave a part empty: there are {self.people}")
        return self.recordings.take(~chosen), self.recordings.take(chosen)

    def folds(self, k: int = 5, seed: int = 0) -> tuple[tuple[Recordings, Recordings], ...]:
        """k times (train, test), each person in exactly one test part; who goes where is drawn by seed.

        Raises ValueError for fewer than 2 folds or more than there are people.
        """
        people = np.array(self.people)
        if not 2 <= k <= len(people):
            raise ValueError(f"{k} folds of {len(people)} people")
        order = people[shuffled(len(people), seed)]
        return tuple(self.split(order[start::k].tolist()) for start in range(k))

    @property
    def people(self) -> list[int]:
        """The numbers of those recorded."""
        return np.unique(self.recordings.subjects).tolist()

    def only(self, recordings: Recordings) -> Watch:
        """The same with these recordings: to split train once more, for validation."""
        return replace(self, recordings=recordings)


def watch(folder: Path = FOLDER) -> Watch:
    """140 recordings: 10 people, both arms, 7 exercises, each once. Raises Problem where the pack is damaged."""
    with described("watch", folder) as pack:
        with np.load(BytesIO(checked(pack["file"], folder))) as stored:
            numbers = unsqueezed(stored["squeezed"])
            confirm(pack, content(numbers, *(stored[key] for key in ("lengths", "labels", "subjects", "right"))))
            samples = read_only(numbers * np.array(pack["steps"], np.float32))
            series = tuple(np.split(samples, np.cumsum(stored["lengths"])[:-1]))
            labels, subjects = (read_only(stored[key].astype(np.int64)) for key in ("labels", "subjects"))
            right = read_only(stored["right"])
        recordings = Recordings(series, labels, subjects, right, read_only(np.arange(len(labels))))
        source = "D. Burns et al. 2018, out of seglearn (BSD-3); common/data/packs/PROVENANCE.md"
        return Watch(recordings, tuple(pack["classes"]), tuple(pack["channels"]), pack["rate"], source)


def unsqueezed(stored: UInt8[np.ndarray, "channels two time"]) -> Int16[np.ndarray, "time channels"]:
    """Samples out of their differences, whose low and high bytes lie apart. Sums wrap around as the differences did."""
    pairs = np.ascontiguousarray(stored.swapaxes(1, 2))
    differences = pairs.view("<i2")[..., 0].astype(np.int16)
    return np.cumsum(differences, axis=1, dtype=np.int16).T

"""Two heads in axial slices: one person's, and the average of 152 people's brains. Both T1-weighted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from common.data.embedded import FOLDER, checked, confirm, content, described
from common.data.parts import read_only
from common.data.sprites import decode


@dataclass(frozen=True, eq=False)
class Head:
    """Axial slices, from the neck upwards; the face is at the top of each, the person's left on the left. Read-only.

    voxel: from slice to slice, row to row, column to column, in millimetres.
    """

    slices: UInt8[np.ndarray, "slices height width"]
    voxel: tuple[float, float, float]
    source: str

    def __len__(self) -> int:
        return len(self.slices)


def head(folder: Path = FOLDER) -> Head:
    """One person's head with its skull (Colin27: Holmes et al. 1998), every second slice.

    Raises Problem where the pack is damaged.
    """
    return load("head", "Colin27 (Holmes et al. 1998), out of MRIcron's templates (BSD-3)", folder)


def average_head(folder: Path = FOLDER) -> Head:
    """The brain averaged over 152 people, without skull (ICBM152 2009a: Fonov et al. 2009), every third slice.

    It is smoother than any one person's. Raises Problem where the pack is damaged.
    """
    return load("average_head", "ICBM152 2009a (Fonov et al. 2009), out of nilearn; MNI's permissive licence", folder)


def load(key: str, source: str, folder: Path) -> Head:
    """A head's pack."""
    with described(key, folder) as pack:
        slices = decode(checked(pack["file"], folder), pack["slices"], *pack["size"])
        confirm(pack, content(slices))
        return Head(read_only(slices), tuple(pack["voxel"]), f"{source}; common/data/packs/PROVENANCE.md")

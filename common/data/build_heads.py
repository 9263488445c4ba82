"""The packs of two heads: axial slices out of NIfTI files, as one grey picture each.

The head of one person (Holmes et al. 1998: 27 scans of Colin, averaged) with its skull, and the brain averaged over 152
people (Fonov et al. 2009). Slices run from the neck upwards; in a slice the face is at the top and the person's left
on the left.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from common.data import mirrors, sprites
from common.data.archives import read_members
from common.data.embedded import content
from common.errors import Problem

UINT8 = 2  # NIfTI's code for the type


@dataclass(frozen=True)
class Scan:
    """A scan in a package. slices: which of the axial ones are carried: first, end, every how many."""

    key: str
    package: mirrors.Package
    member: str
    slices: tuple[int, int, int]


SCANS = (
    Scan(
        key="head",
        package=mirrors.Package("apt-get", "mricron-data", None, 16.1, None, ".deb"),
        member="./usr/share/mricron/templates/ch2.nii.gz",
        slices=(20, 176, 2),
    ),
    Scan(
        key="average_head",
        package=mirrors.Package(
            client="pip",
            name="nilearn",
            version="0.14.1",
            megabytes=11.5,
            sha256="725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
            suffix=".whl",
        ),
        member="nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
        slices=(6, 154, 3),
    ),
)


def nifti(stored: bytes) -> tuple[UInt8[np.ndarray, "x y z"], tuple[float, float, float]]:
    """A gzipped NIfTI-1 file of bytes: voxels, and their size in mm.

    The header has 348 bytes: at 40 the shape, at 70 the type, at 76 the size of a voxel, at 108 where the voxels begin,
    the first axis fastest; at 280 the matrix to the patient's axes, of which only a shift is expected (x to the
    right, y to the front, z up). Raises Problem for another kind of file.
    """
    raw = gzip.decompress(stored)
    axes, *shape = struct.unpack("<4h", raw[40:48])
    start, *_ = struct.unpack("<f", raw[108:112])
    (kind,) = struct.unpack("<h", raw[70:72])
    matrix = np.frombuffer(raw, "<f4", 12, 280).reshape(3, 4)[:, :3]
    if raw[344:348] != b"n+1\0" or axes != 3 or kind != UINT8 or not (np.diag(np.diag(matrix)) == matrix).all():
        raise Problem("not a NIfTI file of bytes with upright axes")
    voxels = np.frombuffer(raw, np.uint8, int(np.prod(shape)), int(start)).reshape(shape, order="F")
    return voxels, tuple(float(size) for size in np.diag(matrix))


def axial(voxels: UInt8[np.ndarray, "x y z"]) -> UInt8[np.ndarray, "z y x"]:
    """Slices from below, the face at the top of each."""
    return voxels.transpose(2, 1, 0)[:, ::-1]


def cropped(slices: UInt8[np.ndarray, "slices height width"]) -> UInt8[np.ndarray, "slices rows columns"]:
    """All slices cut to the smallest rectangle that holds every voxel above 0."""
    rows, columns = (np.flatnonzero(slices.any(axis=axis)) for axis in ((0, 2), (0, 1)))
    return slices[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def pack(scan: Scan, folder: Path) -> tuple[dict[str, bytes], dict]:
    """The file of the pack by name, and its entry in the manifest. Raises OSError where the package can't be had."""
    archive = mirrors.fetch(scan.package, folder, f"{scan.key}: {scan.package}")
    voxels, (x, y, z) = nifti(read_members(archive, [scan.member])[scan.member])
    first, end, every = scan.slices
    slices = np.ascontiguousarray(cropped(axial(voxels)[first:end:every]))
    file = f"{scan.key}.png"
    return {file: sprites.encode(slices)}, {
        "file": file,
        "slices": len(slices),
        "size": list(slices.shape[1:]),
        "voxel": [z * every, y, x],
        "content": content(slices),
    }

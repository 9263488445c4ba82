"""The heads: shapes, sizes of voxels, which way is up, and the reader of NIfTI files."""

import gzip
import struct
import time

import numpy as np
import pytest

from common import data
from common.data import build_heads
from common.errors import Problem


@pytest.mark.parametrize(
    ("load", "shape", "voxel"),
    [(data.head, (78, 215, 181), (2, 1, 1)), (data.average_head, (50, 181, 145), (3, 1, 1))],
)
def test_shapes_ranges_and_voxels(load, shape, voxel):
    found = load()
    assert (found.slices.shape, found.voxel, len(found)) == (shape, voxel, shape[0])
    assert found.slices.dtype == np.uint8
    assert not found.slices.flags.writeable
    assert found.slices.min() == 0
    assert found.slices.max() > 200
    for axis in ((0, 2), (0, 1)):
        edges = found.slices.any(axis=axis)
        assert edges[0]
        assert edges[-1], "cropped to what is there"


def test_slices_run_upwards_with_the_face_at_the_top():
    """A head is wider at the back than at the face; a mean slice of each half is nearly its own mirror image."""
    slices = data.head().slices
    assert (slices[0] > 20).mean() > 3 * (slices[-1] > 20).mean(), "the last slice is the crown"
    low = slices[5] > 20
    assert low[:60].mean() < low[-100:-40].mean()
    for found in (data.head(), data.average_head()):
        middle = found.slices[len(found) // 2].astype(float)
        assert np.corrcoef(middle.ravel(), middle[:, ::-1].ravel())[0, 1] > 0.85
    cerebellum = data.average_head().slices[6]
    assert cerebellum[-70:].mean() > 2 * cerebellum[:70].mean(), "at the back of the head"


@pytest.mark.parametrize("load", [data.head, data.average_head])
def test_neighbouring_slices_are_alike(load):
    slices = load().slices.astype(float)
    for place in range(5, len(slices) - 6):
        assert np.corrcoef(slices[place].ravel(), slices[place + 1].ravel())[0, 1] > 0.8, place


@pytest.mark.parametrize("load", [data.head, data.average_head])
def test_a_head_loads_in_half_a_second(load):
    seconds = []
    for _ in range(4):
        start = time.process_time()
        load()
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


def nifti(voxels, size=(1.0, 2.0, 3.0), kind=2, magic=b"n+1\0"):
    """A NIfTI file with a header as the standard lays it out."""
    header = bytearray(352)
    header[:4] = struct.pack("<i", 348)
    header[40:56] = struct.pack("<8h", 3, *voxels.shape, 1, 1, 1, 1)
    header[70:74] = struct.pack("<2h", kind, 8)
    header[76:92] = struct.pack("<4f", 1, *size)
    header[108:112] = struct.pack("<f", 352)
    header[280:328] = np.concatenate([np.diag(size), [[-9], [-8], [-7]]], axis=1).astype("<f4").tobytes()
    header[344:348] = magic
    return gzip.compress(bytes(header) + voxels.tobytes(order="F"), mtime=0)


def test_voxels_and_their_size_come_out_of_a_nifti_file():
    voxels = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    found, size = build_heads.nifti(nifti(voxels))
    assert np.array_equal(found, voxels)
    assert size == (1, 2, 3)
    slices = build_heads.axial(found)
    assert slices.shape == (5, 4, 3)
    assert slices[2, 0, 1] == voxels[1, 3, 2], "the front, where y is largest, is the first row"


def test_cropping_keeps_every_voxel_above_zero():
    slices = np.zeros((3, 8, 9), np.uint8)
    slices[0, 2, 3], slices[2, 5, 7] = 7, 9
    cut = build_heads.cropped(slices)
    assert cut.shape == (3, 4, 5)
    assert (cut[0, 0, 0], cut[2, 3, 4], cut.sum()) == (7, 9, 16)


@pytest.mark.parametrize("wrong", [{"kind": 4}, {"magic": b"ni1\0"}])
def test_another_kind_of_file_is_refused(wrong):
    with pytest.raises(Problem, match="not a NIfTI file of bytes"):
        build_heads.nifti(nifti(np.zeros((2, 2, 2), np.uint8), **wrong))

"""The four files that torchvision.datasets.MNIST reads, written from what our loader gives: no network is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.data import Dataset
from common.data.originals import IDX_MEMBERS


def write_idx(digits: Dataset, folder: Path) -> Path:
    """Write folder/MNIST/raw/*-ubyte: two zeros, 8 for bytes, the number of axes, their lengths, the bytes."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    arrays = digits.train.images, digits.train.labels, digits.test.images, digits.test.labels
    for name, array in zip(IDX_MEMBERS, arrays, strict=True):
        head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        (raw / name).write_bytes(head + array.astype(np.uint8).tobytes())
    return folder

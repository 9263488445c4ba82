"""From the bytes of the original files to arrays: the IDX files of MNIST, the PNG sheets of a CIFAR-10 mirror."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from jaxtyping import UInt8

from common.data.parts import Images

IDX_MEMBERS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR_MEMBERS = (
    *(f"data_batch_{i}.png" for i in range(1, 6)),
    "train_lables.json",  # spelled so in the package
    "test_batch.png",
    "test_lables.json",
)


def idx(content: bytes) -> UInt8[np.ndarray, "*shape"]:
    """An IDX file of bytes: two zeros, the type (8: uint8), the number of axes, each length as big-endian, the data."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if content[:3] != b"\0\0\x08":
        raise ValueError("not an IDX file of bytes")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def idx_parts(members: Mapping[str, bytes]) -> tuple[Images, Images]:
    """MNIST or Fashion-MNIST from its four IDX files, gzipped or not, in the order of IDX_MEMBERS."""
    images, labels, test_images, test_labels = (idx(content) for content in members.values())
    return Images(images, labels.astype(np.int64)), Images(test_images, test_labels.astype(np.int64))


def cifar_sheet(content: bytes) -> UInt8[np.ndarray, "items 32 32 3"]:
    """Images from a sheet of 1024 pixels across: each row of the sheet is one image, its own rows joined end to end."""
    from PIL import Image

    with Image.open(BytesIO(content)) as sheet:
        return np.asarray(sheet.convert("RGB")).reshape(-1, 32, 32, 3)


def cifar_parts(members: Mapping[str, bytes]) -> tuple[Images, Images]:
    """CIFAR-10 from the sheets and label lists of the npm package, in the order of CIFAR_MEMBERS."""
    *batches, labels, test_batch, test_labels = members.values()
    train = np.concatenate([cifar_sheet(batch) for batch in batches])
    return (
        Images(train, np.array(json.loads(labels), np.int64)),
        Images(cifar_sheet(test_batch), np.array(json.loads(test_labels), np.int64)),
    )

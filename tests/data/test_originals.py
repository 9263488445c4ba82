"""From original files to arrays."""

import gzip
import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from common.data.originals import CIFAR_MEMBERS, cifar_parts, cifar_sheet, idx


def test_idx_is_read_big_endian_and_gzipped_or_not():
    content = b"\0\0\x08\x03" + b"\0\0\0\x02\0\0\0\x01\0\0\0\x03" + bytes(range(6))
    for form in (content, gzip.compress(content)):
        assert idx(form).tolist() == [[[0, 1, 2]], [[3, 4, 5]]]


@pytest.mark.parametrize("content", [b"", b"\0\0\x0d\x01\0\0\0\x01....", b"\0\0\x08\x01\0\0\0\x09short"])
def test_what_is_no_idx_file_of_bytes_is_refused(content):
    with pytest.raises(ValueError):  # noqa: PT011 - NumPy words the last one
        idx(content)


def as_png(sheet):
    file = BytesIO()
    Image.fromarray(sheet).save(file, "PNG")
    return file.getvalue()


def test_a_row_of_the_sheet_is_an_image():
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    sheet = np.stack([np.concatenate(list(image)) for image in images])
    assert sheet.shape == (4, 1024, 3)
    assert np.array_equal(cifar_sheet(as_png(sheet)), images)


def test_batches_and_labels_come_in_their_order():
    members = {}
    for number, name in enumerate(CIFAR_MEMBERS):
        sheet = np.full((2, 1024, 3), number, np.uint8)
        members[name] = as_png(sheet) if name.endswith("png") else json.dumps([number] * (10 if number < 6 else 2))
    train, test = cifar_parts(members)
    assert train.images[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert (set(train.labels), set(test.labels)) == ({5}, {7})
    assert test.images[:, 0, 0, 0].tolist() == [6, 6]

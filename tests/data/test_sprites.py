"""Small images in one large picture and back."""

import numpy as np
import pytest

from common.data import sprites


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3)])
@pytest.mark.parametrize("n", [1, 99, 100, 101, 250])
def test_no_pixel_is_lost(n, shape):
    images = np.random.default_rng(n).integers(0, 256, (n, *shape), dtype=np.uint8)
    assert np.array_equal(sprites.decode(sprites.encode(images), n, *shape[:2]), images)


def test_images_lie_row_by_row():
    images = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    sheet = sprites.tile(images, columns=2)
    assert sheet.shape == (6, 6)
    assert sheet[::2, ::3].tolist() == [[0, 1], [2, 3], [4, 0]]


def test_grey_is_png_and_colour_is_webp():
    assert sprites.encode(np.zeros((2, 4, 4), np.uint8)).startswith(b"\x89PNG")
    assert sprites.encode(np.zeros((2, 4, 4, 3), np.uint8))[8:12] == b"WEBP"

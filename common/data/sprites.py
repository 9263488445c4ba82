"""Many small images as one large picture, which is smaller and faster to read than a file an image.

The formats were chosen by measuring (packs/PROVENANCE.md). Colour goes into lossless WebP, a fifth smaller than PNG.
Grey goes into PNG: WebP knows no grey, saves a mere 3 to 9 % there, and takes three times as long to read.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from jaxtyping import UInt8

COLUMNS = 100  # 100 × 32 pixels across and 120 × 28 down: far from the 16383 a side that WebP allows


def tile(
    images: UInt8[np.ndarray, "items height width *channels"], columns: int = COLUMNS
) -> UInt8[np.ndarray, "rows_times_height columns_times_width *channels"]:
    """Lay the images out row by row, left to right; black fills the last row."""
    n, height, width, *channels = images.shape
    rows = -(-n // columns)
    padded = np.zeros((rows * columns, height, width, *channels), np.uint8)
    padded[:n] = images
    grid = padded.reshape(rows, columns, height, width, *channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *channels)


def cut(
    sheet: UInt8[np.ndarray, "rows_times_height columns_times_width *channels"], n: int, height: int, width: int
) -> UInt8[np.ndarray, "{n} {height} {width} *channels"]:
    """Undo tile: the first n images of the sheet."""
    rows, columns, channels = sheet.shape[0] // height, sheet.shape[1] // width, sheet.shape[2:]
    grid = sheet.reshape(rows, height, columns, width, *channels).swapaxes(1, 2)
    return grid.reshape(rows * columns, height, width, *channels)[:n]


def suffix(shape: tuple[int, ...]) -> str:
    """The format for images of this shape, (H, W) or (H, W, 3), as the ending of a file's name."""
    return ".png" if len(shape) == 2 else ".webp"


def encode(images: UInt8[np.ndarray, "items height width"] | UInt8[np.ndarray, "items height width 3"]) -> bytes:
    """The images as one picture without loss, packed as tightly as the encoder can (WebP: half a minute a pack)."""
    from PIL import Image

    picture, file = Image.fromarray(tile(images)), BytesIO()
    if suffix(images.shape[1:]) == ".png":
        picture.save(file, "PNG", optimize=True)
    else:
        picture.save(file, "WEBP", lossless=True, quality=100, method=6, exact=True)
    return file.getvalue()


def decode(
    content: bytes, n: int, height: int, width: int
) -> UInt8[np.ndarray, "{n} {height} {width}"] | UInt8[np.ndarray, "{n} {height} {width} 3"]:
    """Undo encode: n images of height × width pixels."""
    from PIL import Image

    with Image.open(BytesIO(content)) as picture:
        return cut(np.asarray(picture), n, height, width)

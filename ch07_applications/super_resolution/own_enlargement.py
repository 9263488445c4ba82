"""The reader's own picture, --photo FILE, four times as large."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ch07_applications.super_resolution.bicubic import enlarge, resize, rounded
from ch07_applications.super_resolution.drawn_super_resolution import draw_own
from ch07_applications.super_resolution.luma_chroma import Grey, recoloured
from common.errors import Problem
from common.files import write_whole
from common.metrics.super_resolution import luma
from common.run import Run

SMALLEST = 8  # pixels of a side
MEGAPIXELS = 1.0  # the most: 16 after the enlargement, 400 MB while it is computed
SHOWN = 64  # pixels of the photograph along the shown part


def within(photo: UInt8[np.ndarray, "height width 3"], megapixels: float = MEGAPIXELS) -> UInt8[np.ndarray, "_ _ 3"]:
    """The photograph, reduced if it has more megapixels.

    Raises Problem for a side of less than SMALLEST pixels, before and after.
    """
    height, width = photo.shape[:2]
    if min(height, width) < SMALLEST:
        raise Problem(f"--photo has {width}×{height} pixels, super-resolution needs at least {SMALLEST}×{SMALLEST}")
    share = (megapixels * 1e6 / (height * width)) ** 0.5
    if share >= 1:
        return photo
    size = max(SMALLEST, int(share * height)), max(SMALLEST, int(share * width))
    return rounded(resize(photo, size))


def enlarge_own(run: Run, enlarge_luma: Callable[[Grey], Grey], name: str, limit: float = MEGAPIXELS) -> None:
    """Enlarge run.photo by the method `name`, keep it as a picture, and show its middle beside bicubic's."""
    photo = within(run.photo, limit)
    start = time.perf_counter()
    large = recoloured(enlarge_luma(luma(photo)), photo)
    seconds, (height, width) = time.perf_counter() - start, photo.shape[:2]
    file, png = f"{run.file_name}_enlarged.png", BytesIO()
    Image.fromarray(large).save(png, "PNG")
    write_whole(run.folder / file, png.getvalue())
    reduced = "" if photo is run.photo else f", reduced to {width} × {height} pixels first"
    run.note(f"Your photograph{reduced}, ×4 to {4 * width} × {4 * height} pixels: {seconds:.1f} s, in {file}.")
    side = min(SHOWN, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut, place = (
        photo[top : top + side, left : left + side],
        np.s_[4 * top : 4 * (top + side), 4 * left : 4 * (left + side)],
    )
    shown = {"its middle": cut, "bicubic": rounded(enlarge(cut, 4)), name: large[place]}
    run.figure("photo", draw_own, photo, shown, caption="Your photograph, and its middle four times as large.")

"""The reader's own picture, --photo FILE, with a hole filled: that of --mask FILE, or strokes that are drawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO

import numpy as np
from jaxtyping import Bool, Shaped, UInt8
from PIL import Image

from ch07_applications.reconstruction.drawn_partial_convolutions import draw_own
from ch07_applications.reconstruction.hidden_crops import Picture, reduce_to
from ch07_applications.reconstruction.holes import BANDS, Hole, draw_hole, marked
from ch07_applications.reconstruction.inpainting_rivals import MEAN, mean_fill
from common.errors import Problem
from common.files import write_whole
from common.run import Run

SMALLEST, MEGAPIXELS = 32, 1.0  # the least side in pixels; the size to which larger pictures are reduced
BAND = BANDS[1]  # hidden if no mask is given


def given_hole(
    photo: UInt8[np.ndarray, "height width 3"], mask: Shaped[np.ndarray, "..."] | None, seed: int
) -> Bool[np.ndarray, "_ _"]:
    """The mask, True where pixels are to be filled; without one, a hole of the second band.

    Raises Problem for a mask of another size, and for one that hides everything or nothing.
    """
    height, width = photo.shape[:2]
    if mask is None:
        return draw_hole((height, width), BAND, np.random.default_rng([seed, 5]))
    if mask.shape != (height, width):
        size = "×".join(str(length) for length in mask.shape[::-1])
        raise Problem(f"--mask has {size} pixels, but --photo {width}×{height}")
    if mask.all() or not mask.any():
        raise Problem(f"--mask hides {'every pixel' if mask.all() else 'no pixel'} of --photo: there is nothing to do")
    return mask.astype(bool)


def within(picture: Picture, hole: Hole, megapixels: float) -> tuple[Picture, Bool[np.ndarray, "_ _"]]:
    """Both, reduced if they have more pixels. A reduced pixel is hidden if any part of it was."""
    height, width = hole.shape
    share = (megapixels * 1e6 / (height * width)) ** 0.5
    if share >= 1:
        return picture, hole
    size = int(share * height), int(share * width)
    shown = reduce_to((hole[..., None].repeat(3, axis=2) * 255).astype(np.uint8), size)
    small = shown[..., 0] > 0
    if small.all():
        raise Problem(f"--mask hides every pixel of --photo once both are reduced to {size[1]}×{size[0]} pixels")
    return reduce_to(picture, size), small


def fill_own(run: Run, fill: Callable[[Picture, Hole], Picture], name: str, limit: float = MEGAPIXELS) -> None:
    """Fill run.photo with this method, keep it as a picture, and show it beside the best rival's.

    Raises Problem for a photograph with a side below SMALLEST pixels, and what given_hole raises.
    """
    height, width = run.photo.shape[:2]
    if min(height, width) < SMALLEST:
        raise Problem(f"--photo has {width}×{height} pixels, inpainting needs at least {SMALLEST}×{SMALLEST}")
    photo, hole = within(run.photo, given_hole(run.photo, run.mask, run.seed), limit)
    start = time.perf_counter()
    filled = fill(photo, hole)
    seconds, file, png = time.perf_counter() - start, f"{run.file_name}_filled.png", BytesIO()
    Image.fromarray(filled).save(png, "PNG")
    write_whole(run.folder / file, png.getvalue())
    size = f"{photo.shape[1]} × {photo.shape[0]} pixels"
    run.note(f"Your photograph, {size}, {100 * hole.mean():.1f} % of them hidden: {seconds:.1f} s, in {file}.")
    shown = {"with the hole": marked(photo, hole), MEAN: mean_fill(photo, hole)}
    caption = "Your photograph: pixels to be filled in magenta, and filled in two ways."
    run.figure("photo", draw_own, shown | {name: filled}, caption=caption)

"""The reader's own picture, --photo FILE, in the three styles."""

from __future__ import annotations

import time
from collections.abc import Callable

from ch07_applications.style.drawn_style import draw_photo
from ch07_applications.style.pixels import Picture
from ch07_applications.style.styles import reduced, styles
from common.errors import Problem
from common.run import Run

SHORTEST, LONGEST = 32, 512  # pixels: the least shorter side, even after the longer one is reduced to LONGEST


def restyle_own(run: Run, restyle: Callable[[Picture, Picture], tuple[Picture, list[float]]]) -> None:
    """Restyle run.photo, and note the seconds. restyle: maps photograph and style to a picture and losses."""
    height, width = run.photo.shape[:2]
    if min(height, width) < SHORTEST:
        raise Problem(f"--photo has {width}×{height} pixels, style transfer needs at least {SHORTEST}×{SHORTEST}")
    longest = run.pick(smoke=LONGEST, lecture=LONGEST, full=3 * LONGEST)
    content = reduced(run.photo, min(1.0, max(longest / max(height, width), SHORTEST / min(height, width))))
    found, start = {"your photograph": content}, time.perf_counter()
    for name, style in styles(run.pick(smoke=64, lecture=320)).items():
        found[name], _ = restyle(content, style)
    size, seconds = f"{content.shape[1]} × {content.shape[0]} pixels", time.perf_counter() - start
    run.note(f"Your photograph in three styles, {size}: {seconds:.0f} s.")
    run.figure("photo", draw_photo, found, caption="Your photograph, and the same in three styles.")
